"""The residual stream of a language model: reading it, steering it, pushing weight steps into it and back."""

from lglib.activations import effects, imitation, pushforward, residual, steering, steering_losses
from lglib.activations.pushforward import Pushforward
from lglib.activations.steering import SteeringVector, caa, steer

__all__ = [
    "Pushforward",
    "SteeringVector",
    "caa",
    "effects",
    "imitation",
    "pushforward",
    "residual",
    "steer",
    "steering",
    "steering_losses",
]
