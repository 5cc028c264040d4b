"""LoRA adapters as points: every coordinate has its place, the base comes back, gauges change nothing."""

import copy
import json
import pickle
import warnings

import peft
import pytest
import tiny
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from lglib.models import families, loading, lora

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
some_families = pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "gemma2"])
every_target = pytest.mark.parametrize("targets", lora.TARGETS)
every_rank = pytest.mark.parametrize("r", [1, 4])
PREFIX = "base_model.model."  # of a module's name, in peft's model
SIZE = 0.3  # of a random theta: enough to change what the model says


@pytest.fixture(scope="module")
def said(folders):
    """The logits of each family's model as it is."""
    loaded = {family: loading.load(str(folder), device="cpu") for family, folder in folders.items()}
    return {family: tiny.logits(found.model) for family, found in loaded.items()}


@pytest.fixture
def load(folders):
    def load(family="gpt2", **more):
        return loading.load(str(folders[family]), **{"device": "cpu", **more})

    return load


@pytest.fixture(scope="module")
def attached(folders):
    """Adapters that several tests share: each leaves theta as it found it."""
    made = {}

    def attached(family="gpt2", r=4, targets="linear", dtype="float32", alpha=None):
        key = (family, r, targets, dtype, alpha)
        if key not in made:
            found = loading.load(str(folders[family]), device="cpu", dtype=dtype)
            made[key] = lora.attach(found, r, targets, alpha=alpha)
        return made[key]

    return attached


def draw(space, seed=0, rows=None):
    shape = (space.d,) if rows is None else (rows, space.d)
    return SIZE * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=space.dtype)


def state(net):
    """All that a model is made of: its values, its modules, and what may be trained."""
    values = {name: value.clone() for name, value in net.state_dict().items()}
    parts = {name: type(part) for name, part in net.named_modules()}
    return values, parts, {name: value.requires_grad for name, value in net.named_parameters()}


def same(one, other):
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def linear(net, names):
    """Inputs and outputs of the linear layers of these last names, by full name."""
    found = {}
    for name, part in net.named_modules():
        if name.rpartition(".")[2] in names and isinstance(part, nn.Linear):
            found[name] = (part.in_features, part.out_features)
        elif name.rpartition(".")[2] in names and isinstance(part, Conv1D):
            found[name] = (part.nx, part.nf)
    return found


def own(adapter, layer, matrix):
    """The parameter that peft itself has there."""
    part = adapter.model.get_submodule(PREFIX + layer)
    return {"A": part.lora_A, "B": part.lora_B}[matrix]["default"].weight


def span(line):
    """First and last coordinate of a line of the table."""
    return [int(number.replace(",", "")) for number in line["coordinates"].split(" to ")]


def mixers(adapter, seed=0):
    """A random invertible matrix for each layer, far from orthogonal."""
    dice, found = torch.Generator().manual_seed(seed), []
    for _ in adapter.layers:
        left, right = (
            torch.linalg.qr(torch.randn(adapter.r, adapter.r, generator=dice, dtype=torch.float64))[0]
            for _ in range(2)
        )
        found.append(left * torch.linspace(0.5, 3, adapter.r, dtype=torch.float64) @ right)
    return found


def token_loss(net, tokens):
    return -net(input_ids=tokens, use_cache=False).logits[:, -1].log_softmax(-1)[:, 7].mean()


# --- theta and its places


@every_family
@every_target
@every_rank
def test_theta_is_as_long_as_its_matrices_and_makes_the_round_trip(load, family, targets, r):
    found = load(family)
    want = linear(found.model, getattr(families.of(family), targets))
    adapter = lora.attach(found, r, targets)
    assert {one.name: (one.inputs, one.outputs) for one in adapter.layers} == want
    assert adapter.space.d == r * sum(map(sum, want.values()))
    theta = draw(adapter.space)
    adapter.space.load(theta)
    assert torch.equal(adapter.space.flatten(), theta)
    assert torch.equal(adapter.space.join(adapter.space.split(theta)), theta)
    assert (adapter.r, adapter.base) == (r, found)
    assert not adapter.model.training
    for one in adapter.layers:
        assert one.name.startswith(f"{families.of(family).blocks}.{one.block}.")
        assert one.module is adapter.model.get_submodule(PREFIX + one.name)


@every_family
@every_target
@every_rank
def test_every_coordinate_lies_in_the_matrix_that_the_table_names(attached, family, targets, r):
    adapter = attached(family, r, targets)
    after, seen = 0, set()
    with adapter.space.at(torch.arange(adapter.space.d, dtype=torch.float32)):
        for line in adapter.table():
            first, last = span(line)
            rows, columns = map(int, line["shape"].split(" x "))
            held = own(adapter, line["layer"], line["matrix"])
            assert (first, held.shape) == (after, (rows, columns))
            assert torch.equal(held.reshape(-1), torch.arange(first, last + 1.0))
            after = last + 1
            seen.add(id(held))
    assert after == adapter.space.d
    assert len(seen) == 2 * len(adapter.layers)
    assert seen == {id(value) for value in adapter.model.parameters() if value.requires_grad}


def test_one_coordinate_moves_one_entry_of_one_matrix(attached):
    adapter = attached("qwen3", targets="attention")
    for number, line in enumerate(adapter.table()):
        first, last = span(line)
        at = first + 37 * number % (last + 1 - first)
        point = torch.zeros(adapter.space.d)
        point[at] = 1
        with adapter.space.at(point):
            moved = {n: p.flatten().nonzero().flatten().tolist() for n, p in adapter.model.named_parameters()}
            moved = {n: places for n, places in moved.items() if "lora_" in n and places}
        name = f"{PREFIX}{line['layer']}.lora_{line['matrix']}.default.weight"
        assert moved == {name: [at - first]}


@every_family
@every_target
def test_the_blocks_part_the_coordinates_among_them(attached, family, targets):
    adapter = attached(family, 4, targets)
    assert adapter.blocks == list(range(tiny.BLOCKS))
    every = torch.cat([adapter.of_block(number) for number in adapter.blocks])
    assert torch.equal(every.sort().values, torch.arange(adapter.space.d))
    for number in adapter.blocks:
        point = torch.zeros(adapter.space.d)
        point[adapter.of_block(number)] = 1
        path = f"{PREFIX}{families.of(family).blocks}.{number}."
        with adapter.space.at(point):
            for name, value in adapter.model.named_parameters():
                if "lora_" in name:
                    assert value.unique().tolist() == [float(name.startswith(path))]


@pytest.mark.parametrize("number", [-1, tiny.BLOCKS])
def test_a_block_without_an_adapter_is_told_with_those_that_have_one(attached, number):
    with pytest.raises(ValueError, match=rf"block {number} has no adapter; these have: \[0, 1, 2\]"):
        attached().of_block(number)


@pytest.mark.filterwarnings("ignore::UserWarning")  # peft, of the head that is tied to the words
def test_a_layer_outside_the_blocks_is_of_block_minus_one(load):
    adapter = lora.attach(load("llama"), 2, ["lm_head", "q_proj"])
    assert adapter.blocks == [-1, 0, 1, 2]
    head = next(one for one in adapter.layers if one.name == "lm_head")
    assert adapter.of_block(-1).tolist() == [
        *range(head.a.start, head.a.stop),
        *range(head.b.start, head.b.stop),
    ]


def test_layers_may_be_named(load):
    adapter = lora.attach(load("qwen2"), 2, ["o_proj", "up_proj"])
    assert [one.name.rpartition(".")[2] for one in adapter.layers] == ["o_proj", "up_proj"] * tiny.BLOCKS


# --- what attach does to the model, and detach undoes


@every_family
@every_target
@every_rank
def test_the_function_starts_as_the_base_and_a_random_theta_changes_it(attached, said, family, targets, r):
    adapter, before = attached(family, r, targets), said[family]
    assert torch.equal(tiny.logits(adapter.model), before)
    with adapter.space.at(draw(adapter.space)):
        assert (tiny.logits(adapter.model) - before).abs().max() > 1e-2
    assert torch.equal(tiny.logits(adapter.model), before)


@every_family
def test_every_layer_has_a_say(attached, family):
    adapter = attached(family)
    start, there = adapter.space.flatten(), draw(adapter.space)
    before = tiny.logits(adapter.model)
    for one in adapter.layers:
        point = start.clone()
        point[one.b] = there[one.b]
        with adapter.space.at(point):
            assert (tiny.logits(adapter.model) - before).abs().max() > 1e-3, one.name


@every_family
@every_target
def test_after_detach_the_base_is_as_it_was(load, family, targets):
    found = load(family)
    values, parts, _ = state(found.model)
    before, blocks = tiny.logits(found.model), list(map(id, found.blocks))
    adapter = lora.attach(found, 4, targets)
    adapter.space.load(draw(adapter.space))
    tiny.logits(adapter.model)
    lora.detach(adapter)
    assert same(state(found.model)[0], values)
    assert state(found.model)[1] == parts
    assert list(map(id, families.blocks(found.model, families.of(family)))) == blocks
    assert torch.equal(tiny.logits(found.model), before)
    assert not found.model.training


def test_the_base_is_frozen_until_detach_and_no_longer(load):
    found = load()
    next(found.model.parameters()).requires_grad_(False)  # frozen before, and so afterwards
    before = state(found.model)[2]
    assert set(before.values()) == {False, True}
    adapter = lora.attach(found, 2)
    learned = {name for name, value in adapter.model.named_parameters() if value.requires_grad}
    assert learned == set(adapter.space.names)
    lora.detach(adapter)
    assert state(found.model)[2] == before


def test_a_model_can_be_adapted_again_after_detach_without_a_word(load):
    found = load("qwen2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lora.detach(lora.attach(found, 2, "linear"))
        assert lora.attach(found, 4).r == 4


@every_family
def test_training_the_adapter_leaves_the_base_weights_alone(load, family):
    found = load(family)
    before = state(found.model)[0]
    adapter = lora.attach(found, 2, "linear")
    start = adapter.space.flatten()
    steps = torch.optim.AdamW(adapter.space.parameters(), lr=0.05)
    losses = []
    for _ in range(4):
        loss = token_loss(adapter.model, tiny.tokens())
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    for one in adapter.layers:
        for place in (one.a, one.b):
            assert not torch.equal(adapter.space.flatten()[place], start[place])
    lora.detach(adapter)
    assert same(state(found.model)[0], before)


# --- where an adapter starts


@every_family
def test_a_starts_uniform_from_its_seed_and_b_at_zero(attached, load, family):
    adapter = attached(family)  # whose seed is 0
    theta = adapter.space.flatten()
    again, other = (lora.attach(load(family), 4, "linear", seed=i).space.flatten() for i in (0, 1))
    assert torch.equal(theta, again)
    drawn = []
    for one in adapter.layers:
        bound = one.inputs**-0.5
        assert theta[one.a].abs().max() <= bound
        assert not torch.equal(theta[one.a], other[one.a])
        assert not theta[one.b].any()
        drawn.append(theta[one.a] / bound)
    every = torch.cat(drawn)  # uniform on -1 to 1: mean 0, variance 1/3
    assert abs(every.mean()) < 4 * (1 / 3 / len(every)) ** 0.5
    assert every.var().item() == pytest.approx(1 / 3, abs=4 * (4 / 45 / len(every)) ** 0.5)
    alike = [x for x in drawn if len(x) == len(drawn[0])]
    assert len(alike) > 3
    assert not any(torch.equal(x, y) for i, x in enumerate(alike) for y in alike[:i])


@every_target
def test_the_global_generator_is_left_alone(load, targets):
    found = load()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    adapter = lora.attach(found, 2, targets)
    assert torch.equal(torch.get_rng_state(), before)
    lora.detach(adapter)
    assert torch.equal(torch.get_rng_state(), before)


@every_family
def test_in_double_precision_theta_and_logits_are_double(attached, family):
    adapter = attached(family, 4, "linear", "float64", 2)
    assert adapter.space.dtype == adapter.space.flatten().dtype == torch.float64
    theta = draw(adapter.space)
    with adapter.space.at(theta):
        assert torch.equal(adapter.space.flatten(), theta)
        assert tiny.logits(adapter.model).dtype == torch.float64
    assert {value.dtype for value in lora.merged(adapter, theta).values()} == {torch.float64}


def test_the_adapters_of_a_bfloat16_model_are_float32(load):
    adapter = lora.attach(load(dtype="bfloat16"), 2)
    assert adapter.space.dtype == torch.float32
    assert tiny.logits(adapter.model).dtype == torch.bfloat16


# --- merged matrices


@every_family
@pytest.mark.parametrize(("targets", "alpha"), [("attention", None), ("linear", 3)])
def test_merged_is_what_peft_adds_to_the_base_weights(load, family, targets, alpha):
    found = load(family, dtype="float64")
    wanted = set(linear(found.model, getattr(found, targets)))
    base = {
        name: found.model.get_parameter(f"{name}.weight").clone()
        for name in linear(found.model, found.linear)
    }
    adapter = lora.attach(found, 4, targets, alpha=alpha)
    theta = draw(adapter.space)
    with adapter.space.at(theta):
        net = copy.deepcopy(adapter.model).merge_and_unload()
        said = tiny.logits(adapter.model)
    torch.testing.assert_close(tiny.logits(net), said, rtol=1e-5, atol=1e-5)  # of norms in single precision
    changes = lora.merged(adapter, theta)
    assert set(changes) == wanted
    for name, before in base.items():
        difference = net.get_parameter(f"{name}.weight").detach() - before.detach()
        if isinstance(net.get_submodule(name), Conv1D):  # keeps (inputs, outputs)
            difference = difference.T
        if name in changes:
            assert changes[name].abs().max() > 1e-3
            torch.testing.assert_close(changes[name], difference, rtol=1e-10, atol=1e-12)
        else:
            assert not difference.any()


def test_alpha_over_r_is_the_scaling(load):
    scalings = [
        {one.scaling for one in lora.attach(load(), r, alpha=a).layers}
        for r, a in [(4, None), (4, 3), (2, 8)]
    ]
    assert scalings == [{1.0}, {0.75}, {4.0}]


def test_flat_has_all_entries_in_the_order_of_the_layers(load):
    adapter = lora.attach(load("olmo2"), 2)
    changes = lora.merged(adapter, draw(adapter.space))
    assert list(changes) == [one.name for one in adapter.layers]
    parts = lora.flat(changes).split([one.inputs * one.outputs for one in adapter.layers])
    for one, part in zip(adapter.layers, parts, strict=True):
        assert torch.equal(part.view(one.outputs, one.inputs), changes[one.name])


# --- gauge


@every_family
def test_a_gauge_changes_theta_and_not_the_function(attached, family):
    adapter = attached(family, 4, "linear", "float64", 2)
    theta = draw(adapter.space)
    moved = lora.gauge(adapter, theta, mixers(adapter))
    assert moved.shape == theta.shape
    assert (moved - theta).norm() > 0.3 * theta.norm()
    with adapter.space.at(theta):
        before = tiny.logits(adapter.model)
    with adapter.space.at(moved):
        after = tiny.logits(adapter.model)
    assert (after - before).abs().max() < 1e-6 * before.abs().max()
    one, other = (lora.flat(lora.merged(adapter, x)) for x in (theta, moved))
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@every_rank
def test_a_gauge_in_single_precision_keeps_the_function_to_rounding(attached, r):
    adapter = attached(r=r)
    theta = draw(adapter.space)
    said = []
    for x in (theta, lora.gauge(adapter, theta, mixers(adapter))):
        with adapter.space.at(x):
            said.append(tiny.logits(adapter.model))
    assert (said[0] - said[1]).abs().max() < 1e-5 * said[0].abs().max()


@pytest.mark.parametrize("dual", [False, True])
def test_many_points_are_carried_as_each_alone_and_back_again(load, dual):
    adapter = lora.attach(load("gpt_neox", dtype="float64"), 3)
    points, m = draw(adapter.space, rows=4), mixers(adapter)
    kept = points.clone()
    moved = lora.gauge(adapter, points, m, dual=dual)
    assert torch.equal(points, kept)
    for point, other in zip(points, moved, strict=True):
        torch.testing.assert_close(lora.gauge(adapter, point, m, dual=dual), other)
    back = lora.gauge(adapter, moved, [torch.linalg.inv(x) for x in m], dual=dual)
    torch.testing.assert_close(back, points)
    torch.testing.assert_close(lora.gauge(adapter, points, [torch.eye(3)] * len(m), dual=dual), points)


def test_each_layer_has_its_own_gauge(load):
    adapter = lora.attach(load("qwen2"), 2)
    theta, plain = draw(adapter.space), torch.eye(2)
    for number, one in enumerate(adapter.layers):
        m = [plain] * len(adapter.layers)
        m[number] = torch.tensor([[2.0, 1.0], [0.5, 1.0]])
        moved = lora.gauge(adapter, theta, m) != theta
        outside = moved.clone()
        outside[one.a] = outside[one.b] = False
        assert moved[one.a].any()
        assert moved[one.b].any()
        assert not outside.any()


@every_family
def test_the_dual_keeps_the_product_of_a_gradient_and_a_displacement(attached, family):
    adapter = attached(family, 4, "linear", "float64", 2)
    g, delta, m = draw(adapter.space, 1), draw(adapter.space, 2), mixers(adapter)
    carried, along = lora.gauge(adapter, g, m, dual=True), lora.gauge(adapter, delta, m)
    assert (carried @ along).item() == pytest.approx((g @ delta).item(), rel=1e-9)
    assert abs((lora.gauge(adapter, g, m) @ along).item() - (g @ delta).item()) > 1e-2


@every_family
def test_the_dual_of_a_gradient_is_the_gradient_at_the_moved_point(attached, family):
    adapter = attached(family, 4, "linear", "float64", 2)
    theta, m = draw(adapter.space), mixers(adapter)
    with adapter.space.at(theta):
        g = adapter.space.gradient(token_loss, tiny.tokens())
    with adapter.space.at(lora.gauge(adapter, theta, m)):
        there = adapter.space.gradient(token_loss, tiny.tokens())
    assert (there - g).norm() > 0.1 * g.norm()
    assert (there - lora.gauge(adapter, g, m, dual=True)).norm() < 1e-5 * g.norm()


def test_a_gauge_that_does_not_fit_is_refused(load):
    adapter = lora.attach(load(), 2)
    theta, m = draw(adapter.space), [torch.eye(2)] * 3
    second = adapter.layers[1].name
    for points, given, told in [
        (theta, m[:2], "one for each of 3 layers, got 2"),
        (theta, [*m, m[0]], "one for each of 3 layers, got 4"),
        (theta[1:], m, rf"points must be \(n, {adapter.space.d}\), got \({adapter.space.d - 1},\)"),
        (theta[None, None], m, r"points must be \(n, "),
        (theta, [m[0], torch.eye(3), m[2]], rf"{second} must be finite and \(2, 2\), got \(3, 3\)"),
        (theta, [m[0], torch.full((2, 2), torch.nan), m[2]], f"{second} must be finite"),
        (theta, [m[0], torch.ones(2, 2), m[2]], f"the gauge of {second} cannot be inverted"),
        (theta, [m[0], torch.zeros(2, 2), m[2]], f"the gauge of {second} cannot be inverted"),
    ]:
        with pytest.raises(ValueError, match=told):
            lora.gauge(adapter, points, given)


# --- in a folder


@every_family
@pytest.mark.parametrize(("targets", "r"), [("attention", 4), ("linear", 1)])
def test_what_was_saved_is_read_bit_for_bit(attached, load, tmp_path, family, targets, r):
    adapter = attached(family, r, targets)
    theta = draw(adapter.space)
    with adapter.space.at(theta):
        lora.save(adapter, tmp_path / "adapter")
        assert torch.equal(adapter.space.flatten(), theta)
    other = lora.attach(load(family), r, targets, seed=1)
    before = other.space.flatten()
    assert torch.equal(lora.read(other, tmp_path / "adapter"), theta)
    assert torch.equal(other.space.flatten(), before)  # it is read, not loaded


def test_nothing_is_pickled(load, tmp_path):
    lora.save(lora.attach(load(), 2, "linear"), tmp_path)
    held = {path.name for path in tmp_path.iterdir()}
    assert held >= {"adapter_model.safetensors", "adapter_config.json", "base.json"}
    assert {path.suffix for path in tmp_path.iterdir()} <= {".safetensors", ".json", ".md"}


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_other_precisions_are_read_bit_for_bit(load, tmp_path, dtype):
    adapter = lora.attach(load(dtype=dtype), 2)
    adapter.space.load(draw(adapter.space))
    lora.save(adapter, str(tmp_path))
    read = lora.read(adapter, str(tmp_path))
    assert read.dtype == adapter.space.dtype
    assert torch.equal(read, adapter.space.flatten())


def test_the_last_saved_is_what_is_read(load, tmp_path):
    adapter = lora.attach(load(), 2)
    for seed in (0, 1):
        adapter.space.load(draw(adapter.space, seed))
        lora.save(adapter, tmp_path)
    assert torch.equal(lora.read(adapter, tmp_path), draw(adapter.space, 1))


@some_families
@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft asks transformers by a name that will go
def test_peft_itself_reads_the_folder(load, tmp_path, family):
    adapter = lora.attach(load(family), 2, "linear", alpha=3)
    adapter.space.load(draw(adapter.space))
    lora.save(adapter, tmp_path)
    net = peft.PeftModel.from_pretrained(load(family).model, str(tmp_path)).eval()
    assert torch.equal(tiny.logits(net), tiny.logits(adapter.model))


def test_saving_and_reading_say_nothing(load, tmp_path, capfd):
    adapter = lora.attach(load("qwen2"), 2)
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lora.save(adapter, tmp_path)
        lora.read(adapter, tmp_path)
    assert tuple(capfd.readouterr()) == ("", "")


def test_an_adapter_of_another_base_is_refused_with_both_named(load, tmp_path):
    adapter = lora.attach(load(), 2)
    lora.save(adapter, tmp_path / "adapter")
    tiny.save(tmp_path / "other", seed=1)
    other = loading.load(str(tmp_path / "other"), device="cpu")
    with pytest.raises(lora.AdapterError) as told:
        lora.read(lora.attach(other, 2), tmp_path / "adapter")
    for part in (adapter.base.name, other.name, adapter.base.sha256[:12], other.sha256[:12]):
        assert part in str(told.value)


def test_the_same_weights_in_another_folder_are_the_same_base(load, tmp_path):
    adapter = lora.attach(load(), 2)
    adapter.space.load(draw(adapter.space))
    lora.save(adapter, tmp_path / "adapter")
    tiny.save(tmp_path / "twin")
    twin = lora.attach(loading.load(str(tmp_path / "twin"), device="cpu"), 2)
    assert torch.equal(lora.read(twin, tmp_path / "adapter"), adapter.space.flatten())


def test_an_untrained_twin_is_another_base(load, tmp_path):
    lora.save(lora.attach(load(trained=False), 2), tmp_path)
    with pytest.raises(lora.AdapterError, match="was saved for the base"):
        lora.read(lora.attach(load(), 2), tmp_path)


def test_an_untrained_twin_of_another_seed_is_another_base(load, tmp_path):
    lora.save(lora.attach(load(trained=False, seed=0), 2), tmp_path)
    with pytest.raises(lora.AdapterError, match="was saved for the base"):
        lora.read(lora.attach(load(trained=False, seed=1), 2), tmp_path)


def test_an_adapter_of_another_rank_or_of_other_layers_is_refused(load, tmp_path):
    lora.save(lora.attach(load("qwen3"), 2), tmp_path)
    for r, targets, told in [
        (3, "attention", "another rank or width"),
        (2, "linear", "is of other layers: .*only in one of the two"),
        (2, ["q_proj"], "is of other layers"),
        (2, ["o_proj"], "is of other layers"),
    ]:
        with pytest.raises(lora.AdapterError, match=told):
            lora.read(lora.attach(load("qwen3"), r, targets), tmp_path)


def test_an_adapter_of_another_scaling_is_refused(load, tmp_path):
    """With the same theta it would be another function."""
    lora.save(lora.attach(load(), 2, alpha=8), tmp_path)
    with pytest.raises(lora.AdapterError, match=r"alpha|scaling"):
        lora.read(lora.attach(load(), 2), tmp_path)


def reconfigured(folder, **changes):
    """A saved adapter whose config says something else."""
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def in_peft(base, folder):
    """What peft itself makes of a saved adapter: its logits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tiny.logits(peft.PeftModel.from_pretrained(copy.deepcopy(base.model), str(folder)).eval())


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("alpha", "changes"),
    [
        (8, dict(lora_alpha=4, use_rslora=True)),  # 4 / sqrt(4) is 8 / 4
        (8, dict(lora_alpha=1, alpha_pattern={"c_attn": 8})),
        (8, dict(lora_alpha=1, alpha_pattern={r"h\.\d+\.attn\.c_attn": 4}, use_rslora=True)),
        (3, dict(lora_alpha=3, r=99, rank_pattern={"c_attn": 4})),
    ],
    ids=str,
)
def test_a_scaling_is_read_as_peft_reads_it(load, tmp_path, alpha, changes):
    adapter = lora.attach(load(), 4, alpha=alpha)
    theta = draw(adapter.space)
    with adapter.space.at(theta):
        lora.save(adapter, tmp_path)
        want = tiny.logits(adapter.model)
    reconfigured(tmp_path, **changes)
    assert torch.equal(lora.read(adapter, tmp_path), theta)
    torch.testing.assert_close(in_peft(load(), tmp_path), want)


@pytest.mark.parametrize(
    ("changes", "scaling"),
    [
        (dict(use_rslora=True), 2.0),
        (dict(alpha_pattern={r"h\.1\.attn\.c_attn": 12}), 3.0),
        (dict(rank_pattern={"h.2.attn.c_attn": 2}), 2.0),
    ],
    ids=str,
)
def test_another_scaling_of_one_layer_is_refused_with_what_to_attach(load, tmp_path, changes, scaling):
    adapter = lora.attach(load(), 4)
    lora.save(adapter, tmp_path)
    reconfigured(tmp_path, **changes)
    with pytest.raises(
        lora.AdapterError, match=rf"scaling {scaling:g} at .*c_attn, .* alpha={scaling * 4:g}"
    ):
        lora.read(adapter, tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (dict(use_dora=True), "uses use_dora, so it is not"),
        (dict(lora_bias=True, layer_replication=[[0, 2]]), "uses lora_bias, layer_replication"),
        (dict(modules_to_save=["lm_head"]), "uses modules_to_save"),
        (dict(init_lora_weights="pissa"), "began as init_lora_weights='pissa', which changes the base"),
        (dict(init_lora_weights="olora"), "began as init_lora_weights='olora'"),
        (dict(peft_type="LOHA"), "the adapter is LOHA, want LORA"),
        (dict(lora_alpha="8"), "must be numbers above 0, got .*'8', 4"),
        (dict(r=0), "must be numbers above 0"),
        (dict(lora_alpha=None), "must be numbers above 0"),
    ],
    ids=str,
)
def test_what_is_no_plain_lora_is_refused_by_name(load, tmp_path, changes, told):
    adapter = lora.attach(load(), 4)
    lora.save(adapter, tmp_path)
    reconfigured(tmp_path, **changes)
    with pytest.raises(lora.AdapterError, match=told):
        lora.read(adapter, tmp_path)


def test_a_folder_without_an_adapter_is_refused(load, tmp_path, folders):
    adapter = lora.attach(load(), 2)
    for folder in (tmp_path, tmp_path / "nowhere", folders["gpt2"]):
        with pytest.raises(lora.AdapterError, match=r"holds no adapter_model\.safetensors"):
            lora.read(adapter, folder)


class Trap:
    """Unpickled, it says so."""

    sprung = False

    def __setstate__(self, given):
        Trap.sprung = True


def test_a_pickled_adapter_is_not_opened(load, tmp_path):
    adapter = lora.attach(load(), 2)
    lora.save(adapter, tmp_path)
    trap = Trap()
    trap.x = 1
    (tmp_path / "adapter_model.bin").write_bytes(pickle.dumps(trap))
    assert torch.equal(lora.read(adapter, tmp_path), adapter.space.flatten())
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(lora.AdapterError, match="holds no adapter_model"):
        lora.read(adapter, tmp_path)
    assert not Trap.sprung


def test_a_damaged_adapter_is_refused(load, tmp_path):
    adapter = lora.attach(load(), 2)
    lora.save(adapter, tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(lora.AdapterError):
        lora.read(adapter, tmp_path)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]"])
def test_a_damaged_note_of_the_base_is_refused(load, tmp_path, text):
    adapter = lora.attach(load(), 2)
    lora.save(adapter, tmp_path)
    (tmp_path / "base.json").write_text(text)
    with pytest.raises(lora.AdapterError):
        lora.read(adapter, tmp_path)


def test_beside_the_adapter_stands_which_base_it_is_for(load, tmp_path):
    found = load()
    lora.save(lora.attach(found, 2), tmp_path)
    told = json.loads((tmp_path / "base.json").read_text())
    assert told.items() >= {"model": found.name, "revision": "", "sha256": found.sha256}.items()


# --- refusals


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (dict(r=0), "r must be a whole number from 1 to 16, got 0"),
        (dict(r=-1), "got -1"),
        (dict(r=17), "from 1 to 16, got 17"),
        (dict(r=True), "got True"),
        (dict(r=2.0), r"got 2\.0"),
        (dict(r="2"), "got '2'"),
        (dict(r=None), "got None"),
        (dict(targets="everything"), "targets is 'everything'; there is: attention, linear, or a list"),
        (dict(targets="q_proj"), "targets is 'q_proj'; there is: attention, linear, or a list"),
        (dict(targets=[]), "targets is empty"),
        (dict(targets=["norm"]), "has no layer norm; its linear layers: "),
        (dict(targets=["embed_tokens"]), "has no layer embed_tokens; its linear layers: "),
        (dict(alpha=0), "alpha must be finite and > 0, got 0"),
        (dict(alpha=-1.0), r"alpha must be finite and > 0, got -1\.0"),
        (dict(alpha=float("nan")), "alpha must be finite and > 0, got nan"),
        (dict(alpha=float("inf")), "alpha must be finite and > 0, got inf"),
    ],
    ids=str,
)
def test_what_cannot_be_attached_is_told_and_leaves_the_model_as_it_was(load, given, told):
    found = load("llama")
    values, parts, learned = state(found.model)
    with pytest.raises(ValueError, match=told):
        lora.attach(found, **{"r": 2, **given})
    assert same(state(found.model)[0], values)
    assert state(found.model)[1:] == (parts, learned)
    assert lora.attach(found, 16).r == 16


@every_family
def test_a_layer_that_is_not_there_is_told_with_those_that_are(load, family):
    found = load(family)
    with pytest.raises(lora.AdapterError) as told:
        lora.attach(found, 2, [found.attention[0], "c_nothing"])
    assert "has no layer c_nothing; its linear layers: " in str(told.value)
    there = str(told.value).rpartition(": ")[2].split(", ")
    assert set(there) == {
        name.rpartition(".")[2]
        for name, part in found.model.named_modules()
        if isinstance(part, (nn.Linear, Conv1D))
    }


def test_a_model_has_one_adapter_at_a_time(load):
    found = load()
    adapter = lora.attach(found, 2)
    adapter.space.load(draw(adapter.space))
    with pytest.raises(lora.AdapterError, match=r"has adapters already; lora\.detach takes them off"):
        lora.attach(found, 2)
    assert torch.equal(adapter.space.flatten(), draw(adapter.space))
