"""Many candidates in one forward pass, and searches of them: what each alone says, and no trace of it."""

import gc
import weakref

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from lglib.base import chunks
from lglib.models import loading, lora
from lglib.parameters.space import ParameterSpace
from lglib.search import lora_candidates, proposals
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
some_families = pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "gemma2"])
every_target = pytest.mark.parametrize("targets", lora.TARGETS)
both = pytest.mark.parametrize("method", ["loop", "stacked"])
ITEMS = [
    Item("Sort: p c. Answer:", (" c p",), 0),
    Item("Is Anna in the park? Answer:", YES_NO, 1),
    Item("Anna is in the park. Where is Ben? Answer:", (" in the garden",), 0),
]
SIZE = 0.3  # of a random theta: enough to change what the model says
NORM, CANDIDATES = 2.0, 7


@pytest.fixture(scope="module")
def attach(folders):
    def attach(family="gpt2", r=2, targets="attention", dtype="float32", alpha=None):
        found = loading.load(str(folders[family]), device="cpu", dtype=dtype)
        adapter = lora.attach(found, r, targets, alpha=alpha)
        adapter.space.load(draw(adapter.space)[0])
        return adapter

    return attach


@pytest.fixture
def adapter(attach):
    return attach()


@pytest.fixture
def known(adapter):
    return lesson(adapter)


def draw(space, rows=1, seed=0):
    dice = torch.Generator().manual_seed(seed)
    return SIZE * torch.randn(rows, space.d, generator=dice, dtype=space.dtype)


def lesson(adapter):
    return supervised.lesson(adapter.base.tokenizer, ITEMS)


def one_by_one(adapter, thetas, known):
    """Logits of each candidate written into the model in its turn."""
    found = []
    for theta in thetas:
        with adapter.space.at(theta), torch.no_grad():
            found.append(supervised.logits(adapter.model, known))
    return torch.stack(found)


def state(adapter):
    """What a search may not change: theta, what is trained, what is enabled, who listens."""
    hooks = {
        name: (len(part._forward_hooks), len(part._forward_pre_hooks), len(part._backward_hooks))
        for name, part in adapter.model.named_modules()
    }
    learned = {name: value.requires_grad for name, value in adapter.model.named_parameters()}
    enabled = [not one.module.disable_adapters for one in adapter.layers]
    values = {name: value.clone() for name, value in adapter.model.state_dict().items()}
    return values, hooks, learned, enabled, [one.module.active_adapters for one in adapter.layers]


def unchanged(adapter, before):
    values, *rest = state(adapter)
    assert rest == list(before[1:])
    assert all(torch.equal(value, before[0][name]) for name, value in values.items())


def search(adapter, direction=None, **more):
    direction = direction or proposals.everywhere_by_tensor(adapter.space, seed=0)
    own = dict(norm=NORM, candidates=CANDIDATES) | more
    return lora_candidates.run(adapter, lesson(adapter), direction, **own)


def unit(space, candidate, seed=1):
    z = torch.randn(
        space.d, generator=torch.Generator().manual_seed(1000 * seed + candidate), dtype=space.dtype
    )
    return z / z.norm()


def agree(one, other):
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(one.before, other.before)
    np.testing.assert_array_equal(one.predicted, other.predicted)
    np.testing.assert_array_equal(one.right, other.right)


# --- one forward pass for a stack


@every_family
@every_target
def test_a_stack_says_what_each_candidate_says_alone(attach, family, targets):
    adapter = attach(family, targets=targets, alpha=3)
    known, thetas = lesson(adapter), draw(adapter.space, 3, seed=1)
    found, want = lora_candidates.logits(adapter, thetas, known), one_by_one(adapter, thetas, known)
    assert found.shape == (3, *known.targets.shape, 644)
    assert min((want[i] - want[j]).abs().max() for i, j in ((0, 1), (0, 2), (1, 2))) > 0.1
    torch.testing.assert_close(found, want, rtol=0, atol=1e-4)
    assert not found.requires_grad


@some_families
def test_in_double_precision_they_agree_further(attach, family):
    adapter = attach(family, 4, "linear", "float64")
    known, thetas = lesson(adapter), draw(adapter.space, 3, seed=1)
    found = lora_candidates.logits(adapter, thetas, known)
    assert found.dtype == torch.float64
    # norms and softmax of most families compute in single precision, whatever the weights are
    atol = 1e-12 if family == "gpt2" else 1e-5
    torch.testing.assert_close(found, one_by_one(adapter, thetas, known), rtol=0, atol=atol)


@some_families
def test_with_bfloat16_weights_they_agree_to_its_rounding(attach, family):
    adapter = attach(family, targets="linear", dtype="bfloat16")
    known, thetas = lesson(adapter), draw(adapter.space, 3, seed=1)
    found, want = (f(adapter, thetas, known) for f in (lora_candidates.logits, one_by_one))
    assert found.dtype == want.dtype == torch.bfloat16
    assert (found.float() - want.float()).norm() < 0.03 * want.float().norm()
    assert (want[0].float() - want[1].float()).norm() > 0.3 * want.float().norm()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_stack_may_have_any_height(adapter, known, count):
    thetas = draw(adapter.space, 5, seed=2)
    found = lora_candidates.logits(adapter, thetas[:count], known)
    torch.testing.assert_close(found, one_by_one(adapter, thetas, known)[:count], rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")  # peft, of a head that is tied to the words
def test_a_head_that_sees_only_some_positions_may_be_adapted(folders):
    adapter = lora.attach(loading.load(str(folders["llama"]), device="cpu"), 2, ["lm_head", "o_proj"])
    thetas = draw(adapter.space, 3, seed=1)
    want = one_by_one(adapter, thetas, lesson(adapter))
    torch.testing.assert_close(
        lora_candidates.logits(adapter, thetas, lesson(adapter)), want, rtol=0, atol=1e-4
    )


def test_the_theta_in_the_model_does_not_matter(adapter, known):
    thetas = draw(adapter.space, 2, seed=1)
    want = lora_candidates.logits(adapter, thetas, known)
    adapter.space.load(draw(adapter.space, 1, seed=5)[0])
    assert torch.equal(lora_candidates.logits(adapter, thetas, known), want)


def test_candidates_do_not_see_each_other(adapter, known):
    thetas = draw(adapter.space, 4, seed=1)
    want = lora_candidates.logits(adapter, thetas, known)
    spoiled = thetas.clone()
    spoiled[1], spoiled[2] = torch.nan, 1e30
    found = lora_candidates.logits(adapter, spoiled, known)
    torch.testing.assert_close(found[[0, 3]], want[[0, 3]], rtol=1e-5, atol=1e-5)
    assert found[1].isnan().all()
    turned = lora_candidates.logits(adapter, thetas.flip(0), known).flip(0)
    torch.testing.assert_close(turned, want, rtol=1e-5, atol=1e-5)


def test_a_stack_leaves_no_trace(adapter, known):
    before = state(adapter)
    lora_candidates.logits(adapter, draw(adapter.space, 3, seed=1), known)
    unchanged(adapter, before)
    assert all(value.requires_grad for value in adapter.space.parameters())


def test_who_listened_before_listens_afterwards(adapter, known):
    heard = []
    hook = adapter.layers[0].module.register_forward_hook(lambda *_: heard.append(1))
    before = state(adapter)
    lora_candidates.logits(adapter, draw(adapter.space, 3, seed=1), known)
    unchanged(adapter, before)
    assert heard == [1]
    hook.remove()


def test_an_adapter_that_was_off_stays_off(adapter, known):
    thetas = draw(adapter.space, 2, seed=1)
    want = lora_candidates.logits(adapter, thetas, known)
    with adapter.model.disable_adapter():
        before = state(adapter)
        assert torch.equal(lora_candidates.logits(adapter, thetas, known), want)
        unchanged(adapter, before)


def test_adapters_that_were_frozen_stay_frozen(adapter, known):
    first = adapter.space.parameters()[0].requires_grad_(False)
    before = state(adapter)
    lora_candidates.logits(adapter, draw(adapter.space, 2, seed=1), known)
    assert not first.requires_grad
    unchanged(adapter, before)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["block", "layer"])
def test_an_error_inside_the_forward_pass_leaves_no_trace(adapter, known, monkeypatch, error, where):
    def fails(*given, **more):
        raise error("out of memory")

    thetas, before = draw(adapter.space, 3, seed=1), state(adapter)
    want = tiny.logits(adapter.model)
    part = adapter.base.blocks[-1] if where == "block" else adapter.layers[1].module.base_layer
    with monkeypatch.context() as patch:
        patch.setattr(part, "forward", fails)
        with pytest.raises(error, match="out of memory"):
            lora_candidates.logits(adapter, thetas, known)
    unchanged(adapter, before)
    assert torch.equal(tiny.logits(adapter.model), want)
    assert all(value.requires_grad for value in adapter.space.parameters())
    want = one_by_one(adapter, thetas, known)
    torch.testing.assert_close(lora_candidates.logits(adapter, thetas, known), want, rtol=0, atol=1e-4)


def test_what_is_no_stack_of_thetas_is_refused(adapter, known):
    thetas, before = draw(adapter.space, 3), state(adapter)
    d = adapter.space.d
    for wrong, told in [
        (thetas[0], rf"thetas must be \(candidates, {d}\), got \({d},\)"),
        (thetas[:, 1:], rf"thetas must be \(candidates, {d}\), got \(3, {d - 1}\)"),
        (thetas[None], rf"got \(1, 3, {d}\)"),
        (thetas[:0], rf"got \(0, {d}\)"),
        (thetas.double(), "thetas must be torch.float32 on cpu, got torch.float64 on cpu"),
        (thetas.to("meta"), "thetas must be torch.float32 on cpu, got torch.float32 on meta"),
    ]:
        with pytest.raises(ValueError, match=told):
            lora_candidates.logits(adapter, wrong, known)
    unchanged(adapter, before)


# --- a search


@pytest.mark.parametrize("chunk", [1, 2, 3, CANDIDATES, 50])
def test_the_stacked_search_is_the_loop(adapter, chunk):
    assert CANDIDATES % 2
    assert CANDIDATES % 3
    loop, many = search(adapter, method="loop"), search(adapter, method="stacked", chunk=chunk)
    agree(many, loop)
    assert many.losses.shape == many.right.shape == (CANDIDATES, len(ITEMS))
    assert many.predicted.shape == (CANDIDATES, len(ITEMS), 3)
    assert np.ptp(many.losses, axis=0).min() > 0.05


@every_family
def test_the_methods_agree_on_every_family(attach, family):
    adapter = attach(family, targets="linear")
    loop, many = (search(adapter, method=m, candidates=3, chunk=2) for m in ("loop", "auto"))
    agree(many, loop)


@both
def test_a_search_is_what_each_candidate_says_by_hand(adapter, known, method):
    space = adapter.space
    theta, found = space.flatten(), search(adapter, lambda i: unit(space, i), method=method)
    targets = known.targets.numpy()
    for i in range(-1, CANDIDATES):
        point = theta if i < 0 else theta + NORM * unit(space, i)
        rows = one_by_one(adapter, point[None], known)[0].double().log_softmax(-1)
        each = -rows.gather(-1, known.targets[..., None])[..., 0] * known.there
        want = (each.sum(1) / known.there.sum(1)).numpy()
        if i < 0:
            np.testing.assert_allclose(found.before, want, rtol=1e-4)
            continue
        np.testing.assert_allclose(found.losses[i], want, rtol=1e-4)
        np.testing.assert_array_equal(found.predicted[i], rows.argmax(-1).numpy())
        wrong = (found.predicted[i] != targets) & known.there.numpy()
        np.testing.assert_array_equal(found.right[i], ~wrong.any(1))


def test_an_answer_that_a_candidate_gets_right_is_counted(adapter):
    """Answers made of what candidates 1 and 4 would say: they, and hardly another, are right."""
    found = search(adapter, candidates=6)
    known = lesson(adapter)
    first = supervised.lesson(adapter.base.tokenizer, [Item(item.prompt, (" yes",), 0) for item in ITEMS])
    first.targets[:, 0] = torch.tensor([found.predicted[i, j, 0] for i, j in ((1, 0), (4, 1), (4, 2))])
    for method in ("loop", "stacked"):
        again = lora_candidates.run(
            adapter,
            first,
            proposals.everywhere_by_tensor(adapter.space, 0),
            norm=NORM,
            candidates=6,
            method=method,
        )
        assert again.right[1, 0]
        assert again.right[4, 1:].all()
        same = found.predicted[:, :, 0] == first.targets[:, 0].numpy()
        np.testing.assert_array_equal(again.right, same)
    assert known.targets.shape[1] == 3


def test_gains_are_decreases_of_the_mean_loss(adapter):
    found = search(adapter)
    np.testing.assert_allclose(found.gains(), found.before.mean() - found.losses.mean(1))
    np.testing.assert_allclose(
        found.gains([2, 0]), found.before[[0, 2]].mean() - found.losses[:, [0, 2]].mean(1)
    )
    np.testing.assert_allclose(found.gains(slice(1, 2)), found.before[1] - found.losses[:, 1])
    assert np.unique(found.gains()).size == CANDIDATES


@both
@pytest.mark.parametrize("chunk", [1, 2, 8])
def test_a_search_leaves_no_trace(adapter, method, chunk):
    before = state(adapter)
    search(adapter, method=method, chunk=chunk)
    unchanged(adapter, before)


@both
@pytest.mark.parametrize("chunk", [1, 2, 8])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_direction_that_fails_in_the_middle_leaves_no_trace(adapter, method, chunk, error):
    def direction(i):
        if i == 3:
            raise error("no more")
        return unit(adapter.space, i)

    before = state(adapter)
    with pytest.raises(error, match="no more"):
        search(adapter, direction, method=method, chunk=chunk)
    unchanged(adapter, before)


@both
def test_a_forward_pass_that_fails_in_the_middle_leaves_no_trace(adapter, method, monkeypatch):
    calls, block = [], adapter.base.blocks[1]
    plain = block.forward

    def fails(*given, **more):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("out of memory")
        return plain(*given, **more)

    before = state(adapter)
    with monkeypatch.context() as patch:
        patch.setattr(block, "forward", fails)
        with pytest.raises(RuntimeError, match="out of memory"):
            search(adapter, method=method, chunk=2)
    unchanged(adapter, before)


@both
@pytest.mark.parametrize("chunk", [1, 2, 8])
def test_a_candidate_that_breaks_the_model_is_the_worst_and_stops_nothing(folders, method, chunk):
    """At the start B is zero: a step in A alone changes nothing however long, one in B breaks all."""
    adapter = lora.attach(loading.load(str(folders["gpt2"]), device="cpu"), 2)
    inside = torch.zeros(adapter.space.d)
    for one in adapter.layers:
        inside[one.b] = 1

    def direction(i):
        u = unit(adapter.space, i) * (inside if i == 2 else 1 - inside)
        return u / u.norm()

    before = state(adapter)
    found = search(adapter, direction, norm=1e30, candidates=5, method=method, chunk=chunk)
    assert found.gains()[2] == -np.inf
    assert np.isposinf(found.losses[2]).all()
    np.testing.assert_allclose(np.delete(found.gains(), 2), 0, atol=1e-5)
    assert not found.right[2].any()
    assert np.isfinite(found.before).all()
    unchanged(adapter, before)


@both
def test_a_step_that_breaks_the_model_has_no_gain(adapter, method):
    for norm in (1e20, 3e38):  # the largest number of single precision is 3.4e38
        before = state(adapter)
        found = search(adapter, norm=norm, candidates=2, method=method)
        assert np.isneginf(found.gains()).all()
        unchanged(adapter, before)


@both
def test_a_model_that_is_broken_from_the_start_is_refused(adapter, method):
    adapter.space.load(1e30 * torch.ones(adapter.space.d))
    before = state(adapter)
    with pytest.raises(ValueError, match="the loss is not finite at the starting point"):
        search(adapter, method=method)
    unchanged(adapter, before)


# --- which candidate is which


@both
def test_a_number_is_one_candidate_whatever_else_is_tried(adapter, method):
    asked = []

    def direction(i):
        asked.append(i)
        return everywhere(i)

    everywhere = proposals.everywhere_by_tensor(adapter.space, 0)
    whole = search(adapter, direction, candidates=9, chunk=4, method=method)
    assert asked == list(range(9))
    for candidates, chunk in [(1, 1), (5, 2), (8, 8)]:
        part = search(adapter, direction, candidates=candidates, chunk=chunk, method=method)
        np.testing.assert_allclose(part.losses, whole.losses[:candidates], rtol=1e-5)
        np.testing.assert_array_equal(part.predicted, whole.predicted[:candidates])


def test_the_points_tried_are_norm_away_in_the_direction_of_their_number(adapter, monkeypatch):
    seen, plain = [], lora_candidates.logits

    def logits(own, thetas, known):
        seen.append(thetas.clone())
        return plain(own, thetas, known)

    monkeypatch.setattr(lora_candidates, "logits", logits)
    theta, propose = adapter.space.flatten(), proposals.everywhere_by_tensor(adapter.space, 3)
    for candidates, chunk, heights in [(7, 3, [3, 3, 1]), (4, 8, [4]), (4, 2, [2, 2])]:
        seen.clear()
        search(adapter, propose, candidates=candidates, chunk=chunk)
        assert list(map(len, seen)) == heights
        for i, point in enumerate(torch.cat(seen)):
            torch.testing.assert_close(point, theta + NORM * propose(i))


def test_directions_are_unit_vectors_by_seed_and_number(adapter):
    propose = proposals.everywhere_by_tensor(adapter.space, 0)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    drawn = torch.stack([propose(i) for i in range(20)])
    assert torch.equal(torch.get_rng_state(), before)
    assert (drawn.norm(dim=1) - 1).abs().max() < 1e-6
    again = proposals.everywhere_by_tensor(adapter.space, 0)
    assert torch.equal(torch.stack([again(i) for i in reversed(range(20))]).flip(0), drawn)
    other = torch.stack([proposals.everywhere_by_tensor(adapter.space, 1)(i) for i in range(20)])
    cosines = torch.cat([drawn, other]) @ torch.cat([drawn, other]).T - torch.eye(40)
    assert cosines.abs().max() < 5 / adapter.space.d**0.5


def test_a_direction_is_uniform_on_the_sphere(adapter):
    propose, d = proposals.everywhere_by_tensor(adapter.space, 0), adapter.space.d
    z = torch.stack([propose(i) for i in range(50)]).double() * d**0.5
    assert abs(z.mean()) < 4 / z.numel() ** 0.5
    assert z.pow(4).mean().item() == pytest.approx(3, abs=4 * (96 / z.numel()) ** 0.5)
    energy = torch.cat([z[:, one.a].square().sum(1)[None] for one in adapter.layers]).mean(1)
    sizes = torch.tensor([float(one.a.stop - one.a.start) for one in adapter.layers])
    assert ((energy / sizes - 1).abs() < 4 * (2 / 50 / sizes) ** 0.5).all()


@pytest.mark.parametrize("space", ["plain", "adapter"])
def test_tensors_of_one_shape_do_not_share_their_noise(attach, space):
    if space == "plain":
        net = nn.Sequential(*(nn.Linear(40, 40, bias=False) for _ in range(4)))
        own = ParameterSpace(net)
    else:
        own = attach("qwen2", 4, "linear").space
    for candidate in (0, 1, 17):
        parts = own.split(proposals.everywhere_by_tensor(own, 0)(candidate))
        names = list(parts)
        pairs = 0
        for i, one in enumerate(names):
            for other in names[:i]:
                if own.shapes[one] == own.shapes[other]:
                    pairs += 1
                    x, y = (parts[name].flatten().numpy() for name in (one, other))
                    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / len(x) ** 0.5
        assert pairs >= 6


# --- memory


@pytest.fixture
def fresh():
    """What is alive already is not looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def numbers_held():
    """All numbers in tensors that were made since and are alive now."""
    gc.collect()
    alive = {}
    for one in gc.get_objects():
        if type(one) in (torch.Tensor, nn.Parameter):
            held = one.untyped_storage()
            alive[held.data_ptr()] = held.nbytes()
    return sum(alive.values()) // 4


@both
def test_memory_does_not_grow_with_the_candidates(adapter, method, monkeypatch, fresh):
    total, chunk, d = 24, 4, adapter.space.d
    directions, stacks, most, held = [], [], [], {}
    plain = lora_candidates.logits

    def direction(i):
        most.append(sum(ref() is not None for ref in directions))
        if i in (chunk + 1, total - chunk + 1):
            held[i] = numbers_held()
        u = unit(adapter.space, i)
        directions.append(weakref.ref(u))
        return u

    def logits(own, thetas, known):
        assert len(thetas) <= chunk
        stacks.append(weakref.ref(thetas))
        assert sum(ref() is not None for ref in stacks) <= 2
        return plain(own, thetas, known)

    monkeypatch.setattr(lora_candidates, "logits", logits)
    found = search(adapter, direction, candidates=total, chunk=chunk, method=method)
    assert len(directions) == total
    assert max(most) <= chunk + 1
    assert sum(ref() is not None for ref in directions + stacks) <= chunk + 2
    early, late = held.values()
    assert early > d  # at least the point itself was seen
    assert late - early < d  # less than one theta, for 16 candidates more
    assert found.losses.shape == (total, len(ITEMS))


# --- refusals


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (dict(norm=0), "norm must be finite and above 0, got 0"),
        (dict(norm=-1.0), r"norm must be finite and above 0, got -1\.0"),
        (dict(norm=float("nan")), "norm must be finite and above 0, got nan"),
        (dict(norm=float("inf")), "norm must be finite and above 0, got inf"),
        (dict(norm=1e39), "norm must be "),  # not finite in single precision
        (dict(candidates=0), "candidates must be a whole number from 1 to 1000000, got 0"),
        (dict(candidates=-3), "candidates must be a whole number from 1 to 1000000, got -3"),
        (dict(candidates=1_000_001), "candidates must be a whole number from 1 to 1000000, got 1000001"),
        (dict(candidates=True), "candidates must be a whole number"),
        (dict(candidates=2.5), "candidates must be a whole number"),
        (dict(chunk=0), "chunk must be a whole number from 1, got 0"),
        (dict(chunk=1.0), "chunk must be a whole number from 1"),
        (dict(method="fast"), "method is 'fast'; there is: auto, loop, stacked"),
    ],
    ids=str,
)
def test_a_search_that_makes_no_sense_is_refused(adapter, given, told):
    before = state(adapter)
    with pytest.raises(ValueError, match=told):
        search(adapter, **given)
    unchanged(adapter, before)


@both
def test_a_direction_that_is_no_unit_vector_is_told_with_its_number(adapter, method):
    space = adapter.space
    d = space.d
    for wrong, told in [
        (torch.zeros(d), rf"got shape \({d},\) and length 0"),
        (2 * unit(space, 0), rf"must be a unit vector \({d},\), got shape \({d},\) and length 2"),
        (0.99 * unit(space, 0), r"length 0\.99"),
        (unit(space, 0) * torch.nan, "length nan"),
        (unit(space, 0)[:-1], rf"got shape \({d - 1},\)"),
        (unit(space, 0)[None], rf"got shape \(1, {d}\)"),
        (torch.tensor(1.0), r"got shape \(\)"),
    ]:
        before = state(adapter)
        with pytest.raises(ValueError, match=rf"direction\(2\) .*{told}"):
            search(adapter, lambda i, w=wrong: w if i == 2 else unit(space, i), method=method, chunk=2)
        unchanged(adapter, before)


@both
def test_directions_in_double_precision_are_as_good(adapter, method):
    want = search(adapter, lambda i: unit(adapter.space, i), method=method)
    agree(search(adapter, lambda i: unit(adapter.space, i).double(), method=method), want)


def lessons_of(found, counts=(3, 3, 3)):
    """Lessons of several lengths, with answers of one to four tokens."""
    texts = ["Sort: p c.", "Sort: p c f g.", "Plural: cat.", "Anna is in the park."]
    answers = [" c p", " c f g p", " cats", " yes"]
    made = []
    for number, count in enumerate(counts):
        items = [
            Item(f"{texts[(number + i) % 4]} Answer:", (answers[(number + i) % 4],), 0) for i in range(count)
        ]
        made.append(supervised.lesson(found.tokenizer, items))
    return made


@pytest.mark.parametrize("targets", ["attention", "linear"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_gradients_in_one_pass_are_those_one_by_one(tmp_path, family, targets):
    tiny.save(tmp_path, family)
    adapter = lora.attach(loading.load(str(tmp_path)), 2, targets)
    space = adapter.space
    space.load(0.1 * torch.randn(space.d, generator=torch.Generator().manual_seed(0)))
    before, lessons = space.flatten(), lessons_of(adapter.base)
    want = space.gradient_matrix(supervised.loss, lessons)
    for chunk in (1, 2, 16):
        got = lora_candidates.gradients(adapter, lessons, chunk=chunk)
        assert (got - want).norm() <= 1e-4 * want.norm()
    assert torch.equal(space.flatten(), before)
    assert all(p.grad is None and p.requires_grad for p in space.parameters())


def test_gradients_want_lessons_of_one_size_and_a_finite_loss(tmp_path):
    tiny.save(tmp_path)
    adapter = lora.attach(loading.load(str(tmp_path)), 2)
    with pytest.raises(ValueError, match=r"same number of items, got \[2, 3\]"):
        lora_candidates.gradients(adapter, lessons_of(adapter.base, (3, 2)))
    with pytest.raises(ValueError, match="got none"):
        lora_candidates.gradients(adapter, [])
    with torch.no_grad():
        adapter.space.parameters()[1].fill_(float("nan"))
    with pytest.raises(ValueError, match="the loss is not finite"):
        lora_candidates.gradients(adapter, lessons_of(adapter.base))


def test_joined_lessons_have_the_losses_of_their_parts(tmp_path):
    tiny.save(tmp_path)
    found = loading.load(str(tmp_path))
    lessons = lessons_of(found, (3, 1, 2))
    whole = supervised.join(lessons)
    parts = [supervised.losses(supervised.logits(found.model, one), one) for one in lessons]
    together = supervised.losses(supervised.logits(found.model, whole), whole)
    assert torch.allclose(together, torch.cat(parts), atol=1e-5)
    with pytest.raises(ValueError, match="nothing to join"):
        supervised.join([])


# --- memory


def directions(adapter):
    return proposals.everywhere(adapter.space.d, 0, "few", dtype=adapter.space.dtype)


@both
def test_items_and_candidates_go_some_at_a_time_where_memory_is_short(attach, method):
    adapter = attach(dtype="float64")
    told = lesson(adapter)
    more = dict(norm=NORM, candidates=CANDIDATES, method=method)
    whole = lora_candidates.run(adapter, told, directions(adapter), **more)
    shapes = []
    handle = adapter.model.get_input_embeddings().register_forward_hook(
        lambda *a: shapes.append(a[2].shape[0])
    )
    with chunks.limited(1):
        cut = lora_candidates.run(adapter, told, directions(adapter), **more)
    handle.remove()
    assert max(shapes) == 1  # one candidate, one item
    np.testing.assert_allclose(cut.before, whole.before, rtol=1e-6)
    np.testing.assert_allclose(cut.losses, whole.losses, rtol=1e-5)
    assert (cut.predicted == whole.predicted).all()
    assert (cut.right == whole.right).all()


def test_what_fits_is_what_eight_candidates_in_one_pass_give_bit_for_bit(adapter, known):
    more = dict(norm=NORM, candidates=2 * CANDIDATES)
    found = lora_candidates.run(adapter, known, directions(adapter), **more)
    eight = lora_candidates.run(adapter, known, directions(adapter), chunk=8, **more)
    assert (found.losses == eight.losses).all()


def test_a_stack_takes_less_than_half_of_what_is_free(adapter, known):
    more = dict(norm=NORM, candidates=64)
    limit = 8e6
    with chunks.limited(limit):
        cut = chunks.peak(lambda: lora_candidates.run(adapter, known, directions(adapter), **more))
    whole = chunks.peak(lambda: lora_candidates.run(adapter, known, directions(adapter), chunk=64, **more))
    assert cut < limit / 2 + 1e6 < whole


@pytest.mark.parametrize("limit", [1e12, 4e6, 1.0])
def test_gradients_of_lessons_are_the_same_however_many_fit(attach, limit):
    adapter = attach(dtype="float64")
    told = [lesson(adapter)] * 3
    expected = adapter.space.gradient_matrix(supervised.loss, told)
    with chunks.limited(limit):
        found = lora_candidates.gradients(adapter, told)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
