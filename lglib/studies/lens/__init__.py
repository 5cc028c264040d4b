"""Study of chapter 5: what of a weight step's shift, and of a CAA vector, is the logit lens already."""

from lglib.studies.lens.compared import LEAD, LESS, PLACES, cosines_with, lead
from lglib.studies.lens.measure import measure, verify
from lglib.studies.lens.parameters import Parameters
from lglib.studies.lens.setup import prepare
from lglib.studies.lens.steered import COMPARED, judge
from lglib.studies.lens.vectors import (
    CAA,
    GRADIENT,
    LENS,
    NAMES,
    RANDOM,
    SCALED,
    STEP,
    baselines,
    of_task,
    random_directions,
    shifts,
)

__all__ = [
    "CAA",
    "COMPARED",
    "GRADIENT",
    "LEAD",
    "LENS",
    "LESS",
    "NAMES",
    "PLACES",
    "RANDOM",
    "SCALED",
    "STEP",
    "Parameters",
    "baselines",
    "cosines_with",
    "judge",
    "lead",
    "measure",
    "of_task",
    "prepare",
    "random_directions",
    "shifts",
    "verify",
]
