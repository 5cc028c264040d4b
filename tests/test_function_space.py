"""What a step does to merged matrices and logits, against dense matrices, autograd and differences."""

import copy

import numpy as np
import pytest
import tiny
import torch
from transformers.pytorch_utils import Conv1D

from lglib.geometry.subspace import Subspace
from lglib.models import function_space, loading, lora
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
some_families = pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "gemma2"])
SHAPES = {"one": (5, 7), "two": (6, 4), "three": (3, 3)}
ITEMS = [
    Item("Sort: p c. Answer:", (" c p",), 0),
    Item("Is Anna in the park? Answer:", YES_NO, 1),
    Item("Anna is in the park. Where is Ben? Answer:", (" in the garden",), 0),
]
WORDS = [tiny.tokens(), tiny.tokens("Ben is in the barn. Question: Is Ben in the park? Answer:")]
STEP = 1e-4
EXACT = ("gpt2",)  # elsewhere norms or softmax compute in single precision, whatever the weights are


@pytest.fixture(scope="module")
def attach(folders):
    """Adapters in double precision, away from the start, that several tests share: none may change them."""
    made = {}

    def attach(family="gpt2", targets="attention"):
        if (family, targets) not in made:
            found = loading.load(str(folders[family]), device="cpu", dtype="float64")
            adapter = lora.attach(found, 2, targets, alpha=3)
            adapter.space.load(draw(adapter.space.d, 0))
            made[family, targets] = adapter
        return made[family, targets]

    return attach


@pytest.fixture
def adapter(attach):
    return attach()


@pytest.fixture
def path(adapter):
    """A short descent (T + 1, d), and the theta of now is its start."""
    space, points = adapter.space, [adapter.space.flatten()]
    for tokens in (WORDS * 2)[:4]:
        with space.at(points[-1]):
            g = space.gradient(token_loss, tokens)
        points.append(points[-1] - 0.3 * g / g.norm())
    return torch.stack(points)


def draw(d, seed, size=0.3):
    return size * torch.randn(d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def matrices(seed, dtype=torch.float64):
    dice = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=dice, dtype=dtype) for name, shape in SHAPES.items()}


def dense(changes, names=None):
    """All entries of the matrices of some layers as one numpy vector."""
    return np.concatenate([changes[n].double().numpy().ravel() for n in (names or list(changes))])


def projected(basis, delta, names=None):
    """Share of the energy inside, by least squares on all entries."""
    columns, target = np.stack([dense(one, names) for one in basis], axis=1), dense(delta, names)
    inside = columns @ np.linalg.lstsq(columns, target, rcond=1e-9)[0]
    return (inside @ inside) / (target @ target)


def token_loss(net, tokens):
    return -net(input_ids=tokens, use_cache=False).logits[:, -1].log_softmax(-1)[:, 7].mean()


def lesson(adapter):
    return supervised.lesson(adapter.base.tokenizer, ITEMS)


def plain(adapter, theta):
    """The model with the adapter merged into its weights by peft, and no adapter any more."""
    with adapter.space.at(theta):
        return copy.deepcopy(adapter.model).merge_and_unload()


def upright(net, name, value):
    """A matrix as (outputs, inputs), however its layer keeps it."""
    return value.T if isinstance(net.get_submodule(name), Conv1D) else value


def mixers(adapter):
    dice = torch.Generator().manual_seed(0)
    return [torch.eye(2) + 0.7 * torch.randn(2, 2, generator=dice) for _ in adapter.layers]


# --- changes of merged matrices


@every_family
def test_a_change_is_the_difference_of_the_merged_weights(attach, family):
    adapter = attach(family, "linear")
    start, end = draw(adapter.space.d, 1), draw(adapter.space.d, 2)
    before, after = plain(adapter, start), plain(adapter, end)
    changes = function_space.change(adapter, start, end)
    assert list(changes) == [one.name for one in adapter.layers]
    for name, value in changes.items():
        one, other = (net.get_parameter(f"{name}.weight").detach() for net in (before, after))
        torch.testing.assert_close(value, upright(before, name, other - one), rtol=1e-9, atol=1e-12)


def test_the_updates_of_a_path_add_up_to_its_change(adapter, path):
    steps = function_space.updates(adapter, path, len(path) - 1)
    assert len(steps) == 4
    for k in range(1, 5):
        assert len(function_space.updates(adapter, path, k)) == k
        whole = function_space.change(adapter, path[0], path[k])
        assert all(value.any() for value in whole.values())
        for name, value in whole.items():
            torch.testing.assert_close(sum(one[name] for one in steps[:k]), value)
    for name, value in function_space.change(adapter, path[1], path[2]).items():
        assert torch.equal(steps[1][name], value)


@pytest.mark.parametrize("k", [0, -1, 5])
def test_a_path_has_no_more_updates_than_steps(adapter, path, k):
    with pytest.raises(ValueError, match=f"k must be a whole number from 1 to 4, got {k}"):
        function_space.updates(adapter, path, k)


# --- captures


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_capture_is_the_share_inside_by_least_squares(k, dtype):
    basis, delta = [matrices(i, dtype) for i in range(k)], matrices(99, dtype)
    delta = {name: value + 2 * basis[0][name] - basis[-1][name] for name, value in delta.items()}
    found = function_space.capture(basis, delta)
    assert 0.1 < found < 0.95
    assert found == pytest.approx(projected(basis, delta), rel=1e-9)
    for name in SHAPES:
        by_layer = function_space.capture(basis, delta, layers=[name])
        assert by_layer == pytest.approx(projected(basis, delta, [name]), rel=1e-8)
    names = ["three", "one"]
    some = function_space.capture(basis, delta, layers=names)
    assert some == pytest.approx(projected(basis, delta, names), rel=1e-9)


def test_a_capture_along_a_path_is_that_of_its_matrices(adapter, path):
    basis = function_space.updates(adapter, path, 2)
    delta = function_space.change(adapter, path[0], path[-1])
    assert function_space.capture(basis, delta) == pytest.approx(projected(basis, delta), rel=1e-8)
    for one in adapter.layers:
        found = function_space.capture(basis, delta, layers=[one.name])
        assert found == pytest.approx(projected(basis, delta, [one.name]), rel=1e-7)


def test_what_is_inside_is_captured_whole_and_what_is_across_not_at_all():
    a, b = matrices(0), matrices(1)
    inside = {name: 2 * a[name] - 3 * b[name] for name in a}
    assert function_space.capture([a, b], inside) == pytest.approx(1, abs=1e-12)
    assert function_space.capture([a, b], inside) <= 1
    one = {"one": torch.eye(2)[:1], "two": torch.zeros(2, 1)}
    other = {"one": torch.eye(2)[1:], "two": torch.ones(2, 1)}
    assert function_space.capture([one], other) == 0


def test_lengths_and_order_of_the_basis_do_not_matter():
    basis, delta = [matrices(i) for i in range(3)], matrices(9)
    want = function_space.capture(basis, delta)
    sizes = (1e-12, 1.0, -1e9)
    scaled = [{n: s * v for n, v in one.items()} for s, one in zip(sizes, basis, strict=True)]
    assert function_space.capture(scaled[::-1], delta) == pytest.approx(want, rel=1e-9)
    small = {name: 1e-15 * value for name, value in delta.items()}
    assert function_space.capture(basis, small) == pytest.approx(want, rel=1e-9)


def test_a_direction_that_is_there_already_adds_nothing():
    a, b, delta = matrices(0), matrices(1), matrices(2)
    delta = {name: value + b[name] for name, value in delta.items()}
    want = function_space.capture([a], delta)
    again = {name: -5 * value for name, value in a.items()}
    near = {name: value + 1e-7 * b[name] for name, value in a.items()}  # of relative squared length 1e-14
    far = {name: value + 1e-3 * b[name] for name, value in a.items()}
    assert function_space.capture([a, again], delta) == pytest.approx(want, rel=1e-7)
    assert function_space.capture([a, near], delta) == pytest.approx(want, rel=1e-5)
    assert function_space.capture([a, far], delta) == pytest.approx(projected([a, b], delta), rel=1e-5)


def test_a_capture_grows_with_the_basis_up_to_one():
    delta = matrices(50)
    shares = [function_space.capture([matrices(i) for i in range(k)], delta) for k in (1, 10, 40, 68, 75)]
    assert shares == pytest.approx(sorted(shares), abs=1e-12)
    assert shares[-1] == pytest.approx(1, abs=1e-6)  # there are 68 entries
    assert shares[-1] <= 1


def test_a_capture_does_not_depend_on_the_gauge_of_the_path(adapter, path):
    def captures(points):
        basis = function_space.updates(adapter, points, 2)
        delta = function_space.change(adapter, points[0], points[-1])
        found = [function_space.capture(basis, delta)]
        return found + [function_space.capture(basis, delta, layers=[one.name]) for one in adapter.layers]

    moved = lora.gauge(adapter, path, mixers(adapter))
    assert (moved - path).norm() > 0.3 * path.norm()
    before, after = captures(path), captures(moved)
    assert before == pytest.approx(after, rel=1e-6)
    assert min(before) < 0.99
    in_coordinates = [Subspace.prefix(x, 2).capture(x[-1] - x[0]) for x in (path, moved)]
    assert abs(in_coordinates[0] - in_coordinates[1]) > 1e-3


def test_a_capture_of_nothing_is_refused():
    a, zero = matrices(0), {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    only = {**zero, "one": a["one"]}
    for basis, delta, layers, told in [
        ([], a, None, "layers and basis must hold at least one each"),
        ([a], zero, None, "delta is zero"),
        ([a, zero, a, zero], a, None, r"basis holds zero changes at \[1, 3\]"),
        ([a], only, ["two"], "delta is zero"),
        ([a, only], a, ["two", "three"], r"basis holds zero changes at \[1\]"),
    ]:
        with pytest.raises(ValueError, match=told):
            function_space.capture(basis, delta, layers=layers)


def test_a_capture_over_no_layer_is_refused():
    with pytest.raises(ValueError, match="layer"):
        function_space.capture([matrices(0)], matrices(1), layers=[])


# --- gradients of the matrices themselves


@every_family
def test_the_gradients_are_those_of_the_merged_model(attach, family):
    adapter = attach(family, "linear")
    found = function_space.gradients(adapter, token_loss, WORDS)
    assert len(found) == len(WORDS)
    net = plain(adapter, adapter.space.flatten())
    for tokens, rows in zip(WORDS, found, strict=True):
        weights = [net.get_parameter(f"{one.name}.weight").requires_grad_(True) for one in adapter.layers]
        want = torch.autograd.grad(token_loss(net, tokens), weights)
        assert list(rows) == [one.name for one in adapter.layers]
        for one, row in zip(adapter.layers, want, strict=True):
            own, right = rows[one.name], upright(net, one.name, row)
            assert own.shape == (one.outputs, one.inputs)
            assert not own.requires_grad
            assert (own - right).norm() < 1e-4 * right.norm(), one.name


@every_family
def test_the_gradients_are_the_limit_of_differences(attach, family):
    adapter, dice = attach(family, "linear"), np.random.default_rng(0)
    rows = function_space.gradients(adapter, token_loss, WORDS[:1])[0]
    net = plain(adapter, adapter.space.flatten())
    step, close = (STEP, 1e-6) if family in EXACT else (10 * STEP, 0.02)
    for one in (one for one in adapter.layers if one.block == 1):
        weight = upright(net, one.name, net.get_parameter(f"{one.name}.weight").data)  # a view
        own = rows[one.name]
        largest = own.abs().argmax().item()
        for i, j in (divmod(largest, one.inputs), (dice.integers(one.outputs), dice.integers(one.inputs))):
            before, losses = weight[i, j].item(), []
            for sign in (1, -1):
                weight[i, j] = before + sign * step
                with torch.no_grad():
                    losses.append(token_loss(net, WORDS[0]).item())
            weight[i, j] = before
            slope = (losses[0] - losses[1]) / (2 * step)
            allowed = close * own.abs().max().item() + 1e-9
            assert own[i, j].item() == pytest.approx(slope, abs=allowed), one.name


def test_the_gradients_give_those_of_the_adapter(attach):
    """By the chain rule: dL/dB = s G A^T and dL/dA = s B^T G."""
    adapter = attach("qwen2", "linear")
    theta, g = adapter.space.flatten(), adapter.space.gradient(token_loss, WORDS[0])
    for one in adapter.layers:
        own = function_space.gradients(adapter, token_loss, WORDS[:1])[0][one.name]
        a, b = theta[one.a].view(2, one.inputs), theta[one.b].view(one.outputs, 2)
        for place, want in ((one.a, one.scaling * b.T @ own), (one.b, one.scaling * own @ a.T)):
            assert (g[place] - want.flatten()).norm() < 1e-4 * want.norm()
        if one.block == 1:
            break


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_the_base_weights_are_frozen_again(attach, error):
    adapter = attach("olmo2")

    def loss(net, tokens):
        if error and tokens is WORDS[1]:
            raise error("no more")
        return token_loss(net, tokens)

    before = {name: value.clone() for name, value in adapter.model.state_dict().items()}
    if error:
        with pytest.raises(error, match="no more"):
            function_space.gradients(adapter, loss, WORDS)
    else:
        function_space.gradients(adapter, loss, WORDS)
    for name, value in adapter.model.named_parameters():
        assert value.requires_grad == ("lora_" in name)
        assert value.grad is None
    assert all(torch.equal(value, before[name]) for name, value in adapter.model.state_dict().items())


# --- leading directions


@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_leading_directions_span_what_the_singular_vectors_span(k):
    changes = [{n: (i + 1.0) * v for n, v in matrices(i).items()} for i in range(4)]
    found = function_space.leading(changes, k)
    assert len(found) == k
    rows = torch.tensor(np.stack([dense(one) for one in changes]))
    want = torch.linalg.svd(rows, full_matrices=False)[2][:k].T  # (entries, k)
    own = torch.linalg.qr(torch.tensor(np.stack([dense(one) for one in found], axis=1)))[0]
    assert torch.linalg.svdvals(own.T @ want) == pytest.approx(np.ones(k), abs=1e-9)
    for i, one in enumerate(found):  # in order, each alone
        assert abs(dense(one) @ want[:, i].numpy()) / np.linalg.norm(dense(one)) == pytest.approx(1)
    assert Subspace(own).overlap(Subspace.from_gradients(rows, k)) == pytest.approx(1)
    delta = matrices(9)
    capture = Subspace.from_gradients(rows, k).capture(torch.tensor(dense(delta)))
    assert function_space.capture(found, delta) == pytest.approx(capture, rel=1e-8)


def test_the_leading_directions_leave_the_changes_alone():
    changes = [matrices(i) for i in range(3)]
    function_space.leading(changes, 2)
    for i, one in enumerate(changes):
        assert all(torch.equal(value, one[name]) for name, value in matrices(i).items())


@pytest.mark.parametrize("k", [0, 4])
def test_there_are_no_more_leading_directions_than_changes(k):
    with pytest.raises(ValueError, match=f"k must be a whole number from 1 to 3, got {k}"):
        function_space.leading([matrices(i) for i in range(3)], k)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_there_are_no_more_leading_directions_than_the_rank(dtype):
    """As of `Subspace.from_gradients`: a direction made of rounding would count in a capture as any other."""
    a, b = matrices(0, dtype), matrices(1, dtype)
    changes = [a, b, {name: a[name] + b[name] for name in a}]
    rows = torch.tensor(np.stack([dense(one) for one in changes]), dtype=dtype)
    with pytest.raises(ValueError, match="rank"):
        Subspace.from_gradients(rows, 3)
    with pytest.raises(ValueError, match="rank"):
        function_space.leading(changes, 3)


# --- shares of a displacement


def test_explained_is_one_less_the_energy_that_is_missing():
    whole, part = draw((4, 5), 0), draw((4, 5), 1)
    want = 1 - ((whole - part) ** 2).sum() / (whole**2).sum()
    assert function_space.explained(whole, part) == pytest.approx(want.item())
    assert function_space.explained(whole, whole) == 1
    assert function_space.explained(whole, 0 * whole) == 0
    assert function_space.explained(whole, -whole) == pytest.approx(-3)
    assert function_space.explained(whole, 0.5 * whole) == pytest.approx(0.75)
    tiny_one = torch.tensor([3e-25, 4e-25])
    assert function_space.explained(tiny_one, tiny_one * torch.tensor([1, 0])) == pytest.approx(0.36)
    with pytest.raises(ValueError, match="whole is zero"):
        function_space.explained(0 * whole, part)


@some_families
def test_logits_are_those_of_the_merged_model_less_their_mean(attach, family):
    adapter = attach(family, "linear")
    known, theta = lesson(adapter), draw(adapter.space.d, 1)
    before, net = adapter.space.flatten(), plain(adapter, theta)
    found = function_space.logits(adapter, theta, known)
    assert torch.equal(adapter.space.flatten(), before)
    assert not found.requires_grad
    assert not found[~known.there].any()
    assert (~known.there).any()
    assert found.sum(-1).abs().max() < 1e-3
    for i, item in enumerate(ITEMS):
        prompt, answer = (
            adapter.base.tokenizer(text, add_special_tokens=special).input_ids
            for text, special in ((item.prompt, True), (item.answer, False))
        )
        with torch.no_grad():
            rows = net(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        want = (rows - rows.mean(-1, keepdim=True)).float()
        torch.testing.assert_close(found[i, known.there[i]], want, rtol=0, atol=1e-4)


def test_a_basis_that_holds_the_displacement_does_all_of_it(adapter):
    d = adapter.space.d
    start, end = adapter.space.flatten(), draw(d, 7)
    bases = {
        "alone": Subspace.from_vectors(torch.stack([end - start])),
        "among": Subspace.from_vectors(torch.stack([draw(d, 8), end - start, draw(d, 9)])),
    }
    found = function_space.shares(adapter, start, end, bases, lesson(adapter))
    assert list(found) == ["alone", "among"]
    for one in found.values():
        assert list(one) == ["coordinates", "matrices", "logits", "loss"]
        assert list(one.values()) == pytest.approx([1] * 4, abs=1e-5)


def test_a_basis_across_the_displacement_does_nothing_of_it(adapter):
    d = adapter.space.d
    start, end = adapter.space.flatten(), draw(d, 7)
    delta = (end - start) / (end - start).norm()
    rows = torch.stack([x - (x @ delta) * delta for x in (draw(d, 8), draw(d, 9))])
    bases = {"across": Subspace.from_vectors(rows)}
    found = function_space.shares(adapter, start, end, bases, lesson(adapter))["across"]
    assert list(found.values()) == pytest.approx([0] * 4, abs=1e-5)


@some_families
def test_shares_are_those_of_the_merged_models(attach, family):
    adapter = attach(family, "linear")
    d, known = adapter.space.d, lesson(adapter)
    start = adapter.space.flatten()
    end = start + draw(d, 7, 0.1)
    rows = torch.stack([draw(d, 8), end - start + draw(d, 9, 0.1)])
    bases = {"random": Subspace.random(d, 3, seed=0), "own": Subspace.from_vectors(rows)}
    found = function_space.shares(adapter, start, end, bases, known)["own"]
    assert torch.equal(adapter.space.flatten(), start)

    q = np.linalg.qr(rows.numpy().T)[0]
    delta = (end - start).numpy()
    inside = q @ (q.T @ delta)
    part = start + torch.tensor(inside)
    assert found["coordinates"] == pytest.approx((inside @ inside) / (delta @ delta))
    nets = [plain(adapter, theta) for theta in (start, end, part)]
    names = [f"{one.name}.weight" for one in adapter.layers]
    weights = [torch.cat([net.get_parameter(n).detach().flatten() for n in names]) for net in nets]
    said = []
    with torch.no_grad():
        for net in nets:
            rows = supervised.logits(net, known)[known.there].double()
            said.append((rows - rows.mean(-1, keepdim=True)).flatten())
        losses = [supervised.loss(net, known).item() for net in nets]

    def explained(at_start, at_end, at_part):
        return 1 - ((at_end - at_part).norm() / (at_end - at_start).norm()).item() ** 2

    assert found["matrices"] == pytest.approx(explained(*weights), rel=1e-6)
    assert found["logits"] == pytest.approx(explained(*said), abs=1e-3)
    assert found["loss"] == pytest.approx((losses[0] - losses[2]) / (losses[0] - losses[1]), rel=1e-2)
    assert 0.1 < found["matrices"] < 0.9


def test_a_displacement_that_changes_no_matrix_has_no_shares(folders):
    """At the start B is zero, so a step in A alone is none in the function."""
    adapter = lora.attach(loading.load(str(folders["gpt2"]), device="cpu", dtype="float64"), 2)
    start, other = adapter.space.flatten(), draw(adapter.space.d, 1)
    end = start.clone()
    for one in adapter.layers:
        end[one.a] = other[one.a]
    bases = {"random": Subspace.random(adapter.space.d, 2, seed=0)}
    for last in (end, start):
        with pytest.raises(ValueError, match=r"the loss is .* at both ends"):
            function_space.shares(adapter, start, last, bases, lesson(adapter))
        assert torch.equal(adapter.space.flatten(), start)
