"""Descent in a subspace that is refreshed, against loops by hand, plain torch, and autograd in z."""

import math

import pytest
import torch

from lglib.geometry.subspace import Subspace
from lglib.parameters import subspace_descent
from lglib.parameters.descent import Diverged
from lglib.parameters.space import ParameterSpace

D, T = 6, 7


class Point(torch.nn.Module):
    """A module that is its one vector."""

    def __init__(self, start):
        super().__init__()
        self.w = torch.nn.Parameter(start.clone())


def draw(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


START, CURVED = draw(1, D), draw(2, 5, D)
TARGETS = list(draw(3, T, 5))  # the batches


def quartic(module, target):
    away = CURVED @ module.w - target
    return 0.05 * away.square().sum() + 0.01 * module.w.pow(4).sum()


def slope(x, target):
    """Gradient of `quartic`, by the rules of school."""
    return 0.1 * CURVED.T @ (CURVED @ x - target) + 0.04 * x**3


def plane(step, k=2):
    """An orthonormal basis of its own for every step, a plain tensor."""
    return torch.linalg.qr(draw(100 + step, D, k))[0]


def run(optimizer, basis=lambda step: Subspace(plane(step)), every=None, cost=0, batches=TARGETS, **how):
    space = ParameterSpace(Point(START))
    return subspace_descent.descend(
        space, quartic, optimizer, batches, basis=basis, every=every, cost=cost, **how
    )


def sgd(p):
    return torch.optim.SGD(p, lr=0.1)


@pytest.mark.parametrize("every", [1, 2, 3, T - 1, T, 50, None])
def test_with_sgd_it_is_projected_gradient_descent(every):
    x, points, losses = START, [START], []
    for step, target in enumerate(TARGETS):
        if step == 0 or (every and step % every == 0):
            u = plane(step)
        losses.append(0.05 * sum((CURVED @ x - target) ** 2) + 0.01 * sum(x**4))
        x = x - 0.1 * u @ (u.T @ slope(x, target))
        points.append(x)
    found = run(sgd, every=every).run
    torch.testing.assert_close(found.points, torch.stack(points))
    torch.testing.assert_close(found.losses, torch.stack(losses))
    torch.testing.assert_close(found.displacement, points[-1] - START)
    assert found.steps.tolist() == list(range(T + 1))


@pytest.mark.parametrize("every", [1, 3, None])
def test_momentum_starts_anew_with_each_basis(every):
    x, points = START, [START]
    for step, target in enumerate(TARGETS):
        if step == 0 or (every and step % every == 0):
            u, velocity = plane(step), torch.zeros(2, dtype=torch.float64)
        velocity = 0.9 * velocity + u.T @ slope(x, target)
        x = x - 0.1 * u @ velocity
        points.append(x)
    found = run(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), every=every)
    torch.testing.assert_close(found.run.points, torch.stack(points))


@pytest.mark.parametrize("every", [1, 3, None])
@pytest.mark.parametrize("name", ["AdamW", "Adam", "RMSprop"])
def test_any_optimiser_moves_the_coordinates_as_if_the_loss_were_a_function_of_them(name, every):
    def optimizer(p):
        return getattr(torch.optim, name)(p, lr=0.05, weight_decay=0.2)

    anchor, points = START, [START]
    for step, target in enumerate(TARGETS):
        if step == 0 or (every and step % every == 0):
            anchor, u = points[-1], plane(step)
            z = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
            stepper = optimizer([z])
        stepper.zero_grad()
        x = anchor + u @ z
        (0.05 * (CURVED @ x - target).square().sum() + 0.01 * x.pow(4).sum()).backward()
        stepper.step()
        points.append((anchor + u @ z).detach())
    torch.testing.assert_close(run(optimizer, every=every).run.points, torch.stack(points))


def tiny():
    """A network of 13 numbers, the same each time."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    space = ParameterSpace(net)
    space.load(draw(5, space.d).float())
    return net, space


INPUTS = [(x.float(), x.prod(1, keepdim=True).float()) for x in draw(6, 8, 4, 2)]


def squared(net, batch):
    return (net(batch[0]) - batch[1]).square().mean()


def plainly(optimizer):
    """The points of torch's own training."""
    net, space = tiny()
    stepper, points = optimizer(net.parameters()), [space.flatten()]
    for batch in INPUTS:
        stepper.zero_grad()
        squared(net, batch).backward()
        stepper.step()
        points.append(space.flatten())
    return torch.stack(points)


@pytest.mark.parametrize("every", [1, 3, None])
@pytest.mark.parametrize("turned", [False, True])
def test_in_a_basis_of_the_whole_space_sgd_is_plain_sgd(turned, every):
    def basis(step):
        return Subspace(torch.linalg.qr(draw(step, 13, 13).float())[0] if turned else torch.eye(13))

    found = subspace_descent.descend(tiny()[1], squared, sgd, INPUTS, basis=basis, every=every, cost=0)
    torch.testing.assert_close(found.run.points, plainly(sgd))


def test_in_the_basis_of_the_parameters_adamw_without_decay_is_plain_adamw():
    def adamw(p):
        return torch.optim.AdamW(p, lr=0.05, weight_decay=0.0)

    found = subspace_descent.descend(
        tiny()[1], squared, adamw, INPUTS, basis=lambda step: Subspace(torch.eye(13)), every=None, cost=0
    )
    torch.testing.assert_close(found.run.points, plainly(adamw))


@pytest.mark.parametrize("every", [1, 2, 3, T - 1, T, T + 1, None])
def test_a_basis_is_made_at_step_zero_and_after_every_so_many_steps_at_the_present_point(every):
    space, asked, places = ParameterSpace(Point(START)), [], []

    def basis(step):
        asked.append(step)
        places.append(space.flatten())
        return Subspace(plane(step))

    found = subspace_descent.descend(space, quartic, sgd, TARGETS, basis=basis, every=every, cost=1)
    assert asked == ([0] if every is None else list(range(0, T, every)))
    assert torch.equal(torch.stack(places), found.run.points[asked])


@pytest.mark.parametrize(
    ("every", "cost", "wanted"),
    [
        (None, 0, [0, 1, 2, 3, 4, 5, 6, 7]),
        (3, 0, [0, 1, 2, 3, 4, 5, 6, 7]),
        (None, 4, [0, 5, 6, 7, 8, 9, 10, 11]),
        (3, 4, [0, 5, 6, 7, 12, 13, 14, 19]),
        (1, 2, [0, 3, 6, 9, 12, 15, 18, 21]),
        (7, 10, [0, 11, 12, 13, 14, 15, 16, 17]),
    ],
)
def test_a_basis_and_a_step_are_paid_for_before_the_point_they_lead_to(every, cost, wanted):
    assert run(sgd, every=every, cost=cost).spent.tolist() == wanted


@pytest.mark.parametrize("every", [2, 3, None])
def test_between_two_bases_the_points_do_not_leave_the_subspace(every):
    points = run(lambda p: torch.optim.Adam(p, lr=0.3), every=every).run.points
    block = every or T
    for step in range(T):
        first = step - step % block
        u, moved = plane(first), points[step + 1] - points[first]
        assert moved.norm() > 0.01
        assert (moved - u @ (u.T @ moved)).norm() < 1e-12


def test_a_new_basis_leads_out_of_the_old_subspace():
    u, moved = plane(0), run(sgd, every=3).run.displacement
    assert (moved - u @ (u.T @ moved)).norm() > 0.01


def test_each_loss_is_that_of_the_point_before_its_step():
    found = run(sgd, every=2).run
    for point, target, loss in zip(found.points, TARGETS, found.losses, strict=False):
        assert loss.item() == pytest.approx(quartic(Point(point), target).item(), rel=1e-12)


def test_the_model_is_left_at_the_last_point_without_gradients():
    net = Point(START)
    space = ParameterSpace(net)
    found = subspace_descent.descend(
        space, quartic, sgd, TARGETS, basis=lambda step: Subspace(plane(0)), every=None, cost=0
    )
    assert torch.equal(space.flatten(), found.run.points[-1])
    assert torch.equal(found.run.points[0], START)
    assert net.w.grad is None


def test_parameters_outside_the_space_do_not_move():
    net, _ = tiny()
    space = ParameterSpace(net, where=lambda name, _: name == "2.weight")
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    subspace_descent.descend(
        space, squared, sgd, INPUTS, basis=lambda step: Subspace(torch.eye(3)), every=None, cost=0
    )
    assert [n for n, p in net.named_parameters() if not torch.equal(p, before[n])] == ["2.weight"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("every", [1, 2, None])
def test_a_loss_that_is_no_number_stops_with_all_that_was_recorded(every, bad):
    batches = [*TARGETS[:3], torch.full((5,), bad, dtype=torch.float64), *TARGETS[3:]]
    with pytest.raises(Diverged, match="at step 3") as caught:
        run(sgd, every=every, batches=batches)
    kept, whole = caught.value.trajectory, run(sgd, every=every, batches=TARGETS[:3]).run
    assert torch.equal(kept.points, whole.points)
    assert torch.equal(kept.losses, whole.losses)
    assert kept.steps.tolist() == [0, 1, 2, 3]


def test_a_loss_that_is_no_number_from_the_start_leaves_the_first_point():
    with pytest.raises(Diverged, match="at step 0") as caught:
        run(sgd, batches=[torch.full((5,), math.nan, dtype=torch.float64)])
    assert torch.equal(caught.value.trajectory.points, START[None])
    assert caught.value.trajectory.losses.shape == (0,)


def test_a_point_that_is_no_number_stops_with_all_that_was_recorded():
    rates = iter([0.1, 0.1, 1e308])

    def optimizer(p):  # a basis each step, so that each has its rate
        return torch.optim.SGD(p, lr=next(rates))

    def steep(module, target):
        return 100 * quartic(module, target)

    space = ParameterSpace(Point(START))
    with pytest.raises(Diverged, match="theta is not finite after step 2") as caught:
        subspace_descent.descend(
            space,
            steep,
            optimizer,
            TARGETS,
            basis=lambda step: Subspace(torch.eye(D).double()),
            every=1,
            cost=0,
        )
    kept = caught.value.trajectory
    assert (len(kept.points), len(kept.losses), kept.steps.tolist()) == (3, 2, [0, 1, 2])
    assert kept.points.isfinite().all()
    assert torch.equal(space.flatten(), kept.points[-1])


def test_a_gradient_that_is_no_number_is_a_divergence_though_the_loss_is_finite():
    def root(module, _):  # at 0 the loss is 0 and its slope infinite
        return module.w.abs().sqrt().sum()

    space = ParameterSpace(Point(torch.zeros(D, dtype=torch.float64)))
    with pytest.raises(Diverged) as caught:
        subspace_descent.descend(
            space, root, sgd, [None], basis=lambda step: Subspace(plane(0)), every=None, cost=0
        )
    assert caught.value.trajectory.points.tolist() == [[0.0] * D]


@pytest.mark.parametrize(
    "loss",
    [
        lambda module, batch: module.w * 1.0,
        lambda module, batch: module.w.detach().sum(),
        lambda module, batch: int("x" * len(batch)),
    ],
    ids=["not a scalar", "no graph", "fails by itself"],
)
def test_a_loss_that_is_wrong_is_an_error_and_no_divergence(loss):
    space = ParameterSpace(Point(START))
    with pytest.raises((ValueError, RuntimeError)) as caught:
        subspace_descent.descend(
            space, loss, sgd, TARGETS, basis=lambda step: Subspace(plane(0)), every=None, cost=0
        )
    assert not isinstance(caught.value, Diverged)


@pytest.mark.parametrize("every", [0, -1, 1.0, 2.5, True, math.nan, "3"])
def test_every_is_a_whole_number_of_steps(every):
    with pytest.raises(ValueError, match="every must be a whole number from 1"):
        run(sgd, every=every)


@pytest.mark.parametrize("cost", [-1, 0.5, True, None, math.nan])
def test_a_cost_is_a_whole_number_of_gradients(cost):
    with pytest.raises(ValueError, match="cost must be a whole number from 0"):
        run(sgd, cost=cost)


@pytest.mark.parametrize("batches", [[], ()])
def test_no_batch_is_refused_before_a_basis_is_paid_for(batches):
    asked = []
    with pytest.raises(ValueError, match="batches is empty"):
        run(sgd, basis=asked.append, batches=batches)
    assert asked == []


@pytest.mark.parametrize("basis", [torch.eye(D + 1)[:, :2].double(), torch.eye(D)[:, :2]], ids=["d", "dtype"])
def test_a_basis_of_another_space_is_refused_and_nothing_moves(basis):
    space = ParameterSpace(Point(START))
    with pytest.raises(ValueError, match="want d = "):
        subspace_descent.descend(
            space, quartic, sgd, TARGETS, basis=lambda step: Subspace(basis), every=None, cost=0
        )
    assert torch.equal(space.flatten(), START)
