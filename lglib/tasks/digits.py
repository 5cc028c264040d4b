"""The real data of the theory chapter: handwritten digits, and a network of any width to read them.

The 1,797 images of 8 x 8 pixels ship with scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from lglib.base.checks import count, positive

PIXELS, CLASSES = 64, 10
Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Splits:
    """Three disjoint sets: images x (n, 64), scaled to mean 0 and sd 1 over all pixels, and labels y (n,)."""

    train: Batch
    select: Batch
    held_out: Batch


def load(seed: int, *, select: int = 400, held_out: int = 400) -> Splits:
    """Split the 1,797 digits at random into training, selection and held-out sets.

    Raises ValueError unless both sizes are at least 1 and leave at least 100 images to train on.

    >>> load(0).train[0].shape
    torch.Size([997, 64])
    """
    data = load_digits()
    images, labels = data.data.astype(np.float32), data.target
    if min(select, held_out) < 1 or select + held_out > len(labels) - 100:
        raise ValueError(
            f"select and held_out must be at least 1 and leave 100 of {len(labels)} images, "
            f"got {select} and {held_out}"
        )
    images = (images - images.mean()) / images.std()
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = np.split(order, [select, select + held_out])
    select_set, held_set, train_set = (
        (torch.from_numpy(images[p]), torch.from_numpy(labels[p].astype(np.int64))) for p in parts
    )
    return Splits(train_set, select_set, held_set)


def network(width: int, seed: int) -> torch.nn.Sequential:
    """One hidden layer of `width` tanh units: 75 width + 10 parameters, PyTorch's default initialisation.

    tanh, because the laws of the chapter use a Hessian, and a smooth unit has one everywhere.

    >>> sum(p.numel() for p in network(13, seed=0).parameters())
    985
    """
    count("width", width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Linear(PIXELS, width), torch.nn.Tanh(), torch.nn.Linear(width, CLASSES)
        )


def mean_cross_entropy(net: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of a batch, in nats."""
    return cross_entropy(net(batch[0]), batch[1])


def accuracy(net: torch.nn.Module, batch: Batch) -> float:
    """Share of images whose largest output is the right class."""
    with torch.no_grad():
        return (net(batch[0]).argmax(1) == batch[1]).float().mean().item()


def minibatches(data: Batch, size: int, steps: int, seed: int) -> list[Batch]:
    """`steps` random minibatches of `size` images, drawn without replacement within each.

    >>> len(minibatches(load(0).train, 32, 7, seed=0))
    7
    """
    count("size", size, most=len(data[1]))
    rng = np.random.default_rng(seed)
    rows = [torch.from_numpy(rng.permutation(len(data[1]))[:size]) for _ in range(steps)]
    return [(data[0][r], data[1][r]) for r in rows]


def fit(net: torch.nn.Module, data: Batch, *, until: float, seed: int, most_steps: int = 4000) -> int:
    """Train in place with Adam, minibatches of 64, until the training loss is below `until`; give the steps.

    The step size shrinks with the square root of the width, so that networks of all widths learn at about
    the same pace. Raises RuntimeError with the loss reached when `most_steps` were not enough, and
    ValueError unless `until` is above 0 and `most_steps` at least 1.

    >>> net = network(13, seed=0)
    >>> steps = fit(net, load(0).train, until=1.0, seed=0)
    >>> mean_cross_entropy(net, load(0).train).item() < 1.0
    True
    """
    positive("until", until)
    count("most_steps", most_steps)
    width = next(net.parameters()).shape[0]
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2 * (width / 13) ** -0.5)
    for step, batch in enumerate(minibatches(data, 64, most_steps, seed)):
        if step % 10 == 0:
            with torch.no_grad():
                loss = mean_cross_entropy(net, data).item()
            if loss < until:
                return step
        optimizer.zero_grad()
        mean_cross_entropy(net, batch).backward()
        optimizer.step()
    with torch.no_grad():
        loss = mean_cross_entropy(net, data).item()
    if loss < until:
        return most_steps
    raise RuntimeError(f"training loss is {loss:.3f} after {most_steps} steps, wanted below {until}")
