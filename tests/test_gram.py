"""Gram matrices of per-example gradients, against dense products; their controls, against closed forms."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from lglib.base import chunks
from lglib.geometry import spectra
from lglib.models import families
from lglib.parameters import gram, sketches
from lglib.parameters.space import ParameterSpace
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon

ITEMS = [
    Item("Sort: p c. Answer:", (" c p",), 0),
    Item("Is Anna in the park? Answer:", YES_NO, 1),
    Item("Anna is in the park. Where is Ben? Answer:", (" in the garden",), 0),
]


def lesson(items=ITEMS):
    return supervised.lesson(lexicon.tokenizer(), items)


def gaussian(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def dense(space, told):
    """The n gradients (n, d), each by a backward pass of the loss of its item alone."""
    return torch.stack(
        [space.gradient(lambda m, b, i=i: gram.item_losses(m, b)[i], told) for i in range(len(told.tokens))]
    )


class Chance(nn.Module):
    """A model that answers with the given log-odds, as a transformers model is asked; one weight."""

    def __init__(self, odds, size=644):
        super().__init__()
        self.scale = nn.Linear(1, 1, bias=False)
        self.odds, self.size = torch.as_tensor(odds), size
        nn.init.ones_(self.scale.weight)

    def forward(self, input_ids, use_cache, logits_to_keep):
        logits = torch.zeros(len(input_ids), len(logits_to_keep), self.size)
        for j, kept in enumerate(logits_to_keep):  # the next token is the right one
            logits[torch.arange(len(input_ids)), j, input_ids[:, kept + 1]] = 1.0
        odds = self.scale(self.odds[: len(input_ids), None, None])  # (n, 1, 1)
        return SimpleNamespace(logits=logits * (odds + math.log(self.size - 1)))


# --- the exact matrix


@pytest.mark.parametrize("chunk", [2, 3, 4])
@pytest.mark.parametrize("lean", [False, True])
def test_pairs_of_chunks_give_the_same_matrices_losses_and_sketches(chunk, lean):
    net = tiny.model("gpt2").double()
    space, told = ParameterSpace(net), lesson([*ITEMS, Item("Sort: a. Answer:", (" a",), 0), ITEMS[0]])
    blocks = families.blocks(net, families.of("gpt2")) if lean else ()

    def found(**more):
        also = [sketches.Sketch("countsketch", m=50, d=space.d, seed=0), sketches.Squares()]
        made = gram.grams(space, told, budget=20_000, blocks=blocks, also=also, **more)
        return made, also

    (whole, _), (cut, (sketch, squares)) = found(chunk=5), found(chunk=chunk)
    assert list(cut.parts) == list(whole.parts)
    for name, g in whole.parts.items():
        torch.testing.assert_close(cut.parts[name], g, rtol=1e-10, atol=1e-12 * g.abs().max().item())
    torch.testing.assert_close(cut.losses, whole.losses, rtol=1e-6, atol=0)
    rows = dense(space, told)
    torch.testing.assert_close(squares.gram, rows.square() @ rows.square().T, rtol=1e-8, atol=1e-12)
    again = found(chunk=2)[1][0]
    torch.testing.assert_close(sketch.gram, again.gram, rtol=1e-8, atol=1e-12)
    assert (sketch.gram - cut.total).norm() < cut.total.norm()


def test_little_memory_makes_pairs_of_chunks_and_takes_less():
    net = tiny.model("qwen2")
    space, told = ParameterSpace(net), lesson(ITEMS * 8)
    peaks = {}
    for limit in (1e12, 3e6):
        with chunks.limited(limit):
            peaks[limit] = chunks.peak(lambda: gram.grams(space, told, budget=100_000))
    assert peaks[3e6] < 3e6 < peaks[1e12]


def test_a_visitor_that_must_see_all_items_is_refused_in_chunks():
    space = ParameterSpace(tiny.model("gpt2"))
    with pytest.raises(ValueError, match="has no `fresh` and `put`"):
        gram.grams(space, lesson(), also=[lambda *_: None], chunk=2)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_gram_by_blocks_is_the_product_of_single_gradients(family):
    net, told = tiny.model(family).double(), lesson()
    space = ParameterSpace(net)
    rows = dense(space, told)
    expected = rows @ rows.T
    losses = gram.item_losses(net, told).detach().double()
    for more in ({}, dict(budget=4000), dict(blocks=families.blocks(net, families.of(family)))):
        found = gram.grams(space, told, **more)
        torch.testing.assert_close(found.total, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(found.losses, losses)
        assert (found.d, found.total.dtype) == (space.d, torch.float64)
        assert tuple(found.parts) == space.names
    for name in space.names:
        part = rows[:, space.slices[name]]
        torch.testing.assert_close(found.parts[name], part @ part.T, rtol=1e-9, atol=1e-11)


def test_in_float32_the_matrix_is_that_of_float64_to_six_digits():
    told, net = lesson(), tiny.model("gpt2")
    found = gram.grams(ParameterSpace(net), told).total
    expected = gram.grams(ParameterSpace(net.double()), told).total
    assert (found - expected).norm() < 1e-5 * expected.norm()


def test_the_mean_of_the_matrix_is_the_energy_of_the_mean_gradient():
    net, told = tiny.model("gpt2").double(), lesson()
    space = ParameterSpace(net)
    g = space.gradient(supervised.loss, told)
    assert gram.grams(space, told).total.mean().item() == pytest.approx((g @ g).item(), rel=1e-6)


def test_matrices_of_parts_add_up_and_can_be_chosen_by_name():
    net, told = tiny.model("gpt2").double(), lesson()
    space = ParameterSpace(net)
    found, rows = gram.grams(space, told), dense(space, told)
    kept = torch.cat([rows[:, part] for name, part in space.slices.items() if ".h.1." in name], dim=1)
    torch.testing.assert_close(found.of(lambda name: ".h.1." in name), kept @ kept.T)
    by_block = [found.of(lambda name, b=b: gram.place(name)[0] == b) for b in (1, 2, 3, None)]
    torch.testing.assert_close(sum(by_block), found.total)
    with pytest.raises(ValueError, match="where: chose none of"):
        found.of(lambda name: "lm_head" in name)


def test_a_restricted_space_gives_its_part_alone():
    net, told = tiny.model("qwen2").double(), lesson()
    space = ParameterSpace(net, lambda name, p: "mlp" in name)
    rows = dense(space, told)
    found = gram.grams(space, told)
    torch.testing.assert_close(found.total, rows @ rows.T)
    assert found.d == space.d == rows.shape[1]


def test_other_visitors_see_the_same_gradients_by_the_same_rows():
    net, told = tiny.model("gpt2").double(), lesson()
    space, seen, twice = ParameterSpace(net), {}, {}

    def add(store):
        def see(name, row, block):
            flat = block.reshape(len(block), -1)
            store[name] = store.get(name, 0) + flat @ flat.T

        return see

    found = gram.grams(space, told, budget=4000, also=[add(seen), add(twice)])
    assert set(seen) == set(twice) == set(found.parts)
    for name, part in found.parts.items():
        torch.testing.assert_close(seen[name], part)
        torch.testing.assert_close(twice[name], part)


def test_a_sketch_as_wide_as_it_may_be_is_near_the_matrix_it_is_shown_beside():
    net, told = tiny.model("gpt2").double(), lesson()
    space = ParameterSpace(net)
    sketch, squares = sketches.Sketch("countsketch", m=4000, d=space.d, seed=0), sketches.Squares()
    exact = gram.grams(space, told, also=[sketch, squares]).total
    rows = dense(space, told).square()
    torch.testing.assert_close(squares.gram, rows @ rows.T)
    spread = sketches.variance(exact, 4000, squares=squares.gram).sqrt()
    assert ((sketch.gram - exact).abs() < 5 * spread).all()


def test_one_gradient_has_no_rank():
    net = tiny.model("gpt2")
    with pytest.raises(ValueError, match="n = 1 item, want at least 2"):
        gram.grams(ParameterSpace(net), lesson(ITEMS[:1]))


def test_losses_that_are_not_finite_are_refused_and_the_model_is_left_alone():
    net = tiny.model("gpt2")
    with torch.no_grad():
        net.transformer.ln_f.weight[0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        gram.grams(ParameterSpace(net), lesson())
    assert all(p.requires_grad for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


# --- gradients that vanish


def chance(*odds):
    """A model, and a lesson of one-token answers, that it gives with these log-odds."""
    items = [Item(f"Is {'very ' * i}Anna in the park? Answer:", YES_NO, 0) for i in range(len(odds))]
    return ParameterSpace(Chance(odds)), lesson(items)


def test_the_stand_in_answers_with_the_probability_it_was_given():
    space, told = chance(0.0, 2.0, 40.0)
    found = gram.sure(gram.item_losses(space.module, told).detach(), told)
    torch.testing.assert_close(found, torch.tensor([0.0, 2.0, 40.0]).double().sigmoid(), rtol=1e-5, atol=0)


def test_a_sure_model_is_called_saturated_with_the_share_of_its_sure_items():
    space, told = chance(30.0, 30.0, 30.0, 8.0, 0.0)
    with pytest.raises(gram.Saturated, match=r"saturated, 80\.0% of the items .* above 0\.999"):
        gram.grams(space, told)
    space, told = chance(200.0, 200.0)
    with pytest.raises(gram.Saturated, match=r"100\.0%"):
        gram.grams(space, told)


def test_a_minority_of_sure_items_is_no_hindrance():
    space, told = chance(30.0, 30.0, 2.0, 0.0, 0.0)
    assert gram.grams(space, told).total.shape == (5, 5)
    space, told = chance(8.0, 8.0, 8.0)  # above 0.999, and yet far from rounding
    assert (gram.grams(space, told).total.diagonal() > 0).all()


def test_a_part_that_gets_no_gradient_is_not_blamed_on_a_sure_model():
    class Idle(Chance):
        def __init__(self):
            super().__init__([0.0, 0.0])
            self.idle = nn.Linear(1, 1)

        def forward(self, input_ids, **more):
            self.idle(self.odds[: len(input_ids), None, None])
            return super().forward(input_ids, **more)

    told = chance(0.0, 0.0)[1]
    with pytest.raises(ValueError, match="gradient") as caught:
        gram.grams(ParameterSpace(Idle(), lambda name, p: "idle" in name), told)
    assert "the model is saturated" not in str(caught.value)


def test_the_probability_of_an_answer_of_several_tokens_is_that_of_all_of_them():
    told = lesson()
    losses = torch.tensor([0.1, 0.2, 0.3])
    tokens = told.there.sum(1)
    assert tokens.max() > 1
    torch.testing.assert_close(gram.sure(losses, told), (-losses.double() * tokens).exp())


# --- centred, unit, spectrum


def test_centred_is_the_matrix_of_the_vectors_less_their_mean():
    x = gaussian(6, 40) + 3
    around = x - x.mean(0)
    torch.testing.assert_close(spectra.centred(x @ x.T), around @ around.T)
    torch.testing.assert_close(spectra.centred(spectra.centred(x @ x.T)), spectra.centred(x @ x.T))


def test_unit_is_the_matrix_of_cosines():
    x = gaussian(6, 40) * torch.logspace(-6, 6, 6, dtype=torch.float64)[:, None]
    e = x / x.norm(dim=1, keepdim=True)
    torch.testing.assert_close(spectra.unit(x @ x.T), e @ e.T)


def test_a_vector_of_length_zero_has_no_direction_and_is_named():
    x = gaussian(4, 9)
    x[2] = 0
    with pytest.raises(ValueError, match=r"vectors \[2\] have length 0"):
        spectra.unit(x @ x.T)


@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (2, 3)])
def test_the_spectrum_is_the_squared_singular_values_of_the_vectors(shape):
    x = gaussian(*shape)
    values = np.zeros(shape[0])
    found = np.linalg.svd(x.numpy(), compute_uv=False) ** 2
    values[: len(found)] = found
    np.testing.assert_allclose(
        spectra.spectrum(x @ x.T).eigenvalues, values, rtol=1e-9, atol=1e-10 * values[0]
    )


@pytest.mark.parametrize("function", [spectra.centred, spectra.unit, spectra.spectrum])
@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (torch.ones(1, 1), r"gram must be \(n, n\) with n >= 2, got \(1, 1\)"),
        (torch.ones(2, 3), r"got \(2, 3\)"),
        (torch.ones(4), r"got \(4,\)"),
        (torch.tensor([[1.0, torch.nan], [torch.nan, 1.0]]), "gram must be finite"),
        ([[1.0, 0.0], [0.0, 1.0]], "gram must be"),
    ],
)
def test_what_is_no_square_finite_matrix_is_refused(function, bad, told):
    with pytest.raises(ValueError, match=told):
        function(bad)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (torch.zeros(3, 3), "must not be zero"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "must be symmetric"),
        (torch.tensor([[1.0, 2.0], [2.0, 1.0]]), "gram"),
        (-torch.eye(2), "gram"),
    ],
)
def test_what_is_no_gram_matrix_has_no_spectrum(bad, told):
    """Of vectors with |x_i . x_j| > |x_i| |x_j| there are none: eigenvalues are not to be clipped away."""
    with pytest.raises(ValueError, match=told):
        spectra.spectrum(bad)


@pytest.mark.parametrize("n", [3, 7, 10])
def test_equal_vectors_have_no_centred_spectrum(n):
    x = gaussian(50).repeat(n, 1)
    with pytest.raises(ValueError, match="gram"):
        spectra.spectrum(spectra.centred(x @ x.T))


def test_rounding_of_a_matrix_in_float32_is_no_reason_to_refuse_it():
    x = gaussian(30, 5, dtype=torch.float32)
    found = spectra.spectrum(x @ x.T)
    assert found.eigenvalues.min() >= 0
    assert found.participation_ratio == pytest.approx(
        spectra.spectrum(x.double() @ x.double().T).participation_ratio
    )


# --- the control


def test_same_norms_keeps_the_diagonal_bit_for_bit():
    x = gaussian(5, 9) * torch.logspace(-8, 8, 5, dtype=torch.float64)[:, None]
    given = x @ x.T
    found = spectra.same_norms(given, 1000, seed=0)
    assert torch.equal(found.diagonal(), given.diagonal())
    torch.testing.assert_close(found, found.T, rtol=1e-12, atol=0)
    assert torch.linalg.eigvalsh(spectra.unit(found)).min() > 0


@pytest.mark.parametrize("d", [4, 5, 40])
def test_cosines_of_the_control_have_the_moments_of_random_directions(d):
    """E cos = 0, E cos^2 = 1/d, E cos^4 = 3 / (d (d + 2)), whichever two of the n vectors are compared."""
    n, draws = 4, 2000
    found = torch.stack([spectra.same_norms(torch.eye(n), d, seed=s) for s in range(draws)])
    i, j = torch.tril_indices(n, n, -1)
    cosines = found[:, i, j]  # (draws, pairs)
    second, fourth = 1 / d, 3 / (d * (d + 2))
    eighth = 105 / (d * (d + 2) * (d + 4) * (d + 6))
    assert (cosines.abs() <= 1 + 1e-12).all()
    assert (cosines.mean(0).abs() < 5 * (second / draws) ** 0.5).all()
    assert ((cosines**2).mean(0) - second).abs().max() < 5 * ((fourth - second**2) / draws) ** 0.5
    assert ((cosines**4).mean(0) - fourth).abs().max() < 5 * ((eighth - fourth**2) / draws) ** 0.5


def test_the_control_participates_as_its_law_says():
    n, d, draws = 20, 50, 400
    energy = [spectra.same_norms(torch.eye(n), d, seed=s).square().sum().item() for s in range(draws)]
    expected = n + n * (n - 1) / d  # E ||G||_F^2
    assert np.mean(energy) == pytest.approx(expected, abs=5 * np.std(energy) / draws**0.5)


def test_the_control_follows_its_seed_and_leaves_global_generators_alone():
    before, numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
    one, same, other = (spectra.same_norms(torch.eye(3), 10, seed=s) for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy).all()


def test_a_zero_vector_stays_zero_in_the_control():
    found = spectra.same_norms(torch.diag(torch.tensor([0.0, 4.0])), 10, seed=0)
    assert found.tolist() == [[0.0, 0.0], [0.0, 4.0]]


@pytest.mark.parametrize("d", [2, 0, -1, True, 3.5, "3"])
def test_more_directions_than_dimensions_are_refused(d):
    with pytest.raises(ValueError, match="d must be a whole number from 3"):
        spectra.same_norms(torch.eye(3), d, seed=0)


def test_a_whole_number_of_numpy_is_one():
    assert spectra.same_norms(torch.eye(3), np.int64(10), seed=0).shape == (3, 3)


# --- growth, place


def test_growth_of_independent_directions_is_their_number_and_of_one_direction_one():
    assert spectra.growth(torch.eye(8), [2, 5, 8]) == pytest.approx({2: 2, 5: 5, 8: 8})
    x = gaussian(8, 1)
    assert spectra.growth(x @ x.T, [2, 8]) == pytest.approx({2: 1, 8: 1})


@pytest.mark.parametrize("sizes", [[1], [2, 9], [0], [-1], [2.5]])
def test_sizes_that_are_not_there_are_refused(sizes):
    with pytest.raises(ValueError, match="size must be a whole number from 2 to 8"):
        spectra.growth(torch.eye(8), sizes)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_matrix_of_every_family_has_its_place(family):
    net = tiny.model(family)
    places = {name: gram.place(name) for name, _ in net.named_parameters()}
    assert "other" not in {kind for _, kind in places.values()}
    assert {block for block, _ in places.values()} == {None, 1, 2, 3}
    known = families.of(family)
    for name, (block, kind) in places.items():
        last = name.split(".")[-2]
        owner = net.get_submodule(name.rpartition(".")[0])
        assert (block is None) == (not name.startswith(known.blocks))
        assert (kind == "embedding") == (block is None and isinstance(owner, nn.Embedding | nn.Linear))
        assert (kind == "attention in") == (last in known.attention)
        assert (kind == "norm") == ("Norm" in type(owner).__name__)
        if kind.startswith(("attention", "MLP")):
            assert last in known.linear
            assert ("attn" in name or "attention" in name) == kind.startswith("attention")
            assert kind.endswith(" out") == (
                last in ("c_proj", "o_proj", "out_proj", "dense", "down_proj", "fc_out", "dense_4h_to_h")
            )


def test_a_name_of_no_known_kind_is_other():
    assert gram.place("visual.patch.weight") == (None, "other")
