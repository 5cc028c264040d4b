"""Study `lora`: an adapter learns a pair of tasks, forgets one and recovers it; what captures the way?"""

from lglib.studies.lora.candidates import (
    bases_of,
    densities,
    draws,
    gradient_steps,
    questions,
    scores,
    search,
)
from lglib.studies.lora.captures import add_captures, at_a_third, capture_grid
from lglib.studies.lora.cases import (
    STATIC,
    Case,
    attach,
    bases_before,
    experiment,
    gradient_sets,
    gradients_at,
    prepare,
)
from lglib.studies.lora.drifting import add_drift, drifted, gradients_along, rank_ratio, read_steps, stranger
from lglib.studies.lora.forget_and_recover import Experiment, Points
from lglib.studies.lora.function import GAUGES, effects, in_gauge, merged_captures
from lglib.studies.lora.measure import measure, verify
from lglib.studies.lora.parameters import Parameters
from lglib.studies.lora.refresh import held_out_losses, looks, recover_within

__all__ = ["GAUGES", "STATIC", "Case", "Experiment", "Parameters", "Points"]
__all__ += ["add_captures", "add_drift", "at_a_third", "attach", "bases_before", "bases_of", "capture_grid"]
__all__ += ["densities", "draws", "drifted", "effects", "experiment", "gradient_sets", "gradient_steps"]
__all__ += ["gradients_along", "gradients_at", "held_out_losses", "in_gauge", "looks", "measure"]
__all__ += ["merged_captures", "prepare", "questions", "rank_ratio", "read_steps", "recover_within", "scores"]
__all__ += ["search", "stranger", "verify"]
