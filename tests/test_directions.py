"""Unit directions of weights: against real adapters of peft, formulas by hand, and finite differences."""

import functools

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from lglib.models import loading, lora
from lglib.parameters import double
from lglib.parameters.space import ParameterSpace
from lglib.studies.rank import directions
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item

ITEMS = [
    Item("Sort: p c. Answer:", (" c p",), 0),
    Item("Is Anna in the park? Answer:", YES_NO, 1),
    Item("Anna is in the park. Where is Ben? Answer:", (" in the garden",), 0),
    Item("Ben is in the park. Is Ben in the park? Answer:", YES_NO, 0),
]
LABELS = [0, 1, 1, 0]
every_family = pytest.mark.parametrize("family", tiny.FAMILIES)


@pytest.fixture(scope="module")
def load(folders):
    """A tiny model of a family in float64; what adapts or moves it must put it back."""
    return functools.cache(lambda family: loading.load(str(folders[family]), device="cpu", dtype="float64"))


def lesson(found):
    return supervised.lesson(found.tokenizer, ITEMS)


def gaussian(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# --- unit, inside


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_a_unit_vector_has_length_one_and_the_same_direction(dtype, size):
    v = gaussian(1000).to(dtype) * size
    u = directions.unit(v)
    assert u.dtype == dtype
    assert u.double().norm().item() == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(u * v.double().norm(), v.double(), rtol=1e-5, atol=0, check_dtype=False)


@pytest.mark.parametrize(
    "bad", [torch.zeros(3), torch.tensor([1.0, torch.nan]), torch.tensor([torch.inf, 1.0])]
)
def test_a_vector_without_direction_is_refused(bad):
    with pytest.raises(ValueError, match="vector must be finite and not zero, got length"):
        directions.unit(bad)


def test_inside_keeps_the_named_parameters_alone_at_length_one():
    space = ParameterSpace(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)))
    v = gaussian(space.d, dtype=torch.float32)
    before = v.clone()
    found = directions.inside(space, v, "0.")
    kept = torch.cat([v[:8], torch.zeros(6)])
    torch.testing.assert_close(found, kept / kept.norm())
    assert torch.equal(v, before)
    found = directions.inside(space, v, "bias")
    assert found.nonzero().flatten().tolist() == [6, 7, 12, 13]
    torch.testing.assert_close(directions.inside(space, v, ""), v / v.norm())


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    space = ParameterSpace(nn.Linear(2, 1))
    with pytest.raises(ValueError, match=r"name_part is 'wte'; no parameter .* \['weight', 'bias'\]"):
        directions.inside(space, torch.ones(3), "wte")
    with pytest.raises(ValueError, match="vector must be finite and not zero"):
        directions.inside(space, torch.tensor([1.0, 1.0, 0.0]), "bias")


# --- a LoRA step


@every_family
def test_the_step_of_each_matrix_is_the_gradient_in_a_space_of_r_inputs(load, family):
    """G A^T A: of rank r at most, its rows in one r-dimensional space, and the gradient never loses by it."""
    found, r = load(family), 3
    space = ParameterSpace(found.model)
    g = gaussian(space.d)
    moved = space.split(directions.lora(space, g, found.attention, r, seed=0))
    parts = space.split(g)
    for name in space.names:
        if name.endswith(".weight") and name.split(".")[-2] in found.attention:
            m, flip = moved[name], found.fan_in_fan_out
            change, gradient = (m.T, parts[name].T) if flip else (m, parts[name])
            assert torch.linalg.matrix_rank(change) == r
            assert (change * gradient).sum() > 0
            # the rows lie in the row space of A: so does the preimage; G A^T A = G P, P symmetric
            p = torch.linalg.lstsq(gradient, change).solution  # of more outputs than inputs P is unique
            if gradient.shape[0] >= gradient.shape[1]:
                torch.testing.assert_close(p, p.T, rtol=1e-8, atol=1e-10)
                assert torch.linalg.matrix_rank(p, atol=1e-9) == r
        else:
            assert not moved[name].any()


@pytest.mark.parametrize(("family", "targets"), [("gpt2", "attention"), ("llama", "attention")])
def test_a_real_adapters_first_step_is_the_direction_of_its_own_a(load, family, targets, monkeypatch):
    """peft's adapter with B = 0, one step on B, and the merged change, for the same matrices A."""
    found, r = load(family), 4
    told = lesson(found)
    space = ParameterSpace(found.model)
    with double.Throughout():
        g = space.gradient(supervised.loss, told)
        adapter = lora.attach(found, r, targets)
        try:
            inner = adapter.space
            theta = inner.flatten()
            grad = inner.gradient(supervised.loss, told)
            changed = theta.clone()
            for one in adapter.layers:
                assert not theta[one.b].any()
                changed[one.b] = theta[one.b] - 0.1 * grad[one.b]
            merged = lora.merged(adapter, changed)
            draw = {one.name: theta[one.a].view(r, one.inputs) for one in adapter.layers}
        finally:
            lora.detach(adapter)
    # directions.lora with these A instead of its own: order of names is that of the space
    queue = iter(
        draw[name]
        for n in space.names
        for name in draw
        if n == f"{name}.weight" or n.endswith(f".{name}.weight")
    )

    def uniform(*shape, **_):  # of [0, 1), from which directions.lora makes this A
        return (next(queue) * shape[1] ** 0.5 + 1) / 2

    monkeypatch.setattr(directions.torch, "rand", uniform)
    moved = space.split(directions.lora(space, g, found.attention, r, seed=0))
    a, b = [], []
    for name, change in merged.items():
        full = next(n for n in space.names if n == f"{name}.weight" or n.endswith(f".{name}.weight"))
        b.append((moved[full].T if found.fan_in_fan_out else moved[full]).reshape(-1))
        a.append(change.reshape(-1))
    a, b = torch.cat(a), torch.cat(b)
    torch.testing.assert_close(-a / a.norm(), b, rtol=1e-7, atol=1e-10)


def test_layers_of_unlike_width_move_as_fresh_adapters_move_them(load):
    """A fresh A has variance 1 / (3 inputs), and a step moves wide layers less: G r / (3 inputs)."""
    found, r = load("gpt2"), 8
    space = ParameterSpace(found.model, lambda name, p: "h.0.mlp" in name)
    g = gaussian(space.d, seed=3)
    ratios = {"ours": [], "peft": []}

    def share(moved, g):
        return (moved * g).sum().item() / g.square().sum().item()

    shapes = {"c_fc": 32, "c_proj": 128}
    for seed in range(60):
        moved = space.split(directions.lora(space, g, ["c_fc", "c_proj"], r, seed))
        parts = {n: space.split(g)[f"transformer.h.0.mlp.{n}.weight"] for n in shapes}
        own = {n: share(moved[f"transformer.h.0.mlp.{n}.weight"], parts[n]) for n in shapes}
        ratios["ours"].append(own["c_fc"] / own["c_proj"])
        theirs = {}
        for name, inputs in shapes.items():
            dice = torch.Generator().manual_seed(1000 * seed + inputs)
            a = (2 * torch.rand(r, inputs, generator=dice, dtype=torch.float64) - 1) * inputs**-0.5
            gradient = parts[name].T  # (outputs, inputs)
            theirs[name] = share(gradient @ a.T @ a, gradient)
        ratios["peft"].append(theirs["c_fc"] / theirs["c_proj"])
    ours, peft = (np.array(x) for x in ratios.values())
    assert peft.mean() == pytest.approx(128 / 32, rel=0.1)
    assert ours.mean() == pytest.approx(peft.mean(), rel=0.1)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_on_average_over_seeds_the_step_is_the_gradient_of_its_layers(load, family):
    found = load(family)
    space = ParameterSpace(found.model, lambda name, p: ".0." in name and "attn" in name)
    g, wanted = gaussian(space.d), torch.zeros(space.d, dtype=torch.float64)
    for name, part in space.slices.items():
        if name.endswith(".weight") and name.split(".")[-2] in found.attention:
            wanted[part] = g[part]
    mean = sum(directions.lora(space, g, found.attention, 4, seed=s) for s in range(200)) / 200
    assert (mean @ wanted / mean.norm() / wanted.norm()).item() > 0.95


def test_alike_matrices_are_seen_through_unlike_spaces_and_seeds_differ(load):
    found = load("gpt2")
    space = ParameterSpace(found.model)
    g = torch.ones(space.d, dtype=torch.float64)
    one, same, other = (directions.lora(space, g, found.attention, 2, seed=s) for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)
    by_block = [space.split(one)[f"transformer.h.{i}.attn.c_attn.weight"].flatten() for i in (0, 1)]
    assert torch.nn.functional.cosine_similarity(*by_block, dim=0).abs() < 0.9
    assert one.norm().item() == pytest.approx(1)


def test_a_rank_of_all_inputs_or_more_is_allowed_and_below_one_refused(load):
    found = load("gpt2")
    space, before = ParameterSpace(found.model), torch.get_rng_state()
    g = gaussian(space.d)
    assert directions.lora(space, g, found.attention, 32, 0).norm().item() == pytest.approx(1)
    for r in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="r must be a whole number from 1"):
            directions.lora(space, g, found.attention, r, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("layers", [["nothing"], [], ["ln_1."], ["c_attn", "nothing"]])
def test_layers_that_are_not_there_are_refused(load, layers):
    space = ParameterSpace(load("gpt2").model)
    with pytest.raises(ValueError, match="layers"):
        directions.lora(space, gaussian(space.d), layers, 2, 0)


# --- reading, steering


@every_family
@pytest.mark.parametrize("layer", [1, 2])
def test_what_is_read_is_the_hidden_state_at_the_last_token_of_the_prompt(load, family, layer):
    found = load(family)
    read = directions.at_prompt(found, lesson(found), layer)
    assert read.shape == (4, found.width)
    assert read.requires_grad
    for i, item in enumerate(ITEMS):
        ids = torch.tensor([found.tokenizer(item.prompt).input_ids])
        with torch.no_grad():
            told = found.model(input_ids=ids, use_cache=False, output_hidden_states=True).hidden_states[layer]
        torch.testing.assert_close(read[i].detach(), told[0, -1], rtol=1e-5, atol=1e-5)


def contrast(found, told, layer):
    h = directions.at_prompt(found, told, layer).detach()
    chosen = torch.tensor(LABELS) == 0
    return h[chosen].mean(0) - h[~chosen].mean(0), h


@every_family
def test_a_steering_step_moves_the_stream_along_the_contrast_as_its_gradient_says(load, family):
    found, layer, s = load(family), 2, 1e-4
    told, space = lesson(found), ParameterSpace(found.model)
    theta = space.flatten()
    with double.Throughout():
        u = directions.steering(found, space, told, layer, LABELS)
        v, before = contrast(found, told, layer)
        g = space.gradient(lambda m, b: (directions.at_prompt(found, b, layer) @ v).mean(), told)
        along = []
        for sign in (1, -1):
            with space.at(theta + sign * s * u), torch.no_grad():
                along.append((directions.at_prompt(found, told, layer) @ v).mean().item())
    assert u.norm().item() == pytest.approx(1)
    assert along[0] > (before @ v).mean().item() > along[1]
    assert (along[0] - along[1]) / (2 * s) == pytest.approx(
        g.norm().item(), rel=1e-4
    )  # no direction is steeper
    assert torch.equal(space.flatten(), theta)


def test_later_blocks_have_no_part_in_a_steering_step(load):
    found = load("gpt2")
    space = ParameterSpace(found.model)
    u = space.split(directions.steering(found, space, lesson(found), 2, LABELS))
    for name, part in u.items():
        assert part.any() == ("h.2." not in name and "ln_f" not in name), name


@pytest.mark.parametrize("many", [list, tuple, np.asarray, torch.tensor])
def test_labels_may_come_in_any_sequence(load, many):
    found = load("gpt2")
    space = ParameterSpace(found.model)
    u = directions.steering(found, space, lesson(found), 1, many(LABELS))
    assert torch.equal(u, directions.steering(found, space, lesson(found), 1, LABELS))


def test_the_other_class_as_first_turns_the_step_around(load):
    found = load("gpt2")
    space = ParameterSpace(found.model)
    one, other = (
        directions.steering(found, space, lesson(found), 1, labels)
        for labels in (LABELS, [1 - label for label in LABELS])
    )
    torch.testing.assert_close(one, -other)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1], [0, 1, 0, 1, 0], []])
def test_labels_of_one_kind_or_of_another_number_are_refused(load, labels):
    found = load("gpt2")
    with pytest.raises(ValueError, match="labels must be one an item and of two kinds"):
        directions.steering(found, ParameterSpace(found.model), lesson(found), 1, labels)


@pytest.mark.parametrize("layer", [0, 4, True])
def test_a_layer_that_is_not_there_is_refused_and_no_hook_stays(load, layer):
    found = load("gpt2")
    before = [list(block._forward_hooks) for block in found.blocks]  # transformers has some of its own
    with pytest.raises(ValueError, match="layer must be a whole number from 1 to 3"):
        directions.at_prompt(found, lesson(found), layer)
    directions.at_prompt(found, lesson(found), 1)
    assert [list(block._forward_hooks) for block in found.blocks] == before
