"""Losses of a nudge against closed forms."""

import pytest
import torch

from lglib import answers, data, models, nudges, supervised


@pytest.fixture(scope="module", params=["micro-gpt2", "micro-qwen2", "micro-olmo2"])
def found(request):
    return models.load(request.param, device="cpu")


def test_losses_are_those_of_the_probabilities_of_the_answers(found):
    asked = data.micro(20, key="nudges")
    lesson = supervised.lesson(found.tokenizer, asked)
    p = answers.probabilities(found.model, found.tokenizer, asked).log()  # (n, yes and no)
    labels = torch.tensor([item.label for item in asked])
    want = {
        "logit difference": (p[:, 1] - p[:, 0]).mean(),
        "say yes": -p[:, 0].mean(),
        "correct answer": -p[torch.arange(20), labels].mean(),
    }
    for kind in nudges.KINDS:
        with torch.no_grad():
            own = nudges.loss(found, kind)(found.model, lesson)
        assert own.item() == pytest.approx(want[kind].item(), abs=1e-4)


def test_another_kind_is_refused(found):
    with pytest.raises(ValueError, match="kind is 'no'; there is: logit difference, say yes, correct answer"):
        nudges.loss(found, "no")


def test_answers_of_several_tokens_are_refused(found, monkeypatch):
    monkeypatch.setattr(nudges, "YES_NO", (" yes indeed", " no"))
    with pytest.raises(answers.SplitAnswer, match="an answer must be one token"):
        nudges.loss(found, "say yes")
