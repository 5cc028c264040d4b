"""The gauge freedom of LoRA factors, and what it does to averages: balance, align, and the mean of products.

An adapter adds the product B A, with B (outputs, r) and A (r, inputs). (B M)(M^-1 A) is the same product for
any invertible M (r, r), so the mean of the factors of two adapters depends on an M that nobody chose. The
mean of their products does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lglib.base.checks import count

Factors = tuple[Tensor, Tensor]  # B (outputs, r) and A (r, inputs)


def balance(b: Tensor, a: Tensor) -> Factors:
    """Factors of the same product with equal Gram matrices: B = U S^(1/2), A = S^(1/2) V^T from its SVD.

    b (outputs, r), a (r, inputs), floating. Costs (outputs + inputs) r^2: the product is not formed. Signs,
    and rotations among equal singular values, are what is left free; `align` fixes them. ValueError for
    shapes that do not fit.

    >>> b, a = balance(torch.tensor([[8.0], [0.0]]), torch.tensor([[0.0, 0.5]]))
    >>> b.norm().item(), a.norm().item(), (b @ a).norm().item()
    (2.0, 2.0, 4.0)
    """
    left, size, right = _svd(b, a)
    root = size.sqrt()
    return (left * root).to(b), (root[:, None] * right).to(a)


def align(b: Tensor, a: Tensor, to: Factors) -> Factors:
    """The same product in the gauge nearest to that of other factors: both balanced, then rotated.

    The rotation Q minimises ||B Q - B0||^2 + ||Q^T A - A0||^2 (orthogonal Procrustes, Schoenemann 1966) over
    the balanced (B0, A0) of `to`. Means of balanced and aligned factors no longer depend on the gauge of
    either adapter; they are near the mean of products where the adapters are. Returns (B Q, Q^T A).

    >>> b, a = torch.eye(2), torch.tensor([[4.0, 0.0], [0.0, 1.0]])
    >>> m = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
    >>> moved = align(b @ m, torch.linalg.inv(m) @ a, (b, a))
    >>> bool(torch.allclose(moved[0], balance(b, a)[0], atol=1e-6))
    True
    """
    (one_b, one_a), (to_b, to_a) = balance(b, a), balance(*to)
    if one_b.shape != to_b.shape or one_a.shape != to_a.shape:
        raise ValueError(
            f"factors must have the shapes of those to align to, got {tuple(b.shape)} and {tuple(a.shape)}, "
            f"want {tuple(to_b.shape)} and {tuple(to_a.shape)}"
        )
    u, _, vh = torch.linalg.svd((one_b.T @ to_b + one_a @ to_a.T).double())
    q = (u @ vh).to(one_b)
    return one_b @ q, q.T @ one_a


def mean_product(
    factors: Sequence[Factors], *, rank: int | None = None, weights: Sequence[float] | None = None
) -> Factors:
    """Factors of the mean of products, sum_i w_i B_i A_i, cut to a rank by SVD: the best of that rank.

    `factors`: one pair or more, of equal outputs and inputs; `weights`: one each (default: equal, of sum 1);
    `rank`: default that of the first pair; exact from the sum of the ranks on, where it is filled with
    zeros. The result is balanced. Costs (outputs + inputs) times the squared sum of ranks. ValueError for no
    pair, shapes that do not fit, or another number of weights.

    >>> one, two = (torch.eye(2)[:, :1], torch.eye(2)[:1]), (torch.eye(2)[:, 1:], torch.eye(2)[1:])
    >>> b, a = mean_product([one, two], rank=2)
    >>> (b @ a).round(decimals=4).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    if not factors:
        raise ValueError("factors is empty: there is nothing to average")
    shares = [1 / len(factors)] * len(factors) if weights is None else list(weights)
    if len(shares) != len(factors):
        raise ValueError(f"weights must be one for each of {len(factors)} pairs, got {len(shares)}")
    if len({(b.shape[0], a.shape[1]) for b, a in factors}) > 1:
        shapes = [(tuple(b.shape), tuple(a.shape)) for b, a in factors]
        raise ValueError(f"factors must have the same outputs and inputs, got {shapes}")
    k = count("rank", factors[0][1].shape[0] if rank is None else rank)
    wide = torch.cat([w * b for w, (b, _) in zip(shares, factors, strict=True)], dim=1)  # (outputs, sum of r)
    tall = torch.cat([a for _, a in factors], dim=0)  # (sum of r, inputs)
    left, size, right = _svd(wide, tall)
    root = size[:k].sqrt()
    b, a = left[:, :k] * root, root[:, None] * right[:k]
    more = k - len(root)  # columns of zeros, up to the rank asked for
    b, a = torch.nn.functional.pad(b, (0, more)), torch.nn.functional.pad(a, (0, 0, 0, more))
    return b.to(wide), a.to(tall)


def mean_of_adapters(
    states: Sequence[Mapping[str, Tensor]], *, weights: Sequence[float] | None = None, rank: int | None = None
) -> dict[str, Tensor]:
    """The merged adapter of several: the mean of their products, matrix by matrix, as a state like theirs.

    `states`: what `peft.get_peft_model_state_dict` gives, of adapters on the same layers with the same
    scaling alpha / r; `set_peft_model_state_dict` takes the answer. Plain LoRA on linear layers only: a state
    with any other tensor is refused, and so are adapters on different layers (ValueError).

    >>> state = {"q.lora_A.weight": torch.ones(1, 3), "q.lora_B.weight": torch.ones(2, 1)}
    >>> gauged = {"q.lora_A.weight": 4 * torch.ones(1, 3), "q.lora_B.weight": torch.ones(2, 1) / 4}
    >>> merged = mean_of_adapters([state, gauged])
    >>> (merged["q.lora_B.weight"] @ merged["q.lora_A.weight"])[0].round(decimals=4).tolist()
    [1.0, 1.0, 1.0]
    """
    merged = {}
    for name, other in _layers(states):
        pairs = [(state[other], state[name]) for state in states]
        merged[other], merged[name] = mean_product(pairs, rank=rank, weights=weights)
    return merged


def mean_of_factors(states: Sequence[Mapping[str, Tensor]], *, aligned: bool = False) -> dict[str, Tensor]:
    """The adapter whose factors are the means of those of several: what averaging state dicts does.

    Its product is not the mean of products. With `aligned` all are first balanced and turned to the gauge of
    the first, so that no choice of gauge enters. Arguments and errors as for `mean_of_adapters`.

    >>> state = {"q.lora_A.weight": torch.ones(1, 3), "q.lora_B.weight": torch.ones(2, 1)}
    >>> turned = {name: -value for name, value in state.items()}  # the same product
    >>> [float(mean_of_factors([state, turned], aligned=x)["q.lora_A.weight"].norm() > 0) for x in (0, 1)]
    [0.0, 1.0]
    """
    merged = {}
    for name, other in _layers(states):
        pairs = [(state[other], state[name]) for state in states]
        if aligned:
            pairs = [align(*pair, pairs[0]) for pair in pairs]
        merged[other], merged[name] = (torch.stack(same).mean(0) for same in zip(*pairs, strict=True))
    return merged


def distance_from_mean(merged: Mapping[str, Tensor], states: Sequence[Mapping[str, Tensor]]) -> float:
    """How far the products of an adapter are from the mean of the products of several, in its length.

    ||B A - mean_i B_i A_i|| / ||mean_i B_i A_i|| over all layers. Forms each product once. ValueError as
    above, and where the mean is 0.

    >>> state = {"q.lora_A.weight": torch.ones(1, 3), "q.lora_B.weight": torch.ones(2, 1)}
    >>> distance_from_mean(dict(state, **{"q.lora_A.weight": torch.zeros(1, 3)}), [state])
    1.0
    """
    off = size = 0.0
    for name, other in _layers([*states, merged]):
        mean = torch.stack([(state[other].double() @ state[name].double()) for state in states]).mean(0)
        off += (merged[other].double() @ merged[name].double() - mean).square().sum().item()
        size += mean.square().sum().item()
    if not size > 0:
        raise ValueError("states have a mean of 0: there is no length to measure by")
    return float((off / size) ** 0.5)


def in_gauge(state: Mapping[str, Tensor], ratio: float, generator: torch.Generator) -> dict[str, Tensor]:
    """The same adapter with each layer in a random gauge: A -> M^-1 A, B -> B M.

    M = U S V^T with random rotations U, V and singular values spaced evenly in the logarithm from 1 / ratio
    to ratio >= 1; ratio 1 is a rotation. ValueError as above, or for another ratio.

    >>> state = {"q.lora_A.weight": torch.eye(2), "q.lora_B.weight": torch.eye(2)}
    >>> moved = in_gauge(state, 3.0, torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(moved["q.lora_B.weight"] @ moved["q.lora_A.weight"], torch.eye(2), atol=1e-5))
    True
    """
    if not 1 <= ratio < float("inf"):
        raise ValueError(f"ratio must be finite and at least 1, got {ratio!r}")
    moved = {}
    for name, other in _layers([state]):
        b, a = state[other], state[name]
        shape = (2, a.shape[0], a.shape[0])
        (u, v), _ = torch.linalg.qr(torch.randn(shape, generator=generator, dtype=torch.float64))
        size = ratio ** torch.linspace(-1, 1, a.shape[0], dtype=torch.float64)
        moved[other], moved[name] = (b.double() @ (u * size) @ v.T).to(b), (v / size @ u.T @ a.double()).to(a)
    return moved


def _layers(states: Sequence[Mapping[str, Tensor]]) -> list[tuple[str, str]]:
    """Names of A and B of each layer of adapters that are plain LoRA on the same layers, or ValueError."""
    if not states:
        raise ValueError("states is empty: there is nothing to average")
    names = sorted(states[0])
    if any(sorted(state) != names for state in states):
        raise ValueError("states must be of adapters on the same layers: their tensors have different names")
    layers = [(name, name.replace(".lora_A.", ".lora_B.")) for name in names if ".lora_A." in name]
    odd = set(names) ^ {name for pair in layers for name in pair}
    odd |= {name for name in names if any(state[name].ndim != 2 for state in states)}
    if odd:
        raise ValueError(f"states must be plain LoRA on linear layers, got also {sorted(odd)[:3]}")
    return layers


def _svd(b: Tensor, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """SVD of B A without forming it, in float64: U (outputs, k), S (k,), V^T (k, inputs)."""
    if b.ndim != 2 or a.ndim != 2 or b.shape[1] != a.shape[0]:
        raise ValueError(
            f"B must be (outputs, r) and A (r, inputs), got {tuple(b.shape)} and {tuple(a.shape)}"
        )
    q_left, r_left = torch.linalg.qr(b.double())
    q_right, r_right = torch.linalg.qr(a.double().T)
    u, size, vh = torch.linalg.svd(r_left @ r_right.T, full_matrices=False)
    return q_left @ u, size, vh @ q_right.T
