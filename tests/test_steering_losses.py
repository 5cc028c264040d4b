"""Losses that steer against closed forms."""

import pytest
import torch

from lglib.activations import steering_losses
from lglib.models import loading
from lglib.tasks import data, scoring, supervised


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


def test_answers_of_several_tokens_are_refused(found, monkeypatch):
    monkeypatch.setattr(steering_losses, "YES_NO", (" yes indeed", " no"))
    with pytest.raises(scoring.SplitAnswer, match="an answer must be one token"):
        steering_losses.loss(found, "say yes")
