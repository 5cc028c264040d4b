"""L1: effective ranks of per-example gradients beside random directions of the same lengths.

Also how a rank grows with the number of gradients, and where in the model it is low.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from torch import Tensor

from lglib.geometry import spectra
from lglib.parameters import gram
from lglib.parameters.gram import Grams
from lglib.studies.rank.subject import SETS, Subject, encode, items, shuffled
from lglib.tasks.items import Item

STATES = ("trained", "untrained", "shuffled labels")
VIEWS = {"raw": lambda g: g, "centred": spectra.centred, "unit norm": spectra.unit}
RANKS = ("participation ratio", "stable rank", "rank at 90 %")


def item_sets(subject: Subject, task: str) -> list[list[Item]]:
    """Three sets of items of a task."""
    n = subject.parameters.examples
    return [items(subject, task, n, f"set {i}") for i in range(SETS)]


def grams(subject: Subject, state: str, items: Sequence[Item]) -> Grams:
    """Gram matrices of the items' gradients, (n, n) for each parameter, in one of STATES."""
    if state not in STATES:
        raise ValueError(f"state is {state!r}; there is: {', '.join(STATES)}")
    space = subject.untrained if state == "untrained" else subject.space
    chosen = shuffled(items, subject.seed) if state == "shuffled labels" else items
    return gram.grams(space, encode(subject, chosen), blocks=subject.recomputed)


def effective_ranks(matrix: Tensor) -> dict[str, float]:
    """The three ranks of a Gram matrix (n, n).

    >>> import torch
    >>> effective_ranks(torch.eye(4))
    {'participation ratio': 4.0, 'stable rank': 4.0, 'rank at 90 %': 4.0}
    """
    found = spectra.spectrum(matrix)
    return dict(zip(RANKS, (found.participation_ratio, found.stable_rank, float(found.rank())), strict=True))


def with_control(subject: Subject, grams: Sequence[Grams], view: str) -> dict[str, tuple[list, list]]:
    """Each rank of some sets in one of VIEWS, and of random directions with the same lengths (Bartlett)."""
    see, seed = VIEWS[view], 1000 * subject.seed
    controls = [spectra.same_norms(g.total, g.d, seed=seed + i) for i, g in enumerate(grams)]
    own = [effective_ranks(see(g.total)) for g in grams]
    null = [effective_ranks(see(g)) for g in controls]
    return {rank: ([r[rank] for r in own], [r[rank] for r in null]) for rank in RANKS}


def participation_ratio(matrix: Tensor) -> float:
    """Participation ratio of a Gram matrix (n, n) at unit norm, where random directions have about n."""
    return spectra.spectrum(spectra.unit(matrix)).participation_ratio


def sizes(n: int) -> list[int]:
    """Numbers of gradients at which growth is looked at: powers of two below n, a quarter of n, and n.

    >>> sizes(24)
    [2, 4, 6, 8, 16, 24]
    """
    return sorted({2**i for i in range(1, 12) if 2**i < n} | {n // 4, n})


def growth(grams: Grams) -> dict[str, dict[int, float]]:
    """Participation ratio and rank at 90 % of the first m gradients at unit norm, for each m of `sizes`."""
    cosines = spectra.unit(grams.total)
    found = {m: effective_ranks(cosines[:m, :m]) for m in sizes(len(cosines))}
    return {rank: {m: ranks[rank] for m, ranks in found.items()} for rank in (RANKS[0], RANKS[2])}


def growth_exponent(curve: Mapping[int, float]) -> float:
    """Slope of log rank against log n over the last factor of four: 1 for random directions, 0 for a rank.

    >>> round(growth_exponent({2: 2.0, 8: 8.0, 16: 16.0, 32: 32.0}), 6)
    1.0
    """
    last = [n for n in curve if n >= max(curve) / 4]
    return float(np.polyfit(np.log(last), np.log([curve[n] for n in last]), 1)[0])


def places(subject: Subject) -> list[tuple[int, str]]:
    """Block (from 1) and kind of matrix of all parameters inside of blocks, in the order of the model."""
    kinds = [kind for kind, _ in gram.KINDS]
    found = {gram.place(name) for name in subject.space.names}
    inner = [(block, kind) for block, kind in found if block]
    return sorted(inner, key=lambda place: (place[0], kinds.index(place[1])))


def at_place(grams: Sequence[Grams], block: int, kind: str) -> float:
    """Participation ratio at unit norm of one kind of matrix in one block, mean over sets.

    Items of which no gradient reaches the place are left out.
    """
    values = []
    for one in grams:
        part = one.of(lambda name: gram.place(name) == (block, kind))
        reached = part.diagonal() > 0
        values.append(participation_ratio(part[reached][:, reached]))
    return fmean(values)


def answered_surely(subject: Subject, grams: Grams, items: Sequence[Item]) -> float:
    """Share of the items whose answer has a probability above 0.999: their gradients are short."""
    found = gram.sure(grams.losses, encode(subject, items)) > gram.SURE
    return found.double().mean().item()
