"""Study `lora`: an adapter learns a pair of tasks, forgets one and recovers it; what captures the way?"""

from lglib.studies.lora.candidates import bases_of, densities, draws, questions, scores, search
from lglib.studies.lora.captures import at_a_third, capture_grid, grid_of
from lglib.studies.lora.cases import (
    Case,
    attach,
    bases_before,
    experiment,
    gradient_sets,
    gradients_at,
    prepare,
)
from lglib.studies.lora.drifting import drifted, gradients_along, rank_ratio, read_steps, stranger
from lglib.studies.lora.forget_and_recover import Experiment, Points
from lglib.studies.lora.function import GAUGES, effects, in_gauge, merged_captures
from lglib.studies.lora.measure import measure, verify
from lglib.studies.lora.parameters import Parameters
from lglib.studies.lora.prediction import draw_pools
from lglib.studies.lora.refresh import held_out_losses, looks, recover_within

__all__ = ["GAUGES", "Case", "Experiment", "Parameters", "Points"]
__all__ += ["at_a_third", "attach", "bases_before", "bases_of", "capture_grid", "densities", "draw_pools"]
__all__ += ["draws", "drifted", "effects", "experiment", "gradient_sets", "gradients_along", "gradients_at"]
__all__ += ["grid_of", "held_out_losses", "in_gauge", "looks", "measure", "merged_captures", "prepare"]
__all__ += [
    "questions",
    "rank_ratio",
    "read_steps",
    "recover_within",
    "scores",
    "search",
    "stranger",
    "verify",
]
