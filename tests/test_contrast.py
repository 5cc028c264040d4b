"""CAA vectors: a plain loop gives the same, labels carry them or do not, bad input is told."""

import pytest
import torch
from test_reading import loop

from lglib.activations import steering
from lglib.activations.steering import PairDifferences
from lglib.models import loading
from lglib.tasks import data, splits
from lglib.tasks.items import YES_NO, Item


@pytest.fixture(scope="module", params=["micro-gpt2", "micro-qwen2", "micro-olmo2"])
def found(request):
    return loading.load(request.param, device="cpu")


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
