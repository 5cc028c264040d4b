"""Checks of chapter 7: size from one step, the gauge of a mean of adapters, the rank of a mean."""

from __future__ import annotations

from lglib.course.checks import Check

CHECKS = {
    "ex-cnn": Check(
        right=185**2,
        hints=(
            (185, "That is the root of d: a random step's component along the gradient has variance 1 / d."),
            (2 * 185, "It is not the double: solve sqrt(d) = 185."),
            (185**2 / 2, "Both steps have one length: the ratio is sqrt(d), without a half."),
        ),
        otherwise="A gradient step lies sqrt(d) standard deviations of random steps above zero.",
    ),
    "ex-worst": Check(
        right=3 + 2 * 2**0.5,
        hints=(
            (6, "Near. c + 1 / c = 6; solve c^2 - 6 c + 1 = 0."),
            (8, "A quarter stands in front: (2 + c + 1 / c) / 4 = 2."),
            (2 + 3**0.5, "That solves c + 1 / c = 4. Twice the product wants (2 + c + 1 / c) / 4 = 2."),
        ),
        otherwise="The mean of factors is (1 + 1 / c) (1 + c) / 4 times the product; set that to 2.",
        within=0.01,
    ),
    "ex-rank": Check(
        right=8,
        hints=(
            (4, "That is the rank of one of them. Their sum can have more."),
            (16, "Ranks add at most, they do not multiply."),
            (2, "It grows: the sum of two products of rank r."),
        ),
        otherwise="The rank of a sum is at most the sum of the ranks.",
    ),
}
