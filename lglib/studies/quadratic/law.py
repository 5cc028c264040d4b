"""What a prefix should capture on a quadratic: from the expected Gram matrix of the updates, and no run.

Descent on a quadratic is linear in what pushes it: the first gradient at every step, and the noise of each
step. A push of one step lives on in all later updates, by the same factors for each eigenvalue. So the mean
of the inner products of updates is a finite sum, and a capture is a function of these inner products.
"""

from __future__ import annotations

import numpy as np

from lglib.studies.quadratic.losses import Loss


def responses(eigenvalues: np.ndarray, steps: int, *, rate: float, momentum: float) -> np.ndarray:
    """Updates (steps, d) that follow a push of 1 at the first step alone, for each eigenvalue (d,).

    Without momentum rate, then -rate^2 h (1 - rate h)^(j - 1).

    >>> responses(np.array([1.0]), 4, rate=0.5, momentum=0.0)[:, 0].tolist()
    [0.5, -0.25, -0.125, -0.0625]
    """
    found = np.empty((steps, len(eigenvalues)))
    x, update = np.zeros(len(eigenvalues)), np.zeros(len(eigenvalues))
    for j in range(steps):
        update = momentum * update - rate * (eigenvalues * x - (j == 0))
        x = x + update
        found[j] = update
    return found


def expected_gram(loss: Loss, steps: int, *, noise: float, rate: float, momentum: float) -> np.ndarray:
    """Mean of the inner products (steps, steps) of the updates, over the noise; the first gradient is given.

    >>> from lglib.studies.quadratic.losses import made
    >>> gram = expected_gram(made("even, 0 to 1", "even", 30, 0), 5, noise=1.0, rate=0.5, momentum=0.0)
    >>> gram.shape, bool(np.linalg.eigvalsh(gram).min() > 0)
    ((5, 5), True)
    """
    push = responses(loss.eigenvalues, steps, rate=rate, momentum=momentum)  # (T, d)
    steady = push.cumsum(0) * loss.descent  # (T, d): the same push at every step
    own = (push * (noise * loss.scale) ** 2) @ push.T  # (T, T): of the noise of one step
    shared = np.zeros_like(own)
    for age in range(steps):  # the noise of step `age` is in the updates from there on
        shared[age:, age:] += own[: steps - age, : steps - age]
    return steady @ steady.T + shared


def capture(gram: np.ndarray, k: int) -> float:
    """Capture of the sum of updates by the span of the first k, from their Gram matrix (T, T).

    >>> capture(np.eye(4), 1)
    0.25
    """
    return _by_prefix(gram, k, 0)


def capture_to_come(gram: np.ndarray, k: int) -> float:
    """Capture of the sum of the updates after the first k by the span of these, from the Gram matrix (T, T).

    >>> round(capture_to_come(np.full((4, 4), 0.5) + 0.5 * np.eye(4), 1), 3)
    0.375
    """
    return _by_prefix(gram, k, k)


def energy_share(gram: np.ndarray, k: int) -> float:
    """Squared length of the first k updates over that of all.

    >>> energy_share(np.diag([3.0, 1.0]), 1)
    0.75
    """
    return float(np.trace(gram[:k, :k]) / np.trace(gram))


def krylov_capture(loss: Loss, displacement: np.ndarray, k: int) -> float:
    """Capture of a displacement (d,) by the Krylov space of dimension k: polynomials in H, applied to b.

    Least squares over polynomials of degree below k, in Chebyshev's basis: no basis of the space is made step
    by step, so this checks one that is.

    >>> from lglib.studies.quadratic.losses import made
    >>> loss = made("even, 0 to 1", "even", 30, 0)
    >>> round(krylov_capture(loss, loss.descent, 1), 12)
    1.0
    """
    span = np.polynomial.chebyshev.chebvander(2 * loss.eigenvalues - 1, k - 1) * loss.descent[:, None]
    q = np.linalg.qr(span)[0]  # (d, k)
    return float(((q.T @ displacement) ** 2).sum() / (displacement**2).sum())


def _by_prefix(gram: np.ndarray, k: int, first: int) -> float:
    """Share of the sum of the updates from `first` on that lies in the span of the first k."""
    along = gram[:k, first:].sum(1)  # (k,), its products with them
    return float(along @ np.linalg.solve(gram[:k, :k], along) / gram[first:, first:].sum())
