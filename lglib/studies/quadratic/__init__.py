"""Study of prefix captures on fixed quadratics, where nothing drifts and nothing is learned.

`measure` measures all, `verify` a part; the other names are its steps, which the chapter calls one by one.
"""

from lglib.studies.quadratic.captures import Captures, by_law, measured, pairs
from lglib.studies.quadratic.law import capture, capture_to_come, energy_share, expected_gram, responses
from lglib.studies.quadratic.losses import SETTINGS, SPECTRA, Loss, made
from lglib.studies.quadratic.measure import measure, verify
from lglib.studies.quadratic.parameters import Parameters
from lglib.studies.quadratic.runs import descend, unit_noise

__all__ = ["SETTINGS", "SPECTRA", "Captures", "Loss", "Parameters", "by_law", "capture", "capture_to_come"]
__all__ += ["descend", "energy_share", "expected_gram", "made", "measure", "measured", "pairs", "responses"]
__all__ += ["unit_noise", "verify"]
