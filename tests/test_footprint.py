"""The estimate from shapes: against what work on tiny models takes in tensors, and how it grows."""

import dataclasses

import pytest
import tiny
import torch

from lglib.base import footprint
from lglib.base.chunks import peak
from lglib.parameters import gram
from lglib.parameters.per_example import per_example_gradients
from lglib.parameters.space import ParameterSpace
from lglib.tasks import data, supervised
from lglib.tasks.microworld import lexicon

QWEN = dict(
    model_type="qwen2",
    hidden_size=896,
    intermediate_size=4864,
    num_hidden_layers=24,
    num_attention_heads=14,
    num_key_value_heads=2,
    vocab_size=151_936,
    tie_word_embeddings=True,
)


def test_qwen_2_5_of_half_a_billion_has_its_parameters_and_a_gradient_in_the_hundreds_of_gigabytes():
    shape = footprint.shape_of(QWEN)
    assert shape.parameters == pytest.approx(494_032_768, rel=0.01)
    whole = sum(footprint.gradient(shape, 128, 512).values())
    assert 1e11 < whole < 4e11  # what 128 prompts of BoolQ would keep
    fits = footprint.estimate_from_shapes(shape, items=128, tokens=512, free=75e9)
    assert max(sum(parts.values()) for parts in fits.values()) < 80e9


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2", "olmo2", "gemma2"])
@pytest.mark.parametrize("work", ["gradient", "gram", "hessian"])
def test_activations_of_tiny_models_are_within_a_factor_of_two_of_their_tensors(family, work):
    model = tiny.model(family, **({} if family == "gpt2" else dict(vocab_size=650)))
    space = ParameterSpace(model)
    shape = footprint.shape_of(model.config, space.d)
    asked = supervised.lesson(lexicon.tokenizer(), data.micro(8, "plural"))
    n, tokens = asked.tokens.shape
    if work == "gram":
        found = peak(lambda: per_example_gradients(space, gram.item_losses, asked, n, None))
        planned = footprint.gram(shape, n, tokens)["activations"]
    elif work == "gradient":
        found = peak(lambda: space.gradient(supervised.loss, asked))
        planned = sum(footprint.gradient(shape, n, tokens).values())
    else:
        v = torch.ones(space.d)
        found = peak(lambda: space.hvp(supervised.loss, v, asked))
        planned = sum(footprint.hessian_product(shape, n, tokens).values())
    assert 0.5 < planned / found < 2


def test_few_bytes_shrink_activations_and_nothing_else():
    shape = footprint.shape_of(QWEN)
    for free in (1e9, 1e10):
        few = footprint.estimate_from_shapes(shape, items=64, tokens=200, free=free, coordinates=10**6)
        all_ = footprint.estimate_from_shapes(shape, items=64, tokens=200, coordinates=10**6)
        for work, parts in few.items():
            assert sum(parts.values()) <= sum(all_[work].values())
            assert {k: v for k, v in parts.items() if k not in ("activations", "candidates")} == {
                k: v for k, v in all_[work].items() if k not in ("activations", "candidates")
            }


def test_everything_grows_with_items_tokens_and_size():
    shape = footprint.shape_of(QWEN)
    base = dict(items=8, tokens=100, answers=1, size=2)
    least = footprint.estimate_from_shapes(shape, **base)
    for more in (dict(items=16), dict(tokens=200), dict(size=4), dict(answers=3)):
        grown = footprint.estimate_from_shapes(shape, **base | more)
        assert sum(grown["gradient"].values()) > sum(least["gradient"].values())
        assert sum(grown["gram"].values()) > sum(least["gram"].values())


def test_a_fact_that_is_missing_is_named():
    with pytest.raises(ValueError, match="vocab_size"):
        footprint.shape_of({k: v for k, v in QWEN.items() if k != "vocab_size"})
    assert dataclasses.asdict(footprint.shape_of(QWEN))["head"] == 64
