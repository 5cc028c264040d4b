"""Checks of chapter 4: gradient rank, sketches, antithetic pairs, central differences."""

from __future__ import annotations

from lglib.course.checks import Check

CHECKS = {
    "ex-llm-lengths": Check(
        right=32 / 128,
        hints=(
            (32, "That is the rank itself. The question is which share q of the n gradients is long."),
            (128 / 32, "This is n / c. By the proposition the ratio is q n, so q = c / n."),
            (
                (32 / 128) ** 0.5,
                "Lengths enter squared above and to the fourth power below: q n, no root.",
            ),
        ),
        otherwise="Put equal lengths for q n of the vectors into the proposition, and solve q n = c for q.",
    ),
    "ex-llm-ghost": Check(
        right=8**0.5,
        hints=(
            (8, "That is T squared. The condition is T^2 (k + o) = k o."),
            (4, "Did k + o become k? It is T^2 times 2 k for k = o."),
            (16, "It is not the width itself. Compare n^2 T^2 (k + o) with n^2 k o."),
        ),
        otherwise="Leave the first term away: T^2 (k + o) = k o at the length where both cost the same.",
    ),
    "ex-llm-sketch": Check(
        right=9 * (1 + 3),
        hints=(
            (27, "r_m / r has 1 + r in it, not r alone: the trace of a sketched matrix has a spread too."),
            (4, "This is m for a half of the rank. Nine tenths want r_m / r = 0.9."),
            (30, "Near. Solve 1 / (1 + (1 + r) / m) = 0.9 exactly."),
        ),
        otherwise="From the law r_m / r = 1 / (1 + (1 + r) / m). Set it to 0.9 and solve for m, with r = 3.",
        within=0.01,
    ),
    "ex-llm-pairs": Check(
        right=2**0.5,
        hints=(
            (1.0, "For N = 2 there is one pair: its better half gains E|z|, which is more than m_2."),
            (2.0, "A pair does not gain twice as much. Compare E|z| = sqrt(2 / pi) with m_2 = 1 / sqrt(pi)."),
            (0.798, "This is E|z| itself. The question is for its ratio to m_2."),
        ),
        otherwise="E|z| = sqrt(2 / pi); the mean of the larger of two normals is 1 / sqrt(pi). Divide.",
    ),
    "ex-llm-step": Check(
        right=2 / 3,
        hints=(
            (1 / 3, "That is the exponent of the best step. Put it back into the error."),
            (1.0, "The error at the best step is larger than the rounding of a loss: the step is short."),
            (1 / 2, "That holds for a one-sided difference, whose error has a part in s, not in s squared."),
        ),
        otherwise="Set the derivative of eps / s + c s^2 to zero, and put that s into the error.",
    ),
}
