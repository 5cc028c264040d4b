"""Per-example gradients of a model, parameter by parameter, in one forward and one backward pass.

Of n examples over d
parameters the (n, d) matrix is never formed: each parameter's gradients are shown to a visitor in blocks of
rows and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from lglib.parameters import per_layer
from lglib.parameters.per_layer import Use
from lglib.parameters.space import ParameterSpace

LossesFn = Callable[[nn.Module, Any], Tensor]
Visitor = Callable[[str, int, Tensor], None]
Within = Callable[[int], AbstractContextManager[None]]
GAP = 8  # rows without a token that a block of an embedding's rows may have in between
BUDGET = 2**26  # bytes of one block: large enough for fast products, small beside the activations


def per_example_gradients(
    space: ParameterSpace,
    losses_fn: LossesFn,
    batch: Any,
    n: int,
    see: Visitor | None,
    *,
    budget: int = BUDGET,
    blocks: Sequence[nn.Module] = (),
    like: int | None = None,
) -> Tensor:
    """Show `see(name, row, block)` the gradients of n losses, block by block; return the losses (n,).

    `losses_fn(module, batch)` gives n losses, the i-th of the i-th example alone: activations carry the
    examples in their first dimension, and nothing mixes them. `block` (n, rows, ...) are the n gradients of
    rows `row`, `row + 1`, ... of a parameter. A parameter that is used twice (a tied embedding) comes once.
    Blocks take about `budget` bytes. `blocks` names modules whose activations are dropped and computed again
    (gradient checkpointing). Of an embedding whose gradients take more than `budget`, rows about tokens that
    occur are shown and no others; with `like`, all rows, in the blocks of that many examples. `see=None`
    goes both ways and makes no block. Hooks and `requires_grad` are as before in the end, also after an
    error. A parameter that no gradient reaches is not shown. What a loss does with a parameter beside its
    module (a weight penalty, a product with an embedding's matrix) is not seen.

    Raises ValueError for losses of another shape or not finite, or a parameter that no module applies to a
    batch of n; RuntimeError when a module's input is changed in place after it was read.

    >>> space = ParameterSpace(nn.Linear(2, 1))
    >>> seen = {}
    >>> see = lambda name, row, block: seen.update({name: block})
    >>> losses = per_example_gradients(space, lambda net, x: net(x)[:, 0], torch.eye(2), 2, see)
    >>> seen["weight"].tolist(), seen["bias"].tolist()
    ([[[1.0, 0.0]], [[0.0, 1.0]]], [[1.0], [1.0]])
    """
    owners = _owners(space)
    tape = _Tape(space, owners, n, see, budget, like)
    with ExitStack() as after:
        after.enter_context(_frozen(space.module))
        after.enter_context(checkpointed(blocks, tape.within))
        after.enter_context(tape.listening())
        after.enter_context(torch.enable_grad())
        losses = losses_fn(space.module, batch)
        if losses.shape != (n,):
            raise ValueError(
                f"losses_fn: returned {tuple(losses.shape)}, want one loss for each example, ({n},)"
            )
        if not losses.isfinite().all():
            worst = (~losses.isfinite()).nonzero().flatten().tolist()
            raise ValueError(f"losses_fn: the losses of examples {worst[:5]} are not finite")
        tape.require_all()
        tape.replaying = True
        if losses.requires_grad:
            losses.sum().backward()
        tape.finish()
    return losses.detach()


def _owners(space: ParameterSpace) -> dict[nn.Module, dict[str, str]]:
    """Modules that hold chosen parameters: for each, the attribute and the parameter's name in the space."""
    names = {id(p): n for n, p in zip(space.names, space.parameters(), strict=True)}
    found: dict[nn.Module, dict[str, str]] = {}
    for module in space.module.modules():
        own = {a: names[id(p)] for a, p in module.named_parameters(recurse=False) if id(p) in names}
        if own:
            found[module] = own
    return found


class _Tape:
    """Remembers each use until input and gradient are there, then shows the parameter's blocks."""

    def __init__(
        self,
        space: ParameterSpace,
        owners: dict[nn.Module, dict[str, str]],
        n: int,
        see: Visitor | None,
        budget: int,
        like: int | None,
    ) -> None:
        self.space, self.owners, self.n, self.see, self.budget = space, owners, n, see, budget
        self.like = like
        self.uses: dict[nn.Module, list[Use]] = {m: [] for m in owners}
        self.waiting = dict.fromkeys(space.names, 0)  # uses that are not complete yet
        self.replaying, self.showing = False, False
        self.frame: int | None = None
        self.ready: list[Use] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While the body runs, hooks note inputs and gradients."""
        handles = []
        try:
            for module in self.owners:
                handles.append(module.register_forward_pre_hook(self._before, with_kwargs=True))
                handles.append(module.register_forward_hook(self._after))
            yield
        finally:
            for handle in handles:
                handle.remove()
            self.uses.clear()

    @contextmanager
    def within(self, frame: int) -> Iterator[None]:
        """While the body runs, uses belong to this application of a block."""
        before, self.frame = self.frame, frame
        try:
            yield
        finally:
            self.frame = before

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.showing:
            return
        given = next((x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), None)
        if given is None:
            names = ", ".join(self.owners[module].values())
            raise ValueError(f"{names}: its module is given no tensor, want a batch of {self.n}")
        if self.replaying:  # what a block computes again comes in the order of the first time
            use = next(u for u in self.uses[module] if u.frame == self.frame and u.x is None)
            use.take(given)
            self.ready.append(use)  # torch.func cannot work in the middle of a replay: at the next gradient
            return
        use = Use(module, self.frame)
        if self.frame is None:
            use.take(given)
        self.uses[module].append(use)
        for name in self.owners[module].values():
            self.waiting[name] += 1

    def _after(self, module: nn.Module, _: Any, output: Tensor) -> Tensor | None:
        if self.showing:
            return None
        out = output
        if not isinstance(out, Tensor) or out.ndim < 2 or out.shape[0] not in (1, self.n):
            shape = getattr(out, "shape", type(out).__name__)
            names = ", ".join(self.owners[module].values())
            raise ValueError(
                f"{names}: its module returns {shape}, want {self.n} examples in the first dimension"
            )
        if out.shape[0] != self.n:  # the same for every example, such as positions: told apart from here on
            out = out.expand(self.n, *out.shape[1:])
        if not out.requires_grad:
            out = out.detach().requires_grad_(True).clone()  # no leaf, so that it may be changed in place
        if not self.replaying:
            out.register_hook(partial(self._arrive, self.uses[module][-1]))
        return None if out is output else out

    def _arrive(self, use: Use, gradient: Tensor) -> None:
        use.e = gradient.detach()
        for one in (*self.ready, use):
            self._complete(one)
        self.ready.clear()

    def _complete(self, use: Use) -> None:
        if use.x is None or use.e is None or use.done:
            return
        use.done = True
        for name in self.owners[use.module].values():
            self.waiting[name] -= 1
            if not self.waiting[name]:
                self._show(name)

    def _show(self, name: str) -> None:
        """Show a parameter whose uses are all complete, and let go of them if nothing else needs them."""
        places = ((m, a) for m, own in self.owners.items() for a, n in own.items() if n == name)
        uses = [(u, a) for m, a in places for u in self.uses[m]]
        self.showing = True  # what is called from here on is no use of the model's own
        with torch.no_grad():
            for rows in self._row_blocks(name, [u for u, _ in uses]) if self.see else ():
                given = [(u, a) for u, a in uses if u.e is not None]
                parts = [per_layer.block(u, a, rows, self.n, budget=self.budget) for u, a in given]
                if parts:
                    self.see(name, rows.start, sum(parts[1:], parts[0]))  # type: ignore[misc]
        self.showing = False
        for use, _ in uses:
            if all(self.waiting[n] <= 0 for n in self.owners[use.module].values()):
                use.x = use.e = None
        self.waiting[name] = -1

    def _row_blocks(self, name: str, uses: Sequence[Use]) -> Iterator[slice]:
        """Rows of a parameter, block by block; of a large embedding only those about tokens that occur."""
        shape = self.space.shapes[name]
        height = shape[0] if shape else 1
        width = (self.like or self.n) * (shape[1:].numel() or 1) * max(4, self.space.dtype.itemsize)
        step = max(1, min(height, self.budget // width))
        seen = [u.x for u in uses if u.x is not None]
        sparse = all(isinstance(u.module, nn.Embedding) and u.factor for u in uses)
        if step == height or self.like or not sparse:
            yield from (slice(row, min(row + step, height)) for row in range(0, height, step))
            return
        used = torch.cat([x.reshape(-1) for x in seen]).unique().tolist() if seen else []
        while used:
            start = used[0]
            stop = next((i for i, row in enumerate(used) if row >= start + step), len(used))
            gap = next((i for i in range(1, stop) if used[i] - used[i - 1] > GAP), stop)
            yield slice(start, used[gap - 1] + 1)
            used = used[gap:]

    def require_all(self) -> None:
        """Refuse a parameter that no module has applied: its gradients cannot be told apart by example."""
        if unused := [name for name, left in self.waiting.items() if not left]:
            raise ValueError(f"where: no module applies {unused[:5]} to the batch; choose other parameters")

    def finish(self) -> None:
        """Show what is left; a use that got no gradient counts as nothing."""
        for use in self.ready:
            self._complete(use)
        for name in [name for name, left in self.waiting.items() if left > 0]:
            self._show(name)


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """No parameter wants a gradient while the body runs: only activations do."""
    thawed = [p for p in module.parameters() if p.requires_grad]
    try:
        for p in thawed:
            p.requires_grad_(False)
        yield
    finally:
        for p in thawed:
            p.requires_grad_(True)


@contextmanager
def checkpointed(blocks: Sequence[nn.Module], within: Within) -> Iterator[None]:
    """While the body runs, these blocks keep their inputs only and compute the rest again on the way back.

    Each application of a block has a number, from 1: its computation, the first and the one on the way back,
    runs inside of `within(number)`.

    >>> from contextlib import contextmanager
    >>> net, calls = nn.Sequential(nn.Linear(2, 2), nn.Tanh()), []
    >>> @contextmanager
    ... def within(number):
    ...     calls.append(number)
    ...     yield
    >>> with checkpointed(list(net), within):
    ...     net(torch.ones(1, 2)).sum().backward()
    >>> calls
    [1, 2, 2, 1]
    """
    before = [(b, b.__dict__.get("forward")) for b in blocks]
    numbers = count(1)

    def lean(forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            number = next(numbers)

            def body(*given: Any, **named: Any) -> Any:
                with within(number):
                    return forward(*given, **named)

            return checkpoint(body, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

        return run

    try:
        for block in blocks:
            block.forward = lean(block.forward)
        with set_checkpoint_early_stop(False):
            yield
    finally:
        for block, own in before:
            if own is None:
                block.__dict__.pop("forward", None)
            else:
                block.forward = own
