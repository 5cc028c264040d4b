"""The two models of a forgetting experiment, tiny."""

import pytest
import torch

from lglib.parameters.space import ParameterSpace
from lglib.studies.synthetic import multitask, transformer
from lglib.tasks import synthetic

TINY = dict(
    learn=["copy", "sort"], forget_by="reverse", steps=20, forget_steps=10, width=32, length=3, seed=4
)


@pytest.fixture(scope="module")
def made():
    return multitask.learn_and_forget(**TINY)


def loop(model, names, steps, key, *, rate, clip):
    """Training by hand on 128 examples a step, with torch's plain Adam."""
    stepper, losses = torch.optim.Adam(model.parameters(), lr=1e-3), []
    for step in range(steps):
        batch = synthetic.draw(names, 128, part="train", key=f"{key}/{step}", length=3)
        stepper.param_groups[0]["lr"] = 1e-3 * rate(step)
        stepper.zero_grad()
        loss = transformer.loss(model, batch)
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        stepper.step()
        losses.append(loss.item())
    return ParameterSpace(model).flatten(), losses


def test_what_is_made_is_what_a_loop_by_hand_makes(made):
    assert set(made) == {"initial", "theta_star", "theta_f", "base_losses", "forget_losses"}
    model = transformer.build(width=32, seed=4, length=3)
    assert torch.equal(made["initial"], ParameterSpace(model).flatten())

    def rate(step):
        return min(1, (step + 1) / 50) * max(1 / 20, 1 - step / 20)

    star, base = loop(model, ["copy", "sort"], 20, "4/base", rate=rate, clip=True)
    lost, forget = loop(model, "reverse", 10, "4/forget", rate=lambda _: 1.0, clip=False)
    way = (star - made["initial"]).norm()
    assert way > 0.1
    assert (made["theta_star"] - star).norm() < 1e-3 * way  # fused Adam rounds otherwise
    assert (made["theta_f"] - lost).norm() < 1e-2 * way
    for found, wanted in ((made["base_losses"], base), (made["forget_losses"], forget)):
        torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64), rtol=1e-4, atol=1e-5)


def test_the_points_differ_and_training_makes_the_loss_smaller(made):
    assert not torch.equal(made["initial"], made["theta_star"])
    assert not torch.equal(made["theta_star"], made["theta_f"])
    for losses, steps in ((made["base_losses"], 20), (made["forget_losses"], 10)):
        assert losses.shape == (steps,)
        assert losses[-1] < losses[0]


def test_the_same_request_gives_the_same_bytes_and_another_seed_others(made):
    torch.manual_seed(55)
    again = multitask.learn_and_forget(**TINY)
    assert all(torch.equal(again[name], made[name]) for name in made)
    other = multitask.learn_and_forget(**{**TINY, "seed": 5})
    assert all(not torch.equal(other[name], made[name]) for name in made)


def test_forgetting_does_not_reach_back_into_base_training(made):
    other = multitask.learn_and_forget(**{**TINY, "forget_by": "shift", "forget_steps": 3})
    for name in ("initial", "theta_star", "base_losses"):
        assert torch.equal(other[name], made[name])
    assert other["forget_losses"].shape == (3,)


def test_the_number_of_layers_is_that_of_the_model():
    one = multitask.learn_and_forget(**{**TINY, "steps": 1, "forget_steps": 1, "layers": 1})
    model = transformer.build(width=32, seed=4, length=3, layers=1)
    assert torch.equal(one["initial"], ParameterSpace(model).flatten())
    assert one["theta_f"].shape == one["initial"].shape


def test_a_forgetting_task_that_is_learned_too_is_refused():
    with pytest.raises(ValueError, match="forget_by is 'sort', which is learned too; name another task"):
        multitask.learn_and_forget(**{**TINY, "forget_by": "sort"})


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"learn": ["copy", "double"]}, "task is 'double'; there is: copy"),
        ({"learn": []}, "task is empty"),
        ({"forget_by": "double"}, "task is 'double'; there is: copy"),
        ({"width": 30}, "width must be a positive multiple of heads"),
        ({"length": 10}, "length must be a whole number from 1 to 9"),
        ({"steps": 0}, r"(?<!_)steps must"),
        ({"forget_steps": 0}, "forget_steps must"),
    ],
    ids=lambda x: str(x) if isinstance(x, dict) else "",
)
def test_an_experiment_that_cannot_run_is_refused_before_its_first_step(monkeypatch, bad, told):
    asked = []
    loss = transformer.loss
    monkeypatch.setattr(transformer, "loss", lambda *args: asked.append(1) or loss(*args))
    with pytest.raises(ValueError, match=told):
        multitask.learn_and_forget(**{**TINY, "steps": 2, "forget_steps": 2, **bad})
    assert not asked
