"""Study of chapter 5: weight steps and steering vectors, from weights to activations and back."""

from lglib.studies.bridge.across import across_models
from lglib.studies.bridge.constructions import by_contrast, by_descent, by_gradient, ceiling, whole
from lglib.studies.bridge.imitated import imitate
from lglib.studies.bridge.measure import measure, verify
from lglib.studies.bridge.parameters import Parameters
from lglib.studies.bridge.search import effective_directions, expected_aim, find, scores, sought
from lglib.studies.bridge.setup import fitted, in_float64, prepare
from lglib.studies.bridge.shifts import (
    CONTRASTS,
    SHIFTS,
    agreement,
    caa_vectors,
    gradient_shifts,
    random_shifts,
)
from lglib.studies.bridge.steered import CAA, COSTS, DOSED, SOUGHT, judge, random_directions, vectors
from lglib.studies.bridge.taylor import in_tensor_units, kernel, order, remainders, smallest_gap, steps

__all__ = [
    "CAA",
    "CONTRASTS",
    "COSTS",
    "DOSED",
    "SHIFTS",
    "SOUGHT",
    "Parameters",
    "across_models",
    "agreement",
    "by_contrast",
    "by_descent",
    "by_gradient",
    "caa_vectors",
    "ceiling",
    "effective_directions",
    "expected_aim",
    "find",
    "fitted",
    "gradient_shifts",
    "imitate",
    "in_float64",
    "in_tensor_units",
    "judge",
    "kernel",
    "measure",
    "order",
    "prepare",
    "random_directions",
    "random_shifts",
    "remainders",
    "scores",
    "smallest_gap",
    "sought",
    "steps",
    "vectors",
    "verify",
    "whole",
]
