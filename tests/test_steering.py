"""Steering vectors: CAA is a plain loop over pairs, the hook adds what it says and leaves nothing behind."""

import dataclasses

import pytest
import tiny
import torch
import toy
from test_residual import hooks, loop

from lglib.activations import residual, steering
from lglib.activations.steering import PairDifferences, SteeringVector, steer
from lglib.models import loading
from lglib.tasks import data, splits
from lglib.tasks.items import YES_NO, Item

TEXT = "Anna is in the park. Question: Is Anna in the park? Answer:"


@pytest.fixture(scope="module", params=["micro-gpt2", "micro-qwen2", "micro-olmo2"])
def found(request):
    return loading.load(request.param, device="cpu")


def vector(found, layer=2, seed=0, size=1.0):
    values = size * torch.randn(found.width, generator=torch.Generator().manual_seed(seed))
    return SteeringVector(layer, values.to(found.dtype), 3, "by hand")


@torch.no_grad()
def logits(found):
    return found.model(**found.tokenizer([TEXT], return_tensors="pt"), use_cache=False).logits


@torch.no_grad()
def stream(found, layers):
    with residual.watch(found, layers) as seen:
        logits(found)
    return seen


def test_the_vector_is_added_to_one_block_at_every_position(found):
    own = vector(found, 2)
    plain = stream(found, [1, 2])
    with steer(found, own, 1.5):
        moved = stream(found, [1, 2])
    assert torch.equal(moved[1], plain[1])
    assert torch.allclose(moved[2], plain[2] + 1.5 * own.values, atol=1e-5)


def test_with_a_unit_the_length_of_the_vector_does_not_matter(found):
    one, long = vector(found), vector(found, size=7.0)
    with steer(found, one, 0.5, unit=4.0):
        first = stream(found, [2])[2]
    with steer(found, long, 0.5, unit=4.0):
        second = stream(found, [2])[2]
    assert torch.allclose(first, second, atol=1e-4)
    plain = stream(found, [2])[2]
    assert (first - plain).norm(dim=-1).mean().item() == pytest.approx(2.0, rel=1e-4)


@pytest.mark.parametrize("how", ["vector", "multiplier", "unit"])
def test_steering_by_zero_changes_nothing_bit_for_bit(found, how):
    plain = logits(found)
    zero = SteeringVector(3, torch.zeros(found.width), 1, "zero") if how == "vector" else vector(found, 3)
    with steer(found, zero, 0.0 if how == "multiplier" else 1.0, unit=0.0 if how == "unit" else None):
        moved = logits(found)
    assert moved.numpy().tobytes() == plain.numpy().tobytes()


def test_the_hook_goes_when_the_body_ends_also_by_an_error(found):
    before, plain = hooks(found), logits(found)

    def fail():
        with steer(found, vector(found)):
            assert hooks(found) != before
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert hooks(found) == before
    assert torch.equal(logits(found), plain)


def test_nested_vectors_add_up_and_each_takes_only_itself_off(found):
    one, other = vector(found, 2, seed=1), vector(found, 2, seed=2)
    plain = stream(found, [2])[2]
    with steer(found, one):
        alone = stream(found, [2])[2]
        with pytest.raises(RuntimeError, match="inner"), steer(found, other):  # noqa: PT012
            both = stream(found, [2])[2]
            raise RuntimeError("inner")
        assert torch.equal(stream(found, [2])[2], alone)
    assert torch.allclose(both, plain + one.values + other.values, atol=1e-5)
    assert torch.equal(stream(found, [2])[2], plain)


def test_a_reader_inside_sees_the_steered_stream(found):
    read, own = residual.encode(found, [TEXT]), vector(found, 3)
    plain = residual.activations(found, read, [3])
    with steer(found, own):
        assert torch.allclose(residual.activations(found, read, [3]), plain + own.values, atol=1e-5)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_of_the_door_can_be_steered(folders, family):
    own = loading.load(str(folders[family]), device="cpu", answers=())
    plain = stream(own, [1])[1]
    with steer(own, vector(own, 1)):
        assert torch.allclose(stream(own, [1])[1], plain + vector(own, 1).values, atol=1e-4)


def test_a_block_that_hands_on_a_tuple_keeps_the_rest_of_it():
    own = toy.model(tuples=True)
    values = torch.ones(toy.WIDTH, dtype=torch.float64)
    seen = []
    with steer(own, SteeringVector(1, values, 1, "by hand")):
        handle = own.blocks[0].register_forward_hook(lambda *args: seen.append(args[2]))
        own.model(torch.tensor([[1, 2]]))
        handle.remove()
    assert seen[0][1] == "kept"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "1", None, True])
@pytest.mark.parametrize("name", ["multiplier", "unit"])
def test_multipliers_that_are_no_finite_number_are_refused(found, name, value):
    if name == "unit" and value is None:
        return
    before = hooks(found)
    with (
        pytest.raises(ValueError, match=f"{name} must be a finite number"),
        steer(found, vector(found), **{name: value}),
    ):
        pass
    assert hooks(found) == before


def test_vectors_that_do_not_fit_are_refused(found):
    with (
        pytest.raises(ValueError, match="layer must be a whole number from 1 to 4"),
        steer(found, vector(found, 9)),
    ):
        pass
    with (
        pytest.raises(ValueError, match="the vector has width 3"),
        steer(found, SteeringVector(1, torch.ones(3), 1, "short")),
    ):
        pass
    strange = dataclasses.replace(found, blocks=[torch.nn.Linear(2, 2)])
    with pytest.raises(ValueError, match="block 1 is no part of the model"), steer(strange, vector(found, 1)):
        pass


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (dict(layer=0), "layer must be"),
        (dict(layer=1.0), "layer must be"),
        (dict(n=0), "n must be"),
        (dict(values=torch.tensor([1.0, float("nan")])), "values must be a finite vector"),
        (dict(values=torch.ones(2, 2)), "values must be a finite vector"),
    ],
)
def test_a_vector_that_is_none_is_refused(change, told):
    with pytest.raises(ValueError, match=told):
        SteeringVector(**(dict(layer=1, values=torch.ones(2), n=1, how="by hand") | change))


def test_the_unit_of_multipliers_knows_no_common_offset():
    h = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    assert steering.centred_norm(h + 100) == pytest.approx(steering.centred_norm(h), rel=1e-4)
    with pytest.raises(ValueError, match="at least 2 rows"):
        steering.centred_norm(h[:1])


@pytest.fixture(scope="module")
def asked():
    return splits.balanced(data.micro(60, key="caa"), 8)


@pytest.mark.parametrize("how", list(steering.CAA_TEXTS))
def test_the_vector_is_that_of_a_plain_loop_over_pairs(found, asked, how):
    positive, negative = steering.CAA_TEXTS[how](asked)
    own = steering.caa(found, asked, [1, 4], how, batch=5)
    plain = loop(found, positive, [1, 4]).mean(0) - loop(found, negative, [1, 4]).mean(0)
    assert torch.allclose(own.mean, plain, atol=1e-4)
    vector = own.vector(4)
    assert torch.equal(vector.values, own.mean[1])
    assert (vector.layer, vector.n, vector.how) == (4, len(positive), f"CAA, {how}")


def test_what_follows_an_answer_does_not_change_the_stream_at_the_answer(found, asked):
    from lglib.activations import residual

    short, long = steering.answer_tokens(asked)[0][0], steering.text_after(asked)[0][0]
    at = residual.encode(found, [short])
    longer = residual.Reading(residual.encode(found, [long]).tokens, at.at)
    assert torch.allclose(residual.hidden(found, at, [4]), residual.hidden(found, longer, [4]), atol=1e-4)


def test_pairs_share_their_prompt_and_differ_in_the_answer(asked):
    for how in ("answer token", "text after"):
        positive, negative = steering.CAA_TEXTS[how](asked)
        assert len(positive) == len(asked)
        for yes, no, item in zip(positive, negative, asked, strict=True):
            assert yes.startswith(item.prompt + " yes")
            assert no == item.prompt + " no" + yes.removeprefix(item.prompt + " yes")


def test_a_layer_that_was_not_read_is_refused():
    with pytest.raises(ValueError, match=r"one of those read, \[2\], got 3"):
        PairDifferences(torch.ones(4, 1, 4), (2,), "by hand").vector(3)


def test_bad_items_are_refused(found):
    yes, no = Item("Is 1 odd? Answer:", YES_NO, 0), Item("Is 2 odd? Answer:", YES_NO, 1)
    with pytest.raises(ValueError, match="items is empty"):
        steering.caa(found, [], [1], "true - false")
    with pytest.raises(ValueError, match="as many true as false, at least one, got 2 and 0"):
        steering.caa(found, [yes, yes], [1], "true - false")
    with pytest.raises(ValueError, match="got 1 and 2"):
        steering.caa(found, [yes, no, no], [1], "true - false")
    with pytest.raises(ValueError, match="how is 'mean'; there is: true - false, answer token, text after"):
        steering.caa(found, [yes, no], [1], "mean")
    with pytest.raises(ValueError, match="layer must be a whole number from 1 to 4"):
        steering.caa(found, [yes, no], [5], "true - false")
    long = Item("red " * 126 + "Answer:", YES_NO, 0)
    with pytest.raises(ValueError, match=r"text 0 has 12\d tokens|text 0 has 13\d tokens"):
        steering.caa(found, [long], [1], "answer token")
