"""What an edit costs elsewhere: nothing for no edit, everything for a wrecked model."""

import pytest
import torch

from lglib.activations import effects
from lglib.activations.steering import SteeringVector, steer
from lglib.models import loading
from lglib.tasks import data
from lglib.tasks.microworld import skills


@pytest.fixture(scope="module")
def found():
    return loading.load("micro-gpt2", device="cpu")


@pytest.fixture(scope="module")
def elsewhere(found):
    stories = skills.stories(24, part="test", key="costs")
    return effects.prepare(found, {"plural": data.micro(24, "plural")}, stories)


def test_the_bar_is_the_loss_that_most_stories_stay_below(found, elsewhere):
    from lglib.tasks import scoring

    losses = scoring.text_loss(found.model, found.tokenizer, elsewhere.stories)
    assert (losses > elsewhere.bar).sum() == 2  # of 24, five percent and what is left of it


def test_the_model_goes_on_greedily_as_token_by_token(found, elsewhere):
    from transformers import GenerationConfig

    tokens = effects.write(found, elsewhere.stories[:4], 6)
    start = tokens[:, : effects.OPENING]
    options = GenerationConfig(max_new_tokens=6, do_sample=False, pad_token_id=1, eos_token_id=None)
    again = found.model.generate(start, attention_mask=torch.ones_like(start), generation_config=options)
    assert torch.equal(tokens, again)


def test_a_model_that_is_not_edited_writes_nothing_damaged(found, elsewhere):
    tokens = effects.write(found, elsewhere.stories, elsewhere.length)
    assert effects.damaged(found, tokens, elsewhere.bar) < 0.1


def test_a_wrecked_model_pays_everywhere(found, elsewhere):
    before = effects.skills_and_text(found, elsewhere)
    values = torch.randn(found.width, generator=torch.Generator().manual_seed(0))
    with steer(found, SteeringVector(2, values, 1, "wreck"), 8.0, unit=60.0):
        after = effects.skills_and_text(found, elsewhere)
        tokens = effects.write(found, elsewhere.stories, elsewhere.length)
    assert before["plural"] > 0.9
    assert after["plural"] < 0.3
    assert after["plain text"] > before["plain text"] + 1
    assert effects.damaged(found, tokens, elsewhere.bar) > 0.9


def test_too_little_to_measure_on_is_refused(found):
    stories = ["Anna walked home and slept and was happy."]
    with pytest.raises(ValueError, match="must not be empty"):
        effects.prepare(found, {}, stories)
    with pytest.raises(ValueError, match="must not be empty"):
        effects.prepare(found, {"plural": []}, stories)
    with pytest.raises(ValueError, match="at least 8 tokens, got 'Anna'"):
        effects.prepare(found, {"plural": data.micro(2, "plural")}, ["Anna"])
    with pytest.raises(ValueError, match="length must be a whole number from 1"):
        effects.prepare(found, {"plural": data.micro(2, "plural")}, stories, length=0)
