"""Checks of chapters 2 and 2b: a shared mean, leaks of a split, noise of overlaps and labels, a shortcut."""

from __future__ import annotations

import math

from lglib.course.checks import Check

CHECKS = {
    "ex-mean": Check(
        right=40**2 / (21**2 + 19),
        hints=(
            (20, "That is n: the ratio without a mean. One eigenvalue is n mu + nu, all others are nu."),
            (4, "That is the limit for large n, (1 + nu / mu)^2. Here n is 20."),
            (40**2 / (20**2 + 20), "Near. The large eigenvalue is n mu + nu, the others are n - 1."),
        ),
        otherwise="The Gram matrix is mu 1 1^T + nu I: put its n eigenvalues into (sum)^2 / sum of squares.",
        within=0.01,
    ),
    "ex-leak": Check(
        right=1 - (1 - 1e-6) ** 64_000,
        hints=(
            ((1 - 1e-6) ** 64_000, "That is the share that was never seen."),
            (1 - (1 - 1e-6) ** 500, "500 steps draw 128 inputs each."),
            (1 - (1 - 1e-6) ** 16_000, "The four tasks share the inputs: count the draws of all of them."),
        ),
        otherwise="An input is missed by n draws with probability (1 - 10^-L)^n; n = 64,000 and L = 6.",
        within=0.01,
    ),
    "ex-attenuation": Check(
        right=0.5 / 0.8,
        hints=(
            (0.5 * 0.8, "That is o(t) itself. Divide it by c(0) = q_0^2."),
            (0.8 / 0.5, "That is o(t) / c(t). The question is for c(0)."),
            (1.0, "That is the relative overlap, with the root of c(0) c(t). With c(0) alone it is not 1."),
        ),
        otherwise="o(t) = q_0 q_t and c(s) = q_s^2, since a squared cosine is the product of both qualities.",
    ),
    "ex-cosine": Check(
        right=6.7 / 29.7,
        hints=(
            (6.7 / 99, "The first k overlap too: the denominator 1 + (k - 1) c is missing."),
            (0.1, "That is k / T, the energy share. At c = 0.1 the capture is above it, and below 0.77."),
            (0.77, "That is the capture itself. Updates need far smaller cosines for it."),
        ),
        otherwise="Set (k / T) (1 + (T - 1) c) / (1 + (k - 1) c) = 0.77: 1 + 99 c = 7.7 (1 + 9 c).",
    ),
    "ex-wilson": Check(
        right=0.997 * 1.96**2 / 0.003,
        hints=(
            (1000, "At n = 1000 the lower end is 0.9962, below 0.997."),
            (0.997 * 1.96 / 0.003, "z enters squared: the lower end is n / (n + z^2)."),
            (0.997 * 1.6449**2 / 0.003, "That is z = 1.645, of one side. The interval at 95 % has z = 1.96."),
        ),
        otherwise="With all n right the lower end of the Wilson interval is n / (n + z^2): solve for n.",
        within=0.005,
    ),
    "ex-flip-cost": Check(
        right=-0.9 * math.log(0.9) - 0.1 * math.log(0.1),
        hints=(
            (-math.log(0.9), "That is the cost under true labels. A tenth of the labels is flipped."),
            (-0.9 * math.log2(0.9) - 0.1 * math.log2(0.1), "That is in bits; the loss is in nats."),
            (-math.log(0.1), "That is the cost of one flipped label. Nine tenths are not flipped."),
        ),
        otherwise="Nine tenths of the labels cost -ln 0.9, a tenth costs -ln 0.1.",
    ),
    "ex-shortcut": Check(
        right=1 - 0.5 * 0.25,
        hints=(
            (0.5 * 0.25, "That is where the shortcut fails."),
            (1 - 0.25, "Only false questions can mislead it, and they are a half of all."),
            (0.5, "It is right on all true questions, and on the false ones whose value is not there."),
        ),
        otherwise="It fails on the share p of false questions, times the share s of these that tempt it.",
    ),
}
