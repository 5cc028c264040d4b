"""The study of the synthetic transformer: recovery, drift, search and schedules, claims S1 to S8.

`measure` measures all, `verify` a part; the other names are its steps, which the chapter calls one by one,
and for each subject the function that adds its rows.
"""

from __future__ import annotations

from lglib.studies.synthetic import schedules
from lglib.studies.synthetic.basis_drift import follow_basis, overlap_of_strangers
from lglib.studies.synthetic.candidates import FAMILIES, POOLS, best_by_law, pool_at
from lglib.studies.synthetic.captures import bases_beforehand, recover_and_capture, static_planes
from lglib.studies.synthetic.gradients import gradient_sets, relative_ranks, spectra_and_nulls
from lglib.studies.synthetic.measure import (
    add_captures,
    add_drift,
    add_outcome,
    add_pool,
    add_ranks,
    measure,
    verify,
)
from lglib.studies.synthetic.parameters import Parameters
from lglib.studies.synthetic.setups import train_by
from lglib.studies.synthetic.trained import recover, train

__all__ = ["FAMILIES", "POOLS", "Parameters", "add_captures", "add_drift", "add_outcome", "add_pool"]
__all__ += ["add_ranks", "bases_beforehand", "best_by_law", "follow_basis", "gradient_sets", "measure"]
__all__ += ["overlap_of_strangers", "pool_at", "recover", "recover_and_capture", "relative_ranks"]
__all__ += ["schedules", "spectra_and_nulls", "static_planes", "train", "train_by", "verify"]
