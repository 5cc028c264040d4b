"""Checks of chapter 3: gauge directions, pass@N, votes, the price of a random search."""

from __future__ import annotations

from lglib.course.checks import Check
from lglib.theory import laws

CHECKS = {
    "ex-gauge": Check(
        right=4,
        hints=(
            (2, "That is r. The gauge is a whole r x r matrix M for each layer."),
            (18, "That is the number of coordinates, r (m + n). Most of them change the function."),
            (14, "That is the rank, the directions that do change B A. The gauge is the rest."),
        ),
        otherwise="Count the entries of M in (M^-1 A, B M); or take r (m + n) less the rank of d(BA).",
    ),
    "ex-pass": Check(
        right=1 - 0.9**10,
        hints=(
            (1.0, "Chances add only where they cannot both happen. Take all ten wrong, and turn it round."),
            (0.9**10, "That is the chance that all ten are wrong."),
            (0.1, "That is one candidate. Ten are drawn."),
        ),
        otherwise="pass@N = 1 - (1 - p)^N for independent candidates.",
    ),
    "ex-votes": Check(
        right=0.7869,
        hints=(
            (0.6, "That is one voter. A majority of fifteen is more often right."),
            (0.6**15, "That is all fifteen right. Eight are enough."),
            (0.2066, "That is exactly nine right. Add the chances of 8, 10, 11, ... 15."),
        ),
        otherwise="Sum the binomial chances of 8 to 15 right among 15, with p = 0.6.",
    ),
    "ex-worth": Check(
        right=lambda: laws.expected_maximum(256) / 10**0.5,
        hints=(
            (
                lambda: laws.expected_maximum(256),
                "That is m_N. A direction in k dimensions has it over sqrt k.",
            ),
            (
                lambda: laws.expected_maximum(256) / 10,
                "The length of a normal vector in k dimensions is sqrt k.",
            ),
            (1.0, "The best of N comes near the gradient step, and does not reach it in ten dimensions."),
        ),
        otherwise="The rough law is m_N / sqrt k, with m_N the mean of the largest of N normals.",
    ),
}
