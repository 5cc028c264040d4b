"""Long vectors: float64 sums, and directions that nobody holds."""

import gc
import weakref

import pytest
import torch

from lglib.parameters import linearity, vectors
from lglib.parameters.space import ParameterSpace


def test_inner_products_of_long_vectors_are_exact_where_float32_is_off(monkeypatch):
    monkeypatch.setattr(vectors, "PIECE", 1000)
    a = torch.randn(10_500, generator=torch.Generator().manual_seed(0)) + 1
    b = torch.randn(10_500, generator=torch.Generator().manual_seed(1)) + 1
    assert vectors.dot(a, b) == pytest.approx((a.double() @ b.double()).item(), rel=1e-14)
    assert vectors.length(a) == pytest.approx(a.double().norm().item(), rel=1e-14)


def test_a_vector_of_one_piece_has_the_product_it_had_bit_for_bit():
    a, b = (torch.randn(900_000, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    assert vectors.dot(a, b) == (a.double() @ b.double()).item()


def test_the_length_of_a_long_float32_vector_is_right_to_ten_digits():
    x = torch.full((10_000_000,), 0.1)
    assert vectors.length(x) == pytest.approx(float(torch.tensor(0.1)) * 10_000_000**0.5, rel=1e-10)


@pytest.mark.parametrize(
    "bad", [torch.zeros(3), torch.tensor([1.0, float("nan")]), torch.tensor([float("inf")])]
)
def test_a_direction_of_nothing_is_refused(bad):
    with pytest.raises(ValueError, match="finite and not zero"):
        vectors.unit(bad)


def test_vectors_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="one length"):
        vectors.dot(torch.ones(3), torch.ones(2))


def test_lazy_directions_are_the_held_ones_and_one_lives_at_a_time():
    net = torch.nn.Linear(6, 1, bias=False).double()
    space, alive, most = ParameterSpace(net), [], []
    gc.freeze()  # what other tests left is not looked through each time

    def make(i):
        gc.collect()
        most.append(sum(ref() is not None for ref in alive))
        u = vectors.unit(torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(i)))
        alive.append(weakref.ref(u))
        return u

    lazy = vectors.Lazy({str(i): lambda i=i: make(i) for i in range(8)})
    x = torch.eye(6, dtype=torch.float64)
    loss = lambda m, x: m(x).exp().mean()  # noqa: E731
    held = linearity.measure(space, loss, x, [lazy[str(i)] for i in range(8)], [0.1, 1.0])
    alive.clear()
    most.clear()
    found = linearity.measure(space, loss, x, (lazy[name] for name in lazy), [0.1, 1.0])
    assert [one.f1.tolist() for one in found] == [one.f1.tolist() for one in held]
    gc.unfreeze()
    assert max(most) <= 1
    assert list(lazy.some(("3", "5"))) == ["3", "5"]
    assert list(lazy.some(())) == list(lazy)


def test_a_generator_without_a_direction_is_refused():
    space = ParameterSpace(torch.nn.Linear(2, 1))
    with pytest.raises(ValueError, match="directions is empty"):
        linearity.measure(space, lambda m, _: m.weight.sum(), None, (u for u in ()), [0.1])
