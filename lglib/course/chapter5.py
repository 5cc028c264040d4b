"""Checks of chapter 5: reliability of halves, aim of a search, what it keeps."""

from __future__ import annotations

from lglib.course.checks import Check

SHARE = 0.58**2 / (1 - 0.58**2)  # signal over directions that matter, for a cosine of 0.58

CHECKS = {
    "ex-keep": Check(
        right=0.54,
        hints=(
            (0.27, "This is the share at either end of the scores. K / P counts both ends."),
            (1.0, "All pairs: those in the middle add noise and hardly any signal."),
            (0.125, "This is what the chapter keeps. Its signal is not the largest."),
        ),
        otherwise="Maximise p (phi(c) / (p / 2))^2 over p, with the cut c where p / 2 lies beyond.",
        within=0.03,
    ),
    "ex-many": Check(
        right=2 * 100 * SHARE,
        hints=(
            (100 * SHARE, "That is the number of pairs, S. There are two candidates a pair."),
            (2 * 100 * 0.58**2, "Near. S / (S + D) is the squared cosine: solve for S, do not multiply."),
            (2 * 100 * 0.58 / (1 - 0.58), "The law has the root of S / (S + D): square the cosine first."),
        ),
        otherwise="Set sqrt(S / (S + D)) = 0.58 with S = N / 2 and D = 100.",
    ),
    "ex-halves": Check(
        right=(2 * 0.5 / 1.5) ** 0.5,
        hints=(
            (0.5, "That is the halves among each other. The whole has half of their noise."),
            (2 * 0.5 / 1.5, "That is the reliability of the whole. Its cosine with the truth is the root."),
            (0.5**0.5, "That is one half with the truth. The whole is the mean of two halves."),
        ),
        otherwise="Halves t + n_1, t + n_2 have the cosine |t|^2 / (|t|^2 + |n|^2); the whole has |n|^2 / 2.",
    ),
}
