"""What a model answers as it is now, and what an edit costs elsewhere: nothing for no edit."""

import pytest
import torch

from lglib.activations import effects
from lglib.activations.steering import SteeringVector, steer
from lglib.models import loading
from lglib.tasks import data, scoring
from lglib.tasks.items import Item
from lglib.tasks.microworld import skills


@pytest.fixture(scope="module", params=["micro-gpt2", "micro-qwen2", "micro-olmo2"])
def found(request):
    return loading.load(request.param, device="cpu")


@pytest.fixture(scope="module")
def asked():
    return data.micro(30, key="outcomes")


def test_probabilities_are_those_of_the_scorer(found, asked):
    p = scoring.probabilities(found.model, found.tokenizer, asked)
    for batch in (7, 128):
        got = effects.ask(found, asked, batch=batch)
        assert torch.allclose(got.each, p[:, 0] / p.sum(1), atol=1e-4)
        assert got.p_yes == pytest.approx((p[:, 0] / p.sum(1)).mean().item(), abs=1e-4)
    labels = torch.tensor([item.label for item in asked])
    assert got.accuracy == pytest.approx((p.argmax(1) == labels).double().mean().item())


def test_the_divergence_is_zero_from_itself_and_positive_from_a_steered_model(found, asked):
    plain = effects.ask(found, asked)
    with steer(found, SteeringVector(4, torch.arange(found.width) % 5.0, 1, "by hand"), 1.0):
        moved = effects.ask(found, asked)
    assert plain.divergence(plain) == 0
    assert plain.divergence(moved) > 0
    by_hand = torch.nn.functional.kl_div(moved.log_p, plain.log_p, reduction="batchmean", log_target=True)
    assert plain.divergence(moved) == pytest.approx(by_hand.item(), rel=1e-3, abs=1e-6)


def test_bad_items_are_refused(found, asked):
    with pytest.raises(ValueError, match="items is empty"):
        effects.ask(found, [])
    with pytest.raises(ValueError, match="two answers to choose from"):
        effects.ask(found, [Item("Plural: cat. Answer:", (" cats",), 0)])
    with pytest.raises(ValueError, match="the context holds 128"):
        effects.ask(found, [Item("red " * 200, (" yes", " no"), 0)])
    with pytest.raises(ValueError, match="not of the same questions"):
        effects.ask(found, asked).divergence(effects.ask(found, asked[:3]))


@pytest.fixture(scope="module")
def gpt2():
    return loading.load("micro-gpt2", device="cpu")


@pytest.fixture(scope="module")
def elsewhere(gpt2):
    stories = skills.stories(24, part="test", key="costs")
    return effects.prepare(gpt2, {"plural": data.micro(24, "plural")}, stories)


def test_the_bar_is_the_loss_that_most_stories_stay_below(gpt2, elsewhere):
    from lglib.tasks import scoring

    losses = scoring.text_loss(gpt2.model, gpt2.tokenizer, elsewhere.stories)
    assert (losses > elsewhere.bar).sum() == 2  # of 24, five percent and what is left of it


def test_the_model_goes_on_greedily_as_token_by_token(gpt2, elsewhere):
    from transformers import GenerationConfig

    tokens = effects.write(gpt2, elsewhere.stories[:4], 6)
    start = tokens[:, : effects.OPENING]
    options = GenerationConfig(max_new_tokens=6, do_sample=False, pad_token_id=1, eos_token_id=None)
    again = gpt2.model.generate(start, attention_mask=torch.ones_like(start), generation_config=options)
    assert torch.equal(tokens, again)


def test_a_model_that_is_not_edited_writes_nothing_damaged(gpt2, elsewhere):
    tokens = effects.write(gpt2, elsewhere.stories, elsewhere.length)
    assert effects.damaged(gpt2, tokens, elsewhere.bar) < 0.1


def test_a_wrecked_model_pays_everywhere(gpt2, elsewhere):
    before = effects.skills_and_text(gpt2, elsewhere)
    values = torch.randn(gpt2.width, generator=torch.Generator().manual_seed(0))
    with steer(gpt2, SteeringVector(2, values, 1, "wreck"), 8.0, unit=60.0):
        after = effects.skills_and_text(gpt2, elsewhere)
        tokens = effects.write(gpt2, elsewhere.stories, elsewhere.length)
    assert before["plural"] > 0.9
    assert after["plural"] < 0.3
    assert after["plain text"] > before["plain text"] + 1
    assert effects.damaged(gpt2, tokens, elsewhere.bar) > 0.9


def test_too_little_to_measure_on_is_refused(gpt2):
    stories = ["Anna walked home and slept and was happy."]
    with pytest.raises(ValueError, match="must not be empty"):
        effects.prepare(gpt2, {}, stories)
    with pytest.raises(ValueError, match="must not be empty"):
        effects.prepare(gpt2, {"plural": []}, stories)
    with pytest.raises(ValueError, match="at least 8 tokens, got 'Anna'"):
        effects.prepare(gpt2, {"plural": data.micro(2, "plural")}, ["Anna"])
    with pytest.raises(ValueError, match="length must be a whole number from 1"):
        effects.prepare(gpt2, {"plural": data.micro(2, "plural")}, stories, length=0)
