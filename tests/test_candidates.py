"""Losses of many points, three ways: the same numbers, and the model as it was."""

import copy
import math
from itertools import islice

import pytest
import torch
from torch import nn

from lglib.base import chunks
from lglib.parameters.space import ParameterSpace
from lglib.search import candidates
from lglib.studies.synthetic import transformer
from lglib.tasks import synthetic

WAYS = ["loop", "functional", "vmap"]
ways = pytest.mark.parametrize("method", WAYS)


def mlp(dtype=torch.float32):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3)).to(dtype).eval()
    generator = torch.Generator().manual_seed(1)
    batches = [torch.randn(n, 6, generator=generator, dtype=torch.float64).to(dtype) for n in (5, 9)]
    return net, lambda m, x: nn.functional.cross_entropy(m(x), torch.arange(len(x)) % 3), batches


def gpt2(dtype=torch.float32):
    net = transformer.build(width=32, length=3, seed=0).to(dtype)
    batches = [synthetic.draw(task, 8, part="train", key=0, length=3) for task in ("copy", "sort")]
    return net, transformer.loss, batches


MODELS = {"mlp": mlp, "gpt2": gpt2}
models = pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)


def around(space, n, size=0.3, seed=2):
    """Points theta + delta, as a list."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, space.d, generator=generator, dtype=torch.float64).to(space.dtype)
    return list(space.flatten() + size * noise / math.sqrt(space.d))


def by_hand(net, loss, points, batches):
    """Losses (n, batches) of copies of the model, one after the other."""
    rows = []
    for point in points:
        other = copy.deepcopy(net)
        nn.utils.vector_to_parameters(point, other.parameters())
        with torch.no_grad():
            rows.append([loss(other, batch).item() for batch in batches])
    return torch.tensor(rows, dtype=torch.float64)


def found(space, loss, points, batches, **how):
    return torch.tensor(list(candidates.losses(space, loss, points, batches, **how)), dtype=torch.float64)


def snapshot(net):
    """All that an evaluation could leave behind."""
    tensors = {n: t.clone() for n, t in net.state_dict().items()}
    return tensors, [(p.data_ptr(), p.requires_grad, p.grad) for p in net.parameters()], net.training


def assert_unchanged(net, before):
    tensors, flags, training = snapshot(net)
    assert all(torch.equal(tensors[n], t) for n, t in before[0].items())
    assert (flags, training) == before[1:]


# --- the same numbers


@models
@ways
@pytest.mark.parametrize("chunk", [1, 3, 7, 64])
def test_every_way_gives_the_losses_of_copies_of_the_model(build, method, chunk):
    net, loss, batches = build()
    space = ParameterSpace(net)
    points = around(space, 7)
    losses = found(space, loss, points, batches, method=method, chunk=chunk)
    assert losses.shape == (7, 2)
    torch.testing.assert_close(losses, by_hand(net, loss, points, batches), rtol=1e-5, atol=1e-6)
    assert losses.std(0).min() > 1e-3  # the points do differ


@models
def test_in_float64_the_ways_agree_to_twelve_digits(build):
    net, loss, batches = build(torch.float64)
    space = ParameterSpace(net)
    points = around(space, 5)
    loop, functional, together = (found(space, loss, points, batches, method=m, chunk=2) for m in WAYS)
    torch.testing.assert_close(functional, loop, rtol=1e-12, atol=0)
    torch.testing.assert_close(together, loop, rtol=1e-12, atol=0)


@ways
def test_at_the_present_point_the_loss_is_that_of_the_model(method):
    net, loss, batches = gpt2()
    space = ParameterSpace(net)
    losses = found(space, loss, [space.flatten()] * 2, batches, method=method)
    expected = [space.loss(loss, batch) for batch in batches]
    torch.testing.assert_close(losses, torch.tensor([expected] * 2, dtype=torch.float64), rtol=1e-6, atol=0)


@ways
def test_parameters_outside_the_space_stay_where_they_are(method):
    net, loss, batches = mlp()
    part = ParameterSpace(net, where=lambda name, _: name.startswith("3."))
    whole = ParameterSpace(net)
    points = around(part, 4, size=2.0)
    full = [torch.cat([whole.flatten()[: -part.d], point]) for point in points]
    torch.testing.assert_close(
        found(part, loss, points, batches, method=method),
        found(whole, loss, full, batches, method="loop"),
        rtol=1e-5,
        atol=1e-6,
    )


@ways
def test_the_order_of_points_and_batches_is_kept(method):
    space = ParameterSpace(nn.Linear(1, 1, bias=False))
    points = [torch.tensor([float(i)]) for i in range(5)]
    how = dict(method=method, chunk=2)
    rows = list(candidates.losses(space, lambda m, x: m(x).sum(), points, list(torch.eye(2)[:, :1]), **how))
    assert rows == [[float(i), 0.0] for i in range(5)]


@ways
def test_losses_that_are_not_finite_are_given_as_they_are(method):
    space = ParameterSpace(nn.Linear(1, 1, bias=False))
    points = [torch.tensor([x]) for x in (-1.0, 0.0, 1.0)]
    rows = list(candidates.losses(space, lambda m, _: m.weight.sum().log(), points, [None], method=method))
    assert math.isnan(rows[0][0])
    assert rows[1:] == [[-math.inf], [0.0]]


@ways
@pytest.mark.parametrize(
    "wrap",
    [lambda x: (x, 2.0), lambda x: {"x": x, "times": 2}, lambda x: [x, None]],
    ids=["tuple", "dict", "list"],
)
def test_a_batch_may_be_a_tuple_a_list_or_a_dict(method, wrap):
    def loss(m, batch):
        x = batch["x"] if isinstance(batch, dict) else batch[0]
        return m(x).square().mean()

    net, _, batches = mlp()
    space = ParameterSpace(net)
    points, how = around(space, 3), dict(method=method)
    plain = found(space, lambda m, x: m(x).square().mean(), points, batches, **how)
    assert torch.equal(found(space, loss, points, [wrap(x) for x in batches], **how), plain)


@ways
def test_no_point_gives_no_loss(method):
    net, loss, batches = mlp()
    assert list(candidates.losses(ParameterSpace(net), loss, [], batches, method=method)) == []


@ways
def test_no_graph_is_built(method):
    net, loss, batches = mlp()
    graphs = []

    def watched(m, x):
        graphs.append(torch.is_grad_enabled())
        return loss(m, x)

    space = ParameterSpace(net)
    for _ in candidates.losses(space, watched, around(space, 2), batches, method=method):
        assert torch.is_grad_enabled()  # the caller's own mode is back between two points
    assert not any(graphs)


# --- the model as it was


@models
@ways
def test_the_model_is_left_bit_for_bit_as_it_was(build, method):
    net, loss, batches = build()
    space, before = ParameterSpace(net), snapshot(net)
    found(space, loss, around(space, 5), batches, method=method, chunk=2)
    assert_unchanged(net, before)


BAD = {
    "nan": lambda point: point * torch.nan,
    "shape": lambda point: point[:-1],
    "dtype": lambda point: point.double(),
}


@models
@ways
@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD)
def test_a_bad_point_in_the_middle_is_refused_and_the_model_left_as_it_was(build, method, spoil):
    net, loss, batches = build()
    space, before = ParameterSpace(net), snapshot(net)
    points = around(space, 5)
    points[3] = spoil(points[3])
    rows = candidates.losses(space, loss, points, batches, method=method, chunk=2)
    good = list(islice(rows, 2))
    with pytest.raises(ValueError, match="theta"):
        list(rows)
    assert len(good) == 2
    assert_unchanged(net, before)


@models
@ways
def test_closing_the_generator_early_leaves_the_model_as_it_was(build, method):
    net, loss, batches = build()
    space, before = ParameterSpace(net), snapshot(net)
    rows = candidates.losses(space, loss, around(space, 5), batches, method=method, chunk=2)
    next(rows)
    rows.close()
    assert_unchanged(net, before)


@ways
@pytest.mark.parametrize("where", ["loss", "points"])
def test_an_error_of_the_caller_passes_through_and_leaves_the_model_as_it_was(method, where):
    net, loss, batches = mlp()
    space, before = ParameterSpace(net), snapshot(net)
    calls = []

    def fails(m, x):
        calls.append(1)
        if where == "loss" and len(calls) > 2:
            raise MemoryError("out of memory")
        return loss(m, x)

    def points():
        yield from around(space, 3)
        raise MemoryError("out of memory")

    with pytest.raises(MemoryError):
        list(candidates.losses(space, fails, points(), batches, method=method, chunk=2))
    assert_unchanged(net, before)


# --- laziness


@pytest.mark.parametrize(("method", "chunk", "ahead"), [("loop", 4, 1), ("functional", 4, 1), ("vmap", 4, 4)])
def test_a_generator_of_points_is_consumed_no_further_than_needed(method, chunk, ahead):
    net, loss, batches = mlp()
    space, made = ParameterSpace(net), []

    def endless():
        while True:
            made.append(1)
            yield torch.zeros(space.d)

    rows = candidates.losses(space, loss, endless(), batches, method=method, chunk=chunk)
    assert not made
    for i in range(9):
        next(rows)
        assert len(made) == (i // ahead + 1) * ahead
    rows.close()


@ways
def test_points_may_be_made_from_the_model_while_others_are_evaluated(method):
    net, loss, batches = mlp()
    space = ParameterSpace(net)
    points = around(space, 5)
    deltas = [point - space.flatten() for point in points]
    lazy = found(space, loss, (space.flatten() + delta for delta in deltas), batches, method=method, chunk=2)
    torch.testing.assert_close(lazy, found(space, loss, points, batches, method=method), rtol=1e-5, atol=1e-6)


# --- which way, and refusals


def test_auto_is_the_loop_on_a_cpu_and_vmap_elsewhere():
    assert candidates.pick("auto", torch.device("cpu")) == "loop"
    assert candidates.pick("auto", torch.device("cuda")) == "vmap"
    for method in WAYS:
        assert candidates.pick(method, torch.device("cpu")) == method
        assert candidates.pick(method, torch.device("cuda")) == method


def test_auto_gives_the_losses_of_the_loop():
    net, loss, batches = mlp()
    space = ParameterSpace(net)
    points = around(space, 3)
    assert torch.equal(
        found(space, loss, points, batches), found(space, loss, points, batches, method="loop")
    )


def test_an_unknown_method_is_refused_with_those_there_are():
    net, loss, batches = mlp()
    space = ParameterSpace(net)
    told = "method is 'batched'; there is: auto, loop, functional, vmap"
    with pytest.raises(ValueError, match=told):
        list(candidates.losses(space, loss, around(space, 1), batches, method="batched"))
    with pytest.raises(ValueError, match=told):
        candidates.pick("batched", torch.device("cpu"))


@ways
@pytest.mark.parametrize("chunk", [0, -1, 2.0, True])
def test_a_chunk_that_is_no_whole_number_from_one_is_refused(method, chunk):
    net, loss, batches = mlp()
    space = ParameterSpace(net)
    with pytest.raises(ValueError, match=f"chunk must be a whole number from 1, got {chunk}"):
        list(candidates.losses(space, loss, around(space, 1), batches, method=method, chunk=chunk))


@ways
def test_no_batch_is_refused(method):
    net, loss, _ = mlp()
    space = ParameterSpace(net)
    with pytest.raises(ValueError, match="batches is empty: there is nothing to evaluate on"):
        list(candidates.losses(space, loss, around(space, 1), [], method=method))


@ways
@pytest.mark.parametrize("bad", [lambda m, x: m(x), lambda m, x: 1.0], ids=["vector", "float"])
def test_a_loss_that_is_no_scalar_tensor_is_refused(method, bad):
    net, _, batches = mlp()
    space = ParameterSpace(net)
    with pytest.raises(ValueError, match=r"loss_fn: returned .*want a scalar tensor"):
        list(candidates.losses(space, bad, around(space, 2), batches, method=method))


@models
def test_a_stack_is_as_large_as_memory_allows_and_gives_the_same(build):
    net, loss_fn, batches = build(torch.float64)
    space = ParameterSpace(net)
    points = around(space, 12)
    whole = list(candidates.losses(space, loss_fn, points, batches, method="vmap", chunk=12))
    peaks = []
    for limit in (1e12, 1.0):
        with chunks.limited(limit):
            found = []
            peaks.append(
                chunks.peak(
                    lambda found=found: found.extend(
                        candidates.losses(space, loss_fn, iter(points), batches, method="vmap")
                    )
                )
            )
        torch.testing.assert_close(torch.tensor(found), torch.tensor(whole), rtol=1e-6, atol=0)
    assert peaks[1] < 0.35 * peaks[0]
