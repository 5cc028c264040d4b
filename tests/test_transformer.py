"""The small transformer: its size and scale, its loss by hand, its exact match by greedy decoding."""

import math

import pytest
import torch
from transformers import GPT2LMHeadModel

from lglib.parameters import descent
from lglib.parameters.space import ParameterSpace
from lglib.studies.synthetic import transformer
from lglib.tasks import synthetic

LENGTH = 3
NAMES = ["copy", "reverse", "sort"]


@pytest.fixture(scope="module")
def trained():
    """A model that has learned a little: some answers are right, some are not."""
    model = transformer.build(width=32, seed=0, length=LENGTH)
    batches = synthetic.stream(NAMES, 96, 100, key="half", length=LENGTH)
    descent.descend(
        ParameterSpace(model), transformer.loss, descent.optimizer("Adam", 2e-3), batches, every=100
    )
    return model


def examples(name, n=256, part="test"):
    return synthetic.draw(name, n, part=part, key="examples", length=LENGTH)


@torch.no_grad()
def decoded(model, batch):
    """Greedy decoding, one token after the other, from `[task] x [SEP]`; nothing of the answer is read."""
    prefix = batch[:, : LENGTH + 2]
    for _ in range(LENGTH):
        following = model(input_ids=prefix).logits[:, -1].argmax(-1)
        prefix = torch.cat([prefix, following[:, None]], dim=1)
    return prefix


@pytest.mark.parametrize(
    ("width", "length", "layers", "heads"), [(64, 6, 2, 4), (32, 3, 2, 4), (8, 1, 1, 1), (24, 9, 3, 6)]
)
def test_parameters_are_as_many_as_the_formula_says(width, length, layers, heads):
    model = transformer.build(width=width, seed=0, length=length, layers=layers, heads=heads)
    embeddings = 16 * width + (2 * length + 1) * width  # tokens, tied with the head, and positions
    attention = width * 3 * width + 3 * width + width * width + width
    perceptron = width * 4 * width + 4 * width + 4 * width * width + width
    norms = 2 * 2 * width
    d = embeddings + layers * (attention + perceptron + norms) + 2 * width
    assert ParameterSpace(model).d == sum(p.numel() for p in model.parameters()) == d


@pytest.mark.parametrize("width", [32, 128])
def test_the_initial_scale_is_that_of_gpt2_carried_to_the_width(width):
    model = transformer.build(width=width, seed=1, layers=2)
    scale = math.sqrt(0.02**2 * 768 / width)
    for name, p in model.named_parameters():
        if p.ndim == 1:
            assert torch.equal(p, torch.full_like(p, float("ln" in name and "weight" in name))), name
            continue
        wanted = scale / math.sqrt(4) if "c_proj" in name else scale  # the residual stream sums 2 x 2 terms
        assert abs(p.std().item() / wanted - 1) < 5 / math.sqrt(2 * p.numel()), name
        assert abs(p.mean().item()) < 5 * wanted / math.sqrt(p.numel()), name


def test_a_new_model_is_in_eval_mode_and_drops_nothing_even_in_training():
    model = transformer.build(width=32, seed=0, length=LENGTH)
    assert not any(module.training for module in model.modules())
    batch = examples("copy", 8)
    quiet = transformer.loss(model, batch)
    assert torch.equal(transformer.loss(model, batch), quiet)
    assert torch.equal(transformer.loss(model.train(), batch), quiet)


def test_the_loss_has_a_second_derivative_that_finite_differences_confirm():
    space = ParameterSpace(transformer.build(width=8, seed=0, length=2, layers=1).double())
    batch = synthetic.draw("sort", 4, part="train", key=0, length=2)
    v = torch.randn(space.d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theta, slopes = space.flatten(), []
    for step in (1e-5, -1e-5):
        with space.at(theta + step * v) as model:
            gradients = torch.autograd.grad(transformer.loss(model, batch), space.parameters())
            slopes.append(torch.cat([g.flatten() for g in gradients]))
    wanted = (slopes[0] - slopes[1]) / 2e-5
    assert wanted.norm() > 0.1
    torch.testing.assert_close(space.hvp(transformer.loss, v, batch), wanted, rtol=1e-4, atol=1e-6)


def test_a_seed_fixes_the_model_and_another_changes_it():
    def theta(seed):
        return ParameterSpace(transformer.build(width=32, seed=seed, length=LENGTH)).flatten()

    first = theta(3)
    torch.manual_seed(123)
    torch.rand(5)
    assert torch.equal(theta(3), first)
    assert not torch.equal(theta(4), first)


def test_making_a_model_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    transformer.build(width=32, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_making_a_model_leaves_the_generators_of_other_devices_alone(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    transformer.build(width=32, seed=0)
    assert seeded == []


@pytest.mark.parametrize("names", ["copy", NAMES])
def test_the_loss_is_that_by_hand_from_all_logits(trained, names):
    for model in (transformer.build(width=32, seed=5, length=LENGTH), trained):
        batch = examples(names, 24)
        with torch.no_grad():
            logits = model(input_ids=batch[:, :-1]).logits.tolist()
        surprise = []
        for i, row in enumerate(batch.tolist()):
            assert row.index(synthetic.SEP) == LENGTH + 1
            for at in range(LENGTH + 2, 2 * LENGTH + 2):  # the answer; each token is predicted one before
                scores = logits[i][at - 1]
                surprise.append(math.log(math.fsum(map(math.exp, scores))) - scores[row[at]])
        wanted = math.fsum(surprise) / (24 * LENGTH)
        assert transformer.loss(model, batch).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_exact_match_is_that_of_greedy_decoding(trained, name):
    batch = examples(name)
    right = (decoded(trained, batch) == batch).all(1)
    assert transformer.exact_match(trained, batch) == pytest.approx(right.double().mean().item(), abs=1e-7)


def test_greedy_decoding_was_compared_where_it_is_neither_all_right_nor_all_wrong(trained):
    found = [transformer.exact_match(trained, examples(name)) for name in NAMES]
    assert sum(0.05 < score < 0.95 for score in found) >= 2, found


def test_one_wrong_token_makes_an_answer_wrong(trained):
    batch = examples("copy", 64)
    batch = batch[(decoded(trained, batch) == batch).all(1)]
    assert len(batch) > 4
    assert transformer.exact_match(trained, batch) == 1
    for at in range(LENGTH + 2, 2 * LENGTH + 2):
        false = batch.clone()
        false[0, at] = (false[0, at] + 1) % 10
        assert transformer.exact_match(trained, false) == pytest.approx(1 - 1 / len(batch))


def test_scores_are_of_fixed_examples(trained):
    first = transformer.scores(trained, NAMES, n=200, length=LENGTH)
    torch.manual_seed(77)
    again = transformer.scores(trained, NAMES[::-1], n=200, length=LENGTH)
    assert again == first
    assert list(again) == NAMES[::-1]
    for name in NAMES:
        batch = synthetic.draw(name, 200, part="validation", key="scores", length=LENGTH)
        assert first[name] == transformer.exact_match(trained, batch)


def test_scores_of_another_part_are_of_other_examples(trained, monkeypatch):
    asked = []
    monkeypatch.setattr(transformer, "exact_match", lambda model, batch: asked.append(batch) or 0.0)
    for part in ("validation", "test"):
        transformer.scores(trained, ["copy"], n=50, part=part, length=LENGTH)
    one, two = ({tuple(row) for row in batch[:, 1 : LENGTH + 1].tolist()} for batch in asked)
    assert not one & two


def test_scoring_leaves_the_model_as_it_was(trained):
    space = ParameterSpace(trained)
    before = space.flatten()
    transformer.scores(trained, NAMES, n=16, length=LENGTH)
    assert torch.equal(space.flatten(), before)
    assert all(p.grad is None for p in trained.parameters())


@pytest.mark.parametrize(
    "bad",
    [
        {"width": 30},
        {"width": 0},
        {"width": -4},
        {"width": 32, "heads": 0},
        {"width": 32, "heads": -4},
        {"width": 32, "heads": 5},
        {"width": 32, "layers": 0},
    ],
)
def test_a_width_that_heads_do_not_divide_is_refused(bad):
    with pytest.raises(ValueError, match="width must be a positive multiple of heads, and layers >= 1; got"):
        transformer.build(**{"seed": 0, **bad})


@pytest.mark.parametrize("length", [0, -1])
def test_a_length_without_digits_is_refused(length):
    with pytest.raises(ValueError, match="length"):
        transformer.build(width=32, seed=0, length=length)


def test_a_saved_model_comes_back_with_the_same_loss(trained, tmp_path):
    trained.save_pretrained(tmp_path)
    again = GPT2LMHeadModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    batch = examples(NAMES, 60)
    assert torch.equal(ParameterSpace(again).flatten(), ParameterSpace(trained).flatten())
    assert torch.equal(transformer.loss(again, batch), transformer.loss(trained, batch))
    fused = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(transformer.loss(fused, batch), transformer.loss(trained, batch))
