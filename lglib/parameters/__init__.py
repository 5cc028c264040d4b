"""A model as a point theta in R^d: gradients, Gram matrices, curvature, descent and its trajectory."""

from lglib.parameters.descent import Trajectory, descend, optimizer
from lglib.parameters.gram import grams
from lglib.parameters.linearity import Regime
from lglib.parameters.memory import memory_estimate
from lglib.parameters.per_example import per_example_gradients
from lglib.parameters.recovery import prefix_capture
from lglib.parameters.space import ParameterSpace
from lglib.parameters.subspace_descent import SubspaceRun

__all__ = [
    "ParameterSpace",
    "Regime",
    "SubspaceRun",
    "Trajectory",
    "descend",
    "grams",
    "memory_estimate",
    "optimizer",
    "per_example_gradients",
    "prefix_capture",
]
