"""Answers of a model as it is now, against the probabilities that the door's own scorer gives."""

import pytest
import torch

from lglib.activations import effects
from lglib.activations.steering import SteeringVector, steer
from lglib.models import loading
from lglib.tasks import data, scoring
from lglib.tasks.items import Item


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
    with pytest.raises(ValueError, match="questions with the answers"):
        effects.ask(found, [Item("Plural: cat. Answer:", (" cats",), 0)])
    with pytest.raises(ValueError, match="the context holds 128"):
        effects.ask(found, [Item("red " * 200, (" yes", " no"), 0)])
    with pytest.raises(ValueError, match="not of the same questions"):
        effects.ask(found, asked).divergence(effects.ask(found, asked[:3]))
