"""Synthetic tasks: digits in, digits out, as tokens `[task] x [SEP] y`, with splits that cannot leak.

It knows tokens, no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lglib.base import seeding
from lglib.base.checks import count

DIGITS = 10
TASKS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "copy": lambda x: x,
    "reverse": lambda x: x.flip(-1),
    "sort": lambda x: x.sort(-1).values,
    "shift": lambda x: (x + 3) % DIGITS,
    "negate": lambda x: DIGITS - 1 - x,
}
TOKENS = {name: DIGITS + i for i, name in enumerate(TASKS)}  # the task's own token
SEP = DIGITS + len(TASKS)
VOCABULARY = SEP + 1
PARTS = {"train": range(0, 8), "validation": range(8, 9), "test": range(9, 10)}  # buckets of ten
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
LONGEST = 9  # beyond it the number of an input leaves 64 bits when it is hashed


def answer(task: str, x: Tensor) -> Tensor:
    """Right answers y (n, L) to inputs x (n, L) of whole digits 0 to 9.

    Raises ValueError for an unknown task, or for anything that is not rows of digits.

    >>> answer("shift", torch.tensor([[1, 8, 0]])).tolist()
    [[4, 1, 3]]
    """
    return TASKS[_known(task)](_digits(x))


def part_of(x: Tensor) -> list[str]:
    """Part (train, validation or test) that each input of x (n, L) belongs to, whatever the task.

    A function of the digits alone, so no input lies in two parts: that is the proof that they are disjoint.
    The number of an input, times an odd constant, modulo 2^32, sorts inputs into ten buckets: eight train.

    >>> part_of(torch.tensor([[0, 0, 1], [0, 0, 2], [0, 0, 5]]))
    ['train', 'train', 'test']
    """
    names = [next(name for name, own in PARTS.items() if b in own) for b in range(10)]
    return [names[b] for b in _bucket(_digits(x)).tolist()]


def draw(task: str | Sequence[str], n: int, *, part: str, key: object, length: int = 6) -> Tensor:
    """Random examples of one task, or n in all of several in turn, as tokens (n, 2 length + 2).

    Inputs are uniform over the part, drawn with replacement; the key (for example a seed) fixes them. Raises
    ValueError for an unknown task or part, n < 1, a length outside 1 to 9, or a part empty at this length.

    >>> draw("reverse", 1, part="train", key=0, length=3).tolist()
    [[11, 5, 4, 9, 15, 9, 4, 5]]
    """
    names = [task] if isinstance(task, str) else list(task)
    if not names:
        raise ValueError("task is empty: name at least one")
    count("n", n, low=len(names))
    for name in names:
        _known(name)
    generator = seeding.generator("tasks", part, key)
    x = _inputs(n, part, length, generator)  # (n, length)
    tokens = torch.tensor([TOKENS[name] for name in names]).repeat(-(-n // len(names)))[:n]
    y = x.clone()
    for name in dict.fromkeys(names):
        rows = tokens == TOKENS[name]
        y[rows] = TASKS[name](x[rows])
    return torch.cat([tokens[:, None], x, torch.full((n, 1), SEP), y], dim=1)


def stream(
    task: str | Sequence[str],
    size: int,
    steps: int,
    *,
    key: object,
    length: int = 6,
    part: str = "train",
    device: torch.device | str = "cpu",
) -> Iterator[Tensor]:
    """Yield `steps` batches of `size` examples, each from a key of its own, so any of them can be made again.

    Raises ValueError as `draw` does.

    >>> [batch.shape for batch in stream(["copy", "sort"], 4, 2, key=0)]
    [torch.Size([4, 14]), torch.Size([4, 14])]
    """
    for step in range(steps):
        yield draw(task, size, part=part, key=f"{key}/{step}", length=length).to(device)


def _known(task: str) -> str:
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; there is: {', '.join(TASKS)}")
    return task


def _digits(x: Tensor) -> Tensor:
    whole = isinstance(x, Tensor) and x.dtype in WHOLE
    if not whole or x.ndim != 2 or x.numel() == 0 or x.min() < 0 or x.max() >= DIGITS:
        got = f"{tuple(x.shape)} {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(f"x must be rows (n, L) of whole digits 0 to 9, got {got}")
    return x.long()


def _bucket(x: Tensor) -> Tensor:
    number = (x * DIGITS ** torch.arange(x.shape[1] - 1, -1, -1)).sum(1)  # (n,)
    return (number * 2654435761 % 2**32 >> 16) % 10  # Knuth's multiplicative hash


def _inputs(n: int, part: str, length: int, generator: torch.Generator) -> Tensor:
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; there is: {', '.join(PARTS)}")
    count("length", length, most=LONGEST)
    kept: list[Tensor] = []
    found = 0
    for _ in range(1000):
        x = torch.randint(DIGITS, (max(2 * n, 64), length), generator=generator)
        bucket = _bucket(x)
        own = PARTS[part]
        kept.append(x[(bucket >= own.start) & (bucket < own.stop)])
        found += len(kept[-1])
        if found >= n:
            return torch.cat(kept)[:n]
    raise ValueError(f"part {part!r} has no input of length {length}")
