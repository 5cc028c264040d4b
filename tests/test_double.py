"""Double precision throughout: against references whose norms, softmax and losses are written by hand."""

import functools

import pytest
import tiny
import torch
from torch.nn import functional as F

from lglib.parameters import double
from lglib.parameters.double import Throughout
from lglib.parameters.space import ParameterSpace
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon

X = torch.linspace(-1, 2, 7, dtype=torch.float64)
every_family = pytest.mark.parametrize("family", tiny.FAMILIES)


@functools.cache
def net_of(family):
    return tiny.model(family).double()


def lesson():
    items = [Item("Sort: p c. Answer:", (" c p",), 0), Item("Is Anna in the park? Answer:", YES_NO, 1)]
    return supervised.lesson(lexicon.tokenizer(), items)


def by_hand(net, monkeypatch):
    """Norms and softmax replaced by their formulas, in the precision they are given."""

    def norm(part):
        shift = 1 if "Gemma" in type(part).__name__ else 0  # its weight is less one
        eps = getattr(part, "variance_epsilon", getattr(part, "eps", None))

        def forward(x):
            assert x.dtype == torch.float64
            return (part.weight + shift) * x * (x.square().mean(-1, keepdim=True) + eps).rsqrt()

        return forward

    for part in net.modules():
        if "RMSNorm" in type(part).__name__:
            monkeypatch.setattr(part, "forward", norm(part), raising=False)

    def softmax(x, dim=-1, dtype=None, **_):
        assert x.dtype == torch.float64
        return (x - x.logsumexp(dim, keepdim=True)).exp()

    monkeypatch.setattr(torch.nn.functional, "softmax", softmax)


@pytest.mark.parametrize("family", ["qwen2", "olmo2", "qwen3", "llama", "gemma2"])
def test_logits_are_those_of_a_reference_written_by_hand_in_double_precision(family, monkeypatch):
    net = net_of(family)
    narrow = tiny.logits(net)
    with Throughout():
        found = tiny.logits(net)
        by_hand(net, monkeypatch)
        expected = tiny.logits(net)
    assert found.dtype == torch.float64
    assert (found - expected).abs().max() < 1e-12 * expected.abs().max()
    assert (narrow - expected).abs().max() > 1e-9, "the model computes in double precision by itself"


@every_family
def test_central_differences_of_the_loss_have_errors_of_double_precision(family):
    space, told = ParameterSpace(net_of(family)), lesson()
    theta = space.flatten()
    u = torch.randn(space.d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    u /= u.norm()

    def central(h):
        found = []
        for sign in (1, -1):
            with space.at(theta + sign * h * u):
                found.append(space.loss(supervised.loss, told))
        return (found[0] - found[1]) / (2 * h)

    h = 1e-3
    with Throughout():
        slope = (space.gradient(supervised.loss, told) @ u).item()
        inside = abs((4 * central(h) - central(2 * h)) / 3 - slope)  # Richardson: the error is h^4
    outside = abs((4 * central(h) - central(2 * h)) / 3 - slope)
    assert inside < 1e-9 * max(1, abs(slope))
    assert outside > 10 * inside, "single precision somewhere is what this guards against"


@every_family
def test_nothing_changes_outside_of_the_body(family):
    net = net_of(family)
    before = tiny.logits(net)
    with Throughout():
        tiny.logits(net)
    assert torch.equal(tiny.logits(net), before)
    assert X.float().dtype == torch.float32


@pytest.mark.parametrize("family", ["gpt2", "qwen2"])
def test_a_model_in_single_precision_is_not_touched(family):
    net = tiny.model(family)
    before = tiny.logits(net)
    with Throughout():
        assert torch.equal(tiny.logits(net), before)


def test_losses_are_summed_in_double_precision_too():
    net, told = net_of("gpt2"), lesson()
    with Throughout(), torch.no_grad():
        logits = supervised.logits(net, told)
        found = supervised.losses(logits, told)
    logp = logits - logits.logsumexp(-1, keepdim=True)
    each = -logp.gather(-1, told.targets[..., None])[..., 0] * told.there
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, each.sum(1) / told.there.sum(1), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    "cast",
    [
        lambda x: x.float(),
        lambda x: x.to(torch.float32),
        lambda x: x.to(dtype=torch.float32),
        lambda x: x.to("cpu", torch.float32),
        lambda x: x.to("cpu", dtype=torch.float32),
        lambda x: x.to(torch.float32, copy=True),
        lambda x: x.to(torch.float32, non_blocking=True),
        lambda x: x.type(torch.float32),
        lambda x: x.type(dtype=torch.float32),
    ],
)
def test_every_way_to_cast_leaves_a_double_as_it_is(cast):
    with Throughout():
        found = cast(X)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float64
    assert torch.equal(found, X)


@pytest.mark.parametrize(
    "reduce",
    [
        lambda x, **k: torch.softmax(x, 0, **k),
        lambda x, **k: F.softmax(x, dim=-1, **k),
        lambda x, **k: F.log_softmax(x, dim=-1, **k),
        lambda x, **k: x.sum(**k),
        lambda x, **k: x.mean(**k),
        lambda x, **k: torch.softmax(input=x, dim=0, **k),
        lambda x, **k: torch.softmax(x, 0, *k.values()),
    ],
)
def test_a_reduction_that_asks_for_float32_stays_double(reduce):
    with Throughout():
        found = reduce(X, dtype=torch.float32)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, reduce(X, dtype=torch.float64), rtol=1e-15, atol=0)


def test_everything_else_is_left_alone():
    narrow, whole = torch.ones(2), torch.arange(3)
    with Throughout():
        assert X.to(torch.bfloat16).dtype == torch.bfloat16
        assert X.half().dtype == torch.float16
        assert X.long().dtype == torch.int64
        assert X.type() == "torch.DoubleTensor"
        assert X.to("cpu") is X
        assert X.to(X) is X
        assert narrow.float() is narrow
        assert narrow.to(torch.float32) is narrow
        assert narrow.double().dtype == torch.float64
        assert whole.float().dtype == torch.float32
        assert whole.to(torch.float32).dtype == torch.float32
        assert torch.zeros(2).dtype == torch.float32
        assert torch.zeros(2, dtype=torch.float32).dtype == torch.float32


def test_bits_may_still_be_read_as_another_type():
    with Throughout():
        assert X.view(torch.float32).shape == (14,)
        assert X.view(dtype=torch.float32).shape == (14,)


def test_it_can_be_nested_and_used_again():
    mode = Throughout()
    for _ in range(2):
        with mode, Throughout():
            assert X.float().dtype == torch.float64
        assert X.float().dtype == torch.float32
    with Throughout():
        with Throughout():
            pass
        assert X.float().dtype == torch.float64


def test_it_ends_with_an_error():
    with pytest.raises(RuntimeError, match="mine"), Throughout():
        raise RuntimeError("mine")
    assert X.float().dtype == torch.float32
    with pytest.raises(RuntimeError), Throughout():
        X.float() @ torch.ones(3, 3)
    assert X.float().dtype == torch.float32


def test_gradients_and_second_derivatives_flow_through_a_cast_that_is_none():
    w = X.clone().requires_grad_(True)
    with Throughout():
        y = (w.to(torch.float32) ** 3).sum()
        (g,) = torch.autograd.grad(y, w, create_graph=True)
        (h,) = torch.autograd.grad(g.sum(), w)
    torch.testing.assert_close(g.detach(), 3 * X**2, rtol=1e-15, atol=0)
    torch.testing.assert_close(h, 6 * X, rtol=1e-15, atol=0)


def test_the_module_has_one_public_name():
    public = {n for n, v in vars(double).items() if getattr(v, "__module__", "") == double.__name__}
    public = {name for name in public if not name.startswith("_")}
    assert public == {"Throughout"}
