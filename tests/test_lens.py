"""The logit lens against autograd, for LayerNorm and RMSNorm, tied and untied heads, in every family."""

import pytest
import tiny
import torch

from lglib.activations import lens, pushforward, residual, steering, steering_losses
from lglib.models import loading
from lglib.parameters.space import ParameterSpace
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.scoring import SplitAnswer

PROMPTS = ["Anna is in the park. Question: Is Anna in the park? Answer:", "The drum is green. Is it? Answer:"]
ITEMS = [Item(prompt, YES_NO, i % 2) for i, prompt in enumerate(PROMPTS)]
PLACES = [Item(PROMPTS[0], (" park", " map"), 0), Item(PROMPTS[1], (" attic", " key"), 1)]
KINDS = {
    "LayerNorm, tied": ("gpt2", {}),
    "LayerNorm, untied": ("gpt2", {"tie_word_embeddings": False}),
    "RMSNorm, tied": ("qwen2", {}),
    "RMSNorm, untied": ("qwen2", {"tie_word_embeddings": False}),
}


def shaken(model, seed=0):
    """The model with gains of its norms that differ, as after training."""
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.model.parameters():
            if p.ndim == 1:
                p.add_(0.5 * torch.randn(p.shape, generator=dice).to(p))
    return model


@pytest.fixture(params=KINDS)
def model(request, tmp_path):
    family, more = KINDS[request.param]
    tiny.save(tmp_path, family, **more)
    return shaken(loading.load(str(tmp_path), device="cpu"))


def lesson(model, items=ITEMS):
    return supervised.lesson(model.tokenizer, items, device=model.device)


def difference(model, at, items):
    """Difference of the logits of both answers when the last block gives `at`, by the model's own parts."""
    z = model.model.get_output_embeddings()(lens.final_norm(model)(at))
    first, second = lesson(model, items).pair.T
    rows = torch.arange(len(items))
    return z[rows, first] - z[rows, second]


@pytest.mark.parametrize("items", [ITEMS, PLACES], ids=["yes-no", "places"])
def test_the_lens_is_the_gradient_of_the_difference_of_the_logits(model, items):
    states = torch.randn(2, model.width, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    (wanted,) = torch.autograd.grad(difference(model, states, items).sum(), states)
    words = lens.word_differences(model, lesson(model, items))
    assert torch.allclose(lens.through_norm(lens.final_norm(model), states, words), wanted, atol=1e-5)
    one = lens.through_norm(lens.final_norm(model), states[:1], words)
    assert torch.allclose(one[0], wanted[0], atol=1e-5)


def test_at_the_last_block_the_lens_at_each_state_is_minus_the_gradient_of_the_loss(model):
    """By the whole model: nothing but the norm and the unembedding stands behind the last block."""
    own, last = lesson(model), len(model.blocks)
    loss = steering_losses.loss(model, "logit difference")
    states = residual.activations(model, residual.encode(model, PROMPTS), [last])[:, 0]
    found = lens.through_norm(lens.final_norm(model), states, lens.word_differences(model, own))
    by_loss = lens.gradients(model, loss, own, [1, last])
    assert torch.allclose(found, -len(ITEMS) * by_loss[:, 1], atol=1e-5)
    below = -len(ITEMS) * by_loss[:, 0]
    assert torch.cosine_similarity(found, below, dim=-1).abs().max() < 0.9  # blocks stand between


def test_gradients_of_all_layers_are_those_of_one_layer_at_a_time(model, monkeypatch):
    loss = steering_losses.loss(model, "logit difference")
    own = lesson(model)
    whole = lens.gradients(model, loss, own, [1, 3])
    for i, layer in enumerate((1, 3)):
        one = pushforward.activation_gradient(model, loss, own, layer)
        assert torch.allclose(whole[:, i], one, atol=1e-7)
    monkeypatch.setattr(lens.micro_batches, "groups", lambda *_: [torch.tensor([1]), torch.tensor([0])])
    assert torch.allclose(lens.gradients(model, loss, own, [1, 3]), whole, atol=1e-6)


def test_the_scale_is_the_gain_of_the_norm(model):
    norm = lens.final_norm(model)
    assert torch.allclose(lens.scale(norm, torch.zeros(model.width)), norm.weight, rtol=1e-4)


def test_the_scale_of_gemma_counts_its_gain_from_one(tmp_path):
    tiny.save(tmp_path, "gemma3_text")
    model = shaken(loading.load(str(tmp_path), device="cpu"))
    norm = lens.final_norm(model)
    assert torch.allclose(lens.scale(norm, torch.zeros(model.width)), 1 + norm.weight, rtol=1e-4, atol=1e-4)


def test_the_scale_of_an_odd_width_is_right_too():
    norm = torch.nn.LayerNorm(5)
    with torch.no_grad():
        norm.weight.copy_(torch.arange(1.0, 6.0))
        norm.bias.fill_(3.0)
    assert torch.allclose(lens.scale(norm, torch.zeros(5)), norm.weight, rtol=1e-4)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_the_final_norm_is_found_in_every_family_and_no_hook_is_left(folders, family):
    own = loading.load(str(folders[family]), device="cpu")
    before = tiny.logits(own.model)
    norm = lens.final_norm(own)
    assert "Norm" in type(norm).__name__
    assert not any(norm is part for block in own.blocks for part in block.modules())
    assert not any(part._forward_hooks for part in own.model.modules())
    assert torch.equal(tiny.logits(own.model), before)


def test_a_model_with_more_than_a_norm_behind_its_blocks_is_refused(tmp_path):
    tiny.save(tmp_path, "gpt2")
    own = loading.load(str(tmp_path), device="cpu")
    own.model.lm_head.register_forward_pre_hook(lambda _, given: (2 * given[0],))
    with pytest.raises(ValueError, match="no single norm between its last block and its unembedding"):
        lens.final_norm(own)


def test_an_answer_of_several_tokens_has_no_direction(model):
    split = [Item(PROMPTS[0], (" park and garden", " no"), 0)]
    with pytest.raises(SplitAnswer, match="one token each"):
        lens.word_differences(model, lesson(model, split))


def test_a_small_step_along_the_lens_raises_the_difference_as_much_as_it_says(model):
    """The first-order law, on the actual model: steer the last block by s times a unit vector."""
    last, own = len(model.blocks), lesson(model)
    states = residual.activations(model, residual.encode(model, PROMPTS), [last])[:, 0]
    v = lens.through_norm(lens.final_norm(model), states, lens.word_differences(model, own)).mean(0)
    loss, space = steering_losses.loss(model, "logit difference"), ParameterSpace(model.model)
    plain, s = space.loss(loss, own), 1e-2
    with steering.steer(model, steering.SteeringVector(last, v, 2, "lens"), s, unit=1.0):
        moved = space.loss(loss, own)
    assert (plain - moved) / s == pytest.approx(v.norm().item(), rel=0.05)
