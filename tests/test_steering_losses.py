"""Losses that steer against closed forms."""

import pytest
import torch

from lglib.activations import steering_losses
from lglib.models import loading
from lglib.tasks import data, scoring, supervised
from lglib.tasks.items import Item


@pytest.fixture(scope="module", params=["micro-gpt2", "micro-qwen2", "micro-olmo2"])
def found(request):
    return loading.load(request.param, device="cpu")


def test_losses_are_those_of_the_probabilities_of_the_answers(found):
    asked = data.micro(20, key="nudges")
    lesson = supervised.lesson(found.tokenizer, asked)
    p = scoring.probabilities(found.model, found.tokenizer, asked).log()  # (n, yes and no)
    labels = torch.tensor([item.label for item in asked])
    want = {
        "logit difference": (p[:, 1] - p[:, 0]).mean(),
        "say yes": -p[:, 0].mean(),
        "correct answer": -p[torch.arange(20), labels].mean(),
    }
    for kind in steering_losses.KINDS:
        with torch.no_grad():
            own = steering_losses.loss(found, kind)(found.model, lesson)
        assert own.item() == pytest.approx(want[kind].item(), abs=1e-4)


def test_another_kind_is_refused(found):
    with pytest.raises(ValueError, match="kind is 'no'; there is: logit difference, say yes, correct answer"):
        steering_losses.loss(found, "no")


def test_answers_of_several_tokens_are_refused_where_one_is_compared_and_learned_from_else(found):
    asked = [
        Item("Is it red? Answer:", (" yes it is", " no"), 0),
        Item("Is it so? Answer:", (" yes", " no"), 1),
    ]
    lesson = supervised.lesson(found.tokenizer, asked)
    for kind in ("logit difference", "say yes"):
        with pytest.raises(
            scoring.SplitAnswer, match="item 0 has no two different answers of one token each"
        ):
            steering_losses.loss(found, kind)(found.model, lesson)
    assert steering_losses.loss(found, "correct answer")(found.model, lesson).isfinite()


def test_each_item_is_compared_by_its_own_answer_words(found):
    prompt = "Colour: box. Answer:"
    words = [(" red", " blue"), (" park", " attic")]
    asked = [Item(prompt, own, 0) for own in words]
    lesson = supervised.lesson(found.tokenizer, asked)
    with torch.no_grad():
        z = found.model(**found.tokenizer([prompt], return_tensors="pt")).logits[0, -1]
        own = steering_losses.loss(found, "logit difference")(found.model, lesson).item()
    ids = [found.answer_ids(pair) for pair in words]
    assert own == pytest.approx(sum((z[no] - z[yes]).item() for yes, no in ids) / 2, abs=1e-4)
