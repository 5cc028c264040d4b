"""A model as a point theta in R^d: flatten and load it, its loss, gradients and Hessian-vector products.

A loss is a function `loss_fn(module, batch) -> scalar tensor`, deterministic: call `module.eval()` first.
Fused attention has no second derivative and no forward mode: `hvp` and `torch.func.jvp` need a transformers
model with `attn_implementation="eager"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lglib.parameters import micro_batches
from lglib.parameters.overlap import shared

LossFn = Callable[[nn.Module, Any], Tensor]
MAX_DENSE = 4000  # a float64 Hessian of this side is 128 MB and takes 4000 backward passes


class ParameterSpace:
    """The chosen parameters of a module as one flat vector theta in R^d (PAPER.md, Notation).

    `where(name, parameter)` chooses; the default takes what requires a gradient. The order is that of
    `named_parameters`; a tied parameter counts once, under its first name. `names`, `d`, and by name `shapes`
    and `slices` describe the vector. ValueError if nothing is chosen, a chosen parameter is frozen or not
    real floating point, dtypes or devices differ, or two of them share memory (tied by `.data`).

    >>> ParameterSpace(nn.Linear(2, 1)).slices
    {'weight': slice(0, 2, None), 'bias': slice(2, 3, None)}
    """

    def __init__(self, module: nn.Module, where: Callable[[str, nn.Parameter], bool] | None = None) -> None:
        """Fix which parameters are chosen and their order."""
        chosen = {n: p for n, p in module.named_parameters() if (where(n, p) if where else p.requires_grad)}
        if not chosen:
            raise ValueError("where: chose no parameter (a tied one has its first name), want at least one")
        if bad := [n for n, p in chosen.items() if not (p.requires_grad and p.is_floating_point())]:
            raise ValueError(f"where: got {bad[:5]}, frozen or not real, want floats that require grad")
        kinds = {f"{p.dtype} on {p.device}": n for n, p in chosen.items()}  # one name for each
        if len(kinds) > 1:
            raise ValueError(f"where: got several dtypes or devices, {kinds}, want one")
        if both := shared(chosen):
            raise ValueError(f"where: got {both}, which share memory; tie them as one parameter instead")
        self.module, self.names, self.d = module, tuple(chosen), 0
        self.shapes = {n: p.shape for n, p in chosen.items()}
        self.slices: dict[str, slice] = {}
        for n, p in chosen.items():
            self.slices[n] = slice(self.d, self.d + p.numel())
            self.d += p.numel()

    def parameters(self) -> list[nn.Parameter]:
        """The chosen parameters themselves, in order, as an optimiser wants them.

        >>> [tuple(p.shape) for p in ParameterSpace(nn.Linear(2, 1)).parameters()]
        [(1, 2), (1,)]
        """
        # By name each time, so that a parameter replaced in the module is not missed.
        return [self.module.get_parameter(n) for n in self.names]

    @property
    def dtype(self) -> torch.dtype:
        """Floating point type of theta.

        >>> ParameterSpace(nn.Linear(2, 1)).dtype
        torch.float32
        """
        return self._first.dtype

    @property
    def device(self) -> torch.device:
        """Device where theta lies.

        >>> ParameterSpace(nn.Linear(2, 1)).device
        device(type='cpu')
        """
        return self._first.device

    def flatten(self) -> Tensor:
        """Present theta (d,), a detached copy.

        >>> ParameterSpace(nn.Linear(2, 1)).flatten().shape
        torch.Size([3])
        """
        return _flat(self.parameters())

    def load(self, theta: Tensor) -> None:
        """Copy theta (d,) into the parameters in place, so that optimizers keep their tensors.

        It may lie on another device. ValueError for a wrong shape or dtype or a non-finite value.

        >>> model = nn.Linear(2, 1)
        >>> ParameterSpace(model).load(torch.tensor([1.0, 2.0, 3.0]))
        >>> model.weight.tolist(), model.bias.tolist()
        ([[1.0, 2.0]], [3.0])
        """
        self._check("theta", theta, device=False)
        if not theta.isfinite().all():
            raise ValueError("theta: got non-finite values, want finite ones")
        self._copy(theta)

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Views of a vector (d,) in the parameters' shapes, by name; ValueError for a wrong shape.

        >>> ParameterSpace(nn.Linear(2, 1)).split(torch.arange(3))
        {'weight': tensor([[0, 1]]), 'bias': tensor([2])}
        """
        if vector.shape != (self.d,):
            raise ValueError(f"vector: got shape {tuple(vector.shape)}, want ({self.d},)")
        # One split, not a slice each: on its way back each slice would fill a zero vector of length d.
        parts = vector.split([own.stop - own.start for own in self.slices.values()])
        return {n: part.view(self.shapes[n]) for n, part in zip(self.names, parts, strict=True)}

    def join(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Vector (d,) from tensors by name, the inverse of `split`; ValueError for wrong names or shapes.

        >>> ParameterSpace(nn.Linear(2, 1)).join({"bias": torch.ones(1), "weight": torch.zeros(1, 2)})
        tensor([0., 0., 1.])
        """
        if wrong := sorted(set(parts) ^ set(self.names)):
            raise ValueError(f"parts: missing or unknown names {wrong[:5]}, want those of `names`")
        for n, want in self.shapes.items():
            if parts[n].shape != want:
                raise ValueError(f"parts[{n!r}]: got shape {tuple(parts[n].shape)}, want {tuple(want)}")
        return torch.cat([parts[n].reshape(-1) for n in self.names])

    @contextmanager
    def at(self, theta: Tensor) -> Iterator[nn.Module]:
        """Put the module at theta (d,) inside a `with`; after it the parameters are as before, bit for bit.

        Restored by copy, also when the body raises. Buffers are no part of theta and are left alone.

        >>> model = nn.Linear(2, 1)
        >>> with ParameterSpace(model).at(torch.zeros(3)):
        ...     model(torch.ones(2)).item()
        0.0
        """
        before = self.flatten()
        try:
            self.load(theta)
            yield self.module
        finally:
            self._copy(before)  # not by `load`: a model that held a nan gets it back

    def loss(self, loss_fn: LossFn, batch: Any = None, *, chunk: int | None = None) -> float:
        """Loss L at the present theta, without a graph; inf and nan are returned as they are.

        Means over items go in `micro_batches` (of `chunk` items).
        ValueError if `loss_fn` does not return a scalar tensor.

        >>> model = nn.Linear(2, 1)
        >>> ParameterSpace(model).loss(lambda module, batch: 0 * module(batch).sum() + 2, torch.ones(2))
        2.0
        """
        with torch.no_grad():
            parts = micro_batches.pieces(self.module, loss_fn, batch, "loss", chunk=chunk)
            each = [self._evaluate(loss_fn, own).item() for own, _ in parts]
        return each[0] if len(each) == 1 else sum(x * w for x, (_, w) in zip(each, parts, strict=True))

    def gradient(self, loss_fn: LossFn, batch: Any = None, *, chunk: int | None = None) -> Tensor:
        """Gradient g = grad L (d,) at the present theta; `.grad` is left alone, unused parameters give zeros.

        Means over items go in `micro_batches` (of `chunk` items).
        ValueError if the loss is not a scalar tensor, not finite, or cut off from any graph.

        >>> space = ParameterSpace(nn.Linear(2, 1))
        >>> space.gradient(lambda module, batch: 3 * module.bias.sum())
        tensor([0., 0., 3.])
        """
        parts = self._pieces(loss_fn, batch, "gradient", chunk)
        made = ((self._gradients(loss_fn, own, create_graph=False), w) for own, w in parts)
        return (
            _flat(next(made)[0]) if len(parts) == 1 else micro_batches.accumulate(made, self.d, self._first)
        )

    def gradient_matrix(self, loss_fn: LossFn, batches: Iterable[Any]) -> Tensor:
        """Gradients (n, d), one row a batch, for `Subspace.from_gradients`; ValueError for no batch.

        >>> space = ParameterSpace(nn.Linear(2, 1, bias=False))
        >>> space.gradient_matrix(lambda module, x: module(x).sum(), torch.eye(2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        batches = list(batches)
        if not batches:
            raise ValueError("batches: got none, want at least one")
        rows = self._first.new_empty(len(batches), self.d)
        for i, batch in enumerate(batches):  # filled in place: stacking a list would hold every row twice
            rows[i] = self.gradient(loss_fn, batch)
        return rows

    def hvp(self, loss_fn: LossFn, vector: Tensor, batch: Any = None, *, chunk: int | None = None) -> Tensor:
        """Exact Hessian-vector product H v (d,) by double backward; errors as for `hvp_operator`.

        >>> space = ParameterSpace(nn.Linear(2, 1))
        >>> space.hvp(lambda module, batch: (module.bias ** 2).sum(), torch.ones(3))
        tensor([0., 0., 2.])
        """
        self._check("vector", vector)  # before the expensive part
        return self.hvp_operator(loss_fn, batch, chunk=chunk)(vector)

    def hvp_operator(
        self, loss_fn: LossFn, batch: Any = None, *, chunk: int | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Function v -> H v, (d,) to (d,), that builds the gradient's graph once, as `Subspace.krylov` wants.

        H stays that of the theta of now; once a parameter its graph still needs is written to, it raises
        RuntimeError. It holds the graph's memory while it lives; a mean over items whose graph memory does
        not hold is taken some items at a time (or `chunk`), their graph anew for each v. ValueError as for
        `gradient`, and for a vector of wrong shape, dtype or device.

        >>> space = ParameterSpace(nn.Linear(2, 1))
        >>> product = space.hvp_operator(lambda module, batch: (module.bias ** 2).sum())
        >>> product(torch.ones(3))
        tensor([0., 0., 2.])
        """
        parts = self._pieces(loss_fn, batch, "curvature", chunk)
        whole = self._curvature(loss_fn, batch) if len(parts) == 1 else None
        check = micro_batches.unchanged(self.parameters())

        def product(vector: Tensor) -> Tensor:
            self._check("vector", vector)
            if whole is not None:
                return _flat(whole(vector))
            check()
            made = ((self._curvature(loss_fn, own)(vector), w) for own, w in parts)
            return micro_batches.accumulate(made, self.d, self._first)

        return product

    def hessian(self, loss_fn: LossFn, batch: Any = None) -> Tensor:
        """Dense Hessian H (d, d), d products, for teaching and as an oracle; ValueError if d > 4000.

        >>> ParameterSpace(nn.Linear(1, 1)).hessian(lambda m, _: (m.weight * m.bias).sum()).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
        """
        if self.d > MAX_DENSE:
            raise ValueError(f"d: got {self.d}, want at most {MAX_DENSE}; hvp_operator has no limit")
        product = self.hvp_operator(loss_fn, batch)
        return torch.stack([product(e) for e in torch.eye(self.d).to(self._first)])

    def functional(self, theta: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Output of the module at theta (d,) as a function of theta, for torch.func's jvp, vjp and vmap.

        Parameters not chosen, and buffers, stay as they are. ValueError for a wrong shape, dtype or device.

        >>> space = ParameterSpace(nn.Linear(2, 1))
        >>> output = lambda theta: space.functional(theta, torch.ones(2))
        >>> torch.func.jvp(output, (torch.zeros(3),), (torch.ones(3),))[1]
        tensor([3.])
        """
        self._check("theta", theta)
        return functional_call(self.module, self.split(theta), args, kwargs)

    @property
    def _first(self) -> Tensor:
        return self.module.get_parameter(self.names[0]).detach()

    @torch.no_grad()
    def _copy(self, theta: Tensor) -> None:
        for name, value in self.split(theta).items():
            self.module.get_parameter(name).copy_(value)

    def _check(self, name: str, x: Tensor, device: bool = True) -> None:
        p = self._first
        if x.shape != (self.d,) or x.dtype != p.dtype or (device and x.device != p.device):
            got, want = f"{tuple(x.shape)}, {x.dtype}, {x.device}", f"({self.d},), {p.dtype}, {p.device}"
            raise ValueError(f"{name}: got {got}, want {want}")

    def _evaluate(self, loss_fn: LossFn, batch: Any) -> Tensor:
        loss = loss_fn(self.module, batch)
        if not isinstance(loss, Tensor) or loss.ndim:
            raise ValueError(f"loss_fn: returned {getattr(loss, 'shape', type(loss))}, want a scalar tensor")
        return loss

    def _pieces(self, loss_fn: LossFn, batch: Any, work: str, chunk: int | None) -> micro_batches.Pieces:
        beside = 5.0 * self.d * self.dtype.itemsize  # gradients by tensor, and vectors
        return micro_batches.pieces(self.module, loss_fn, batch, work, chunk=chunk, beside=beside)

    def _curvature(self, loss_fn: LossFn, batch: Any) -> Callable[[Tensor], Sequence[Tensor]]:
        gradients = self._gradients(loss_fn, batch, create_graph=True)
        product = micro_batches.curvature(gradients, self.parameters())
        return lambda vector: product(list(self.split(vector.detach()).values()))

    def _gradients(self, loss_fn: LossFn, batch: Any, create_graph: bool) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            loss = self._evaluate(loss_fn, batch)
        if not loss.isfinite():
            raise ValueError(f"loss_fn: returned {loss.item()}, want a finite loss")
        if not loss.requires_grad:
            raise ValueError("loss_fn: returned a loss without a graph (detached, or computed under no_grad)")
        return torch.autograd.grad(loss, self.parameters(), create_graph=create_graph, materialize_grads=True)


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([t.detach().reshape(-1) for t in tensors])
