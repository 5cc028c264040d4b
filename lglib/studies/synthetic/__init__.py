"""The study of the synthetic transformer: recovery, drift, search and schedules, claims S1 to S8.

`measure` measures all, `verify` a part; the other names are its steps, which the chapter calls one by one.
"""

from __future__ import annotations

from lglib.studies.synthetic import schedules, transformer
from lglib.studies.synthetic.basis_drift import follow_basis, overlap_of_strangers
from lglib.studies.synthetic.candidates import best_of, correlations, pool_at
from lglib.studies.synthetic.captures import bases_beforehand, recover_and_capture, static_planes
from lglib.studies.synthetic.gradients import gradient_sets, relative_ranks, share_of_mean, spectra_and_nulls
from lglib.studies.synthetic.measure import measure, verify
from lglib.studies.synthetic.parameters import Parameters
from lglib.studies.synthetic.setups import train_by
from lglib.studies.synthetic.trained import Trained, recover, train

__all__ = ["Parameters", "Trained", "bases_beforehand", "best_of", "correlations"]
__all__ += [
    "follow_basis",
    "gradient_sets",
    "measure",
    "overlap_of_strangers",
    "pool_at",
    "recover",
    "recover_and_capture",
]
__all__ += ["relative_ranks", "schedules", "share_of_mean", "spectra_and_nulls", "static_planes"]
__all__ += ["train", "train_by", "transformer", "verify"]
