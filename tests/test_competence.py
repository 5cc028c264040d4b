"""Accuracy and the weight of the answer words, against the model's own probabilities."""

import pytest
import torch

from lglib.models import loading
from lglib.tasks import data, scoring
from lglib.tasks.competence import competence, largest_class
from lglib.tasks.items import Item
from lglib.theory import stats


@pytest.fixture(scope="module")
def found():
    return loading.load("micro-gpt2", device="cpu")


def test_accuracy_and_mass_are_those_of_the_probabilities_of_both_words(found):
    asked = [*data.micro(30), *(Item(i.prompt, i.answers, 1 - i.label) for i in data.micro(10, key="wrong"))]
    p = scoring.probabilities(found.model, found.tokenizer, asked)
    own = competence(found, asked, batch=7)
    right = (p.argmax(1) == torch.tensor([item.label for item in asked])).sum().item()
    assert own.accuracy == stats.proportion_interval(right, 40)
    assert own.mass.estimate == pytest.approx(p.sum(1).mean().item(), abs=1e-5)
    assert 0.5 < own.accuracy.estimate < 1


def test_a_model_that_would_say_something_else_has_no_mass_on_the_answer_words(found):
    asked = [Item(item.prompt, (" goats", " cats"), i % 2) for i, item in enumerate(data.micro(8))]
    assert competence(found, asked).mass.estimate < 0.01


def test_an_open_item_is_right_when_its_whole_answer_comes_first_and_has_no_mass(found):
    asked = data.micro(12, "sort")
    own = competence(found, asked)
    assert own.mass is None
    assert own.accuracy.estimate == scoring.exact_match(found.model, found.tokenizer, asked).mean().item()
    assert own.chance == pytest.approx(largest_class(asked))


def test_an_untrained_model_is_not_better_than_the_largest_class():
    twin = loading.load("micro-gpt2", trained=False, seed=1, device="cpu")
    own = competence(twin, data.micro(100))
    assert own.accuracy.low < own.chance + 0.05


def test_one_item_is_no_competence(found):
    with pytest.raises(ValueError, match="items must be at least two, got 1"):
        competence(found, data.micro(1))
