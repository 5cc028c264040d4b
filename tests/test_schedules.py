"""Schedules of two tasks: combined gradients against their definitions, who is trained when, budgets."""

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torchjd.aggregation import AlignedMTL

from lglib.parameters import descent
from lglib.parameters.space import ParameterSpace
from lglib.studies.synthetic import schedules

START = torch.tensor([1.0, 2.0], dtype=torch.float64)
PAIRS = {
    "conflicting": ([2.0, 1.0], [-1.5, 1.0]),
    "agreeing": ([2.0, 1.0], [0.5, 1.0]),
    "one much longer": ([40.0, 3.0], [-0.1, 0.2]),
    "orthogonal": ([3.0, 0.0], [0.0, 0.5]),
}
LOSSES = (3.0, 0.5)
angles = st.floats(0, 2 * np.pi)
sizes = st.floats(0.01, 100)


def model(start=START):
    """A line: two parameters, in two tensors."""
    net = torch.nn.Linear(1, 1).to(start.dtype)
    ParameterSpace(net).load(start)
    return net


def quadratic(gradient, loss):
    """Task with this gradient and this loss at START: a parabola around another point."""
    centre = START - torch.tensor(gradient, dtype=torch.float64)
    at_start = 0.5 * (START - centre).square().sum()
    return lambda theta: 0.5 * (theta - centre).square().sum() + loss - at_start


def linear(gradient, loss):
    """Task with this gradient everywhere, and this loss at START."""
    return lambda theta: torch.tensor(gradient, dtype=theta.dtype) @ (theta - START.to(theta)) + loss


def evaluate(net, task):
    return task(torch.cat([p.reshape(-1) for p in net.parameters()]))


def combine(name, a, b, losses=LOSSES):
    """Gradient (2,) and loss that a schedule makes of a quadratic task A and a linear task B."""
    space = ParameterSpace(model())
    tasks = [quadratic(a, losses[0]), linear(b, losses[1])]
    loss, gradients = schedules.combined(name)(space, evaluate, tasks)
    assert [g.shape for g in gradients] == [p.shape for p in space.parameters()]
    return torch.cat([g.reshape(-1) for g in gradients]).numpy(), loss


def pcgrad(a, b):
    """Each gradient, where it conflicts, without its part along the ORIGINAL other one; then the sum."""

    def freed(x, other):
        return x - (x @ other) / (other @ other) * other if x @ other < 0 else x

    a, b = np.asarray(a), np.asarray(b)
    return freed(a, b) + freed(b, a)


def vector(angle, size):
    return [size * np.cos(angle), size * np.sin(angle)]


pairs = pytest.mark.parametrize(("a", "b"), PAIRS.values(), ids=PAIRS)

# --- combined gradients against their definitions


@pairs
def test_the_raw_sum_is_the_sum_and_the_loss_told_is_the_mean(a, b):
    gradient, loss = combine("raw gradient sum", a, b)
    np.testing.assert_allclose(gradient, np.add(a, b), rtol=1e-12)
    assert loss.item() == pytest.approx(np.mean(LOSSES))


@pairs
def test_the_normalised_sum_adds_unit_gradients(a, b):
    expected = np.divide(a, np.linalg.norm(a)) + np.divide(b, np.linalg.norm(b))
    np.testing.assert_allclose(combine("normalised gradient sum", a, b)[0], expected, rtol=1e-12)


@pairs
def test_pcgrad_frees_each_gradient_of_its_part_against_the_original_other(a, b):
    gradient, _ = combine("PCGrad-lite", a, b)
    np.testing.assert_allclose(gradient, pcgrad(a, b), rtol=1e-12)
    if np.dot(a, b) >= 0:
        np.testing.assert_allclose(gradient, np.add(a, b), rtol=1e-12)


def test_pcgrad_of_a_worked_example():
    # a = (1, 0), b = (-1, 1): a loses its half along b, b keeps (0, 1)
    np.testing.assert_allclose(combine("PCGrad-lite", [1.0, 0.0], [-1.0, 1.0])[0], [0.5, 1.5], rtol=1e-12)


@pairs
def test_equal_decrease_lowers_both_losses_alike_and_is_as_long_as_the_raw_sum(a, b):
    gradient, _ = combine("equal loss decrease", a, b)
    assert gradient @ a == pytest.approx(gradient @ b, rel=1e-9)
    assert gradient @ a > 0
    assert np.linalg.norm(gradient) == pytest.approx(np.linalg.norm(np.add(a, b)), rel=1e-12)


@pairs
def test_equal_relative_decrease_lowers_losses_in_proportion_to_them(a, b):
    gradient, _ = combine("equal relative decrease", a, b)
    assert gradient @ a / LOSSES[0] == pytest.approx(gradient @ b / LOSSES[1], rel=1e-9)
    assert gradient @ a > 0
    assert np.linalg.norm(gradient) == pytest.approx(np.linalg.norm(np.add(a, b)), rel=1e-12)


@pairs
def test_loss_balancing_descends_the_sum_of_log_losses(a, b):
    theta = START.clone().requires_grad_()
    (quadratic(a, LOSSES[0])(theta).log() + linear(b, LOSSES[1])(theta).log()).backward()
    np.testing.assert_allclose(combine("loss balanced", a, b)[0], theta.grad, rtol=1e-12)


@pytest.mark.parametrize(
    ("a", "b"), [*PAIRS.values(), ([4.0, 0.0], [1.0, 0.2]), ([1.0, 0.2], [4.0, 0.0])], ids=str
)
def test_mgda_is_the_shortest_vector_between_the_two_gradients(a, b):
    a, b = np.array(a), np.array(b)
    share = np.clip(b @ (b - a) / ((a - b) @ (a - b)), 0, 1)  # of a
    expected = share * a + (1 - share) * b
    gradient, _ = combine("MGDA", a.tolist(), b.tolist())
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)
    every = np.linspace(0, 1, 1001)[:, None]
    lengths = np.linalg.norm(every * a + (1 - every) * b, axis=1)
    assert np.linalg.norm(gradient) <= lengths.min() + 1e-12


@pairs
def test_aligned_mtl_evens_out_the_singular_values(a, b):
    u, values, vt = np.linalg.svd(np.array([a, b]), full_matrices=False)
    expected = (u * values.min() @ vt).mean(0)  # both singular values are now the smaller one
    gradient, _ = combine("Aligned-MTL", a, b)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9)
    theirs = AlignedMTL()(torch.tensor([a, b], dtype=torch.float64))
    np.testing.assert_allclose(gradient, theirs, rtol=1e-9)


@settings(deadline=None, max_examples=60)
@given(angles, angles, sizes, sizes)
def test_upgrad_of_two_tasks_is_half_of_pcgrad(alpha, beta, one, two):
    assume(abs(abs((alpha - beta) % (2 * np.pi)) - np.pi) > 1e-3)  # neither zero nor opposite
    pair = np.array([vector(alpha, one), vector(beta, two)])

    def project(g):  # on {v: a.v >= 0, b.v >= 0}: v = g + pair^T w, the shortest one with w >= 0
        return g + pair.T @ scipy.optimize.nnls(pair.T, -g)[0]

    upgrad = np.mean([project(g) for g in pair], axis=0)
    np.testing.assert_allclose(upgrad, combine("PCGrad-lite", *pair.tolist())[0] / 2, atol=1e-9 * (one + two))


@settings(deadline=None, max_examples=60)
@given(angles, angles, sizes, sizes)
def test_where_pcgrad_and_mgda_lower_one_loss_they_raise_no_other(alpha, beta, one, two):
    a, b = vector(alpha, one), vector(beta, two)
    for name in ("PCGrad-lite", "MGDA"):
        gradient, _ = combine(name, a, b)
        assert gradient @ a >= -1e-9 * one * (one + two)
        assert gradient @ b >= -1e-9 * two * (one + two)


@settings(deadline=None, max_examples=60)
@given(angles, angles, sizes, sizes)
def test_a_schedule_treats_its_two_tasks_alike(alpha, beta, one, two):
    assume(abs(np.sin(alpha - beta)) > 1e-3)  # not parallel
    a, b = vector(alpha, one), vector(beta, two)
    gramian = torch.tensor(np.array([a, b]) @ np.array([a, b]).T)
    losses = torch.tensor(LOSSES, dtype=torch.float64)
    for name in schedules.SIMULTANEOUS:
        forth = schedules.weights(name, gramian, losses)
        back = schedules.weights(name, gramian.flip(0, 1), losses.flip(0)).flip(0)
        torch.testing.assert_close(forth, back, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", schedules.SIMULTANEOUS)
def test_weights_are_those_of_the_combined_gradient(name):
    a, b = PAIRS["conflicting"]
    rows = torch.tensor([a, b], dtype=torch.float64)
    w = schedules.weights(name, rows @ rows.T, torch.tensor(LOSSES, dtype=torch.float64))
    np.testing.assert_allclose(w @ rows, combine(name, a, b)[0], rtol=1e-12)


@pytest.mark.parametrize("name", schedules.SIMULTANEOUS)
def test_weights_leave_the_global_generator_alone_and_do_not_depend_on_it(name):
    rows = torch.randn(3, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    rows[2] = -rows[0] - rows[1] + 0.1  # conflicts with both, so for three tasks the order matters
    found = []
    for seed in range(8):
        before = torch.manual_seed(seed).get_state()
        found.append(schedules.weights(name, rows @ rows.T, torch.ones(3, dtype=torch.float64)))
        assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(w, found[0]) for w in found)


# --- gradients at the edge


@pytest.mark.parametrize("name", schedules.SIMULTANEOUS)
@pytest.mark.parametrize(("a", "b"), [([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 0.0]), ([0.0] * 2,) * 2])
def test_a_task_without_a_gradient_gives_no_nan(name, a, b):
    for losses in (LOSSES, (0.0, 0.5), (0.0, 0.0)):
        gradient, _ = combine(name, a, b, losses)
        assert np.isfinite(gradient).all()
    if np.any(a) or np.any(b):
        direction = np.add(a, b) / np.linalg.norm(np.add(a, b))
        along = combine(name, a, b)[0] @ direction
        assert along == pytest.approx(np.linalg.norm(combine(name, a, b)[0]), abs=1e-12)  # the other's, or 0


@pytest.mark.parametrize("name", schedules.SIMULTANEOUS)
def test_opposite_gradients_cancel_or_stay_finite(name):
    gradient, _ = combine(name, [1.0, 2.0], [-1.0, -2.0])
    assert np.isfinite(gradient).all()
    if name != "loss balanced":  # whose weights know nothing of the angle
        assert np.linalg.norm(gradient) < 1e-6


@pytest.mark.parametrize("name", ["equal loss decrease", "equal relative decrease"])
@pytest.mark.parametrize("factor", [0.7, 1.0, 3.0])
def test_equal_decrease_of_parallel_float32_gradients_is_as_long_as_the_raw_sum(name, factor):
    # parallel to float32 rounding: the Gram matrix has a tiny eigenvalue that is noise
    v = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    net = torch.nn.Linear(1000, 1, bias=False)
    space = ParameterSpace(net)
    slopes = [v, factor * v]
    _, (gradient,) = schedules.combined(name)(space, lambda m, g: m.weight[0] @ g + 10, slopes)
    assert gradient.norm().item() == pytest.approx((1 + factor) * v.norm().item(), rel=1e-3)
    assert torch.cosine_similarity(gradient[0], v, dim=0).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", schedules.SIMULTANEOUS)
def test_a_schedule_combines_on_a_gpu_what_it_combines_on_a_cpu(name):
    a, b = PAIRS["conflicting"]
    net = model().cuda()
    slopes = [torch.tensor(g, dtype=torch.float64, device="cuda") for g in (a, b)]
    losses = iter(LOSSES)

    def loss(module, slope):
        theta = torch.cat([module.weight[0], module.bias])
        return (theta - theta.detach()) @ slope + next(losses)

    _, gradients = schedules.combined(name)(ParameterSpace(net), loss, slopes)
    found = torch.cat([g.reshape(-1) for g in gradients]).cpu()
    np.testing.assert_allclose(found, combine(name, a, b)[0], rtol=1e-9)


# --- runs: who is trained when, and on how much


def record(name, steps, examples=8, start=START):
    """Run a schedule on two linear tasks; the calls of `batches`, in order, and the run."""
    calls = []

    def batches(tasks, n, step):
        calls.append((list(tasks), n, step))
        return linear([1.0, 0.0] if list(tasks) == [0] else [0.0, 1.0], 5.0)

    how = dict(optimizer=descent.optimizer("SGD", 1e-3), steps=steps, examples=examples)
    return calls, schedules.run(name, ParameterSpace(model(start)), evaluate, batches, **how)


@pytest.mark.parametrize(
    ("name", "steps", "seen"),
    [
        ("alternating", 5, [[0], [1], [0], [1], [0]]),
        ("alternating, 8 blocks", 16, [[0], [0], [1], [1]] * 4),
        ("sequential A then B", 4, [[0], [0], [1], [1]]),
        ("sequential A then B", 5, [[0], [0], [0], [1], [1]]),
        ("sequential B then A", 4, [[1], [1], [0], [0]]),
        ("sequential B then A", 5, [[1], [1], [1], [0], [0]]),
        ("joint mixed", 3, [[0, 1]] * 3),
    ],
)
def test_each_step_of_a_schedule_in_turn_sees_its_tasks(name, steps, seen):
    assert record(name, steps)[0] == [(tasks, 8, step) for step, tasks in enumerate(seen)]


@pytest.mark.parametrize("name", schedules.SIMULTANEOUS)
def test_each_step_of_a_simultaneous_schedule_sees_half_a_batch_of_each_task(name):
    assert record(name, 3)[0] == [([task], 4, step) for step in range(3) for task in (0, 1)]


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_every_schedule_has_the_same_budget(name):
    calls, run = record(name, 104, examples=6)
    assert sum(n for _, n, _ in calls) == 624
    assert sorted({step for _, _, step in calls}) == list(range(104))
    assert len(run.losses) == 104
    assert run.steps.tolist() == [0, 52, 104]
    of_task = [sum(n / len(tasks) for tasks, n, _ in calls if task in tasks) for task in (0, 1)]
    assert of_task == [312, 312]


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_a_run_starts_at_the_model_and_leaves_it_at_its_last_point(name):
    net, points = model(), []

    def batches(tasks, n, step):
        points.append(ParameterSpace(net).flatten())
        return linear([1.0, 0.5], 5.0)

    how = dict(optimizer=descent.optimizer("SGD", 1e-3), steps=8, examples=2)
    run = schedules.run(name, ParameterSpace(net), evaluate, batches, **how)
    assert torch.equal(run.points[0], START)
    assert torch.equal(run.points[-1], ParameterSpace(net).flatten())
    assert not torch.equal(points[-1], START)


def test_a_schedule_takes_the_steps_of_a_loop_by_hand():
    tasks, lr = [quadratic([2.0, 1.0], 3.0), quadratic([-1.5, 1.0], 0.5)], 0.1
    centres = np.array([[-1.0, 1.0], [2.5, 1.0]])  # START - gradient

    def batches(which, n, step):
        return tasks[which[0]]

    for name in ("PCGrad-lite", "alternating", "sequential B then A"):
        how = dict(optimizer=descent.optimizer("SGD", lr), steps=6, examples=2)
        run = schedules.run(name, ParameterSpace(model()), evaluate, batches, **how)
        theta = START.numpy().copy()
        for step in range(6):
            a, b = theta - centres
            own = {"PCGrad-lite": pcgrad(a, b), "alternating": (a, b)[step % 2]}
            theta = theta - lr * own.get(name, b if step < 3 else a)
        np.testing.assert_allclose(run.points[-1], theta, rtol=1e-12)


def test_in_sequence_the_last_task_wins_and_together_both_do():
    tasks = [quadratic([2.0, 1.0], 3.0), quadratic([-1.5, 1.0], 3.0)]
    centres = torch.tensor([[-1.0, 1.0], [2.5, 1.0]], dtype=torch.float64)
    ends = {}
    for name in ("sequential A then B", "sequential B then A", "raw gradient sum"):
        how = dict(optimizer=descent.optimizer("SGD", 0.1), steps=200, examples=2)
        run = schedules.run(name, ParameterSpace(model()), evaluate, lambda which, *_: tasks[which[0]], **how)
        ends[name] = run.points[-1]
    torch.testing.assert_close(ends["sequential A then B"], centres[1], atol=1e-3, rtol=0)
    torch.testing.assert_close(ends["sequential B then A"], centres[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(ends["raw gradient sum"], centres.mean(0), atol=1e-3, rtol=0)


# --- refusals


def test_an_unknown_schedule_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"schedule is 'best'; there is: raw gradient sum, .*B then A"):
        record("best", 4)
    for name in ("best", "alternating"):  # weights are of simultaneous ones
        with pytest.raises(ValueError, match=f"schedule is '{name}'; simultaneous ones are: .*Aligned-MTL$"):
            schedules.weights(name, torch.eye(2), torch.ones(2))


@pytest.mark.parametrize(("steps", "examples"), [(1, 8), (0, 8), (4, 7), (4, 0), (4, 1), (4, -2)])
def test_too_few_steps_or_an_odd_number_of_examples_is_refused(steps, examples):
    told = f"steps must be .* and examples .*, got {steps} and {examples}"
    with pytest.raises(ValueError, match=told):
        record("alternating", steps, examples)


@pytest.mark.parametrize(("steps", "examples"), [(2.5, 8), (4, 8.0)])
def test_steps_and_examples_are_whole_numbers(steps, examples):
    with pytest.raises(ValueError, match=r"steps must be .*and examples"):
        record("joint mixed", steps, examples)


@pytest.mark.parametrize("name", schedules.SIMULTANEOUS)
def test_a_gramian_of_another_shape_or_not_finite_is_refused(name):
    eye, ones = torch.eye(2), torch.ones(2)
    for gramian, losses, told in [
        (torch.eye(3), ones, r"\(m, m\) and \(m,\), got \(3, 3\) and \(2,\)"),
        (eye[:1], ones, r"got \(1, 2\) and \(2,\)"),
        (eye, ones[None], r"got \(2, 2\) and \(1, 2\)"),
        (eye / 0, ones, "gramian and losses must be finite"),
        (eye, ones / 0, "gramian and losses must be finite"),
        (eye * torch.nan, ones, "gramian and losses must be finite"),
    ]:
        with pytest.raises(ValueError, match=told):
            schedules.weights(name, gramian, losses)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_stops_being_finite_is_told_as_divergence(name, bad):
    def batches(tasks, n, step):
        worse = step >= 2 and (tasks[-1] == 1 or name in schedules.IN_TURN)  # of two, only the second
        return linear([1.0, 1.0], bad if worse else 5.0)

    net = model()
    how = dict(optimizer=descent.optimizer("SGD", 1e-3), steps=8, examples=2)
    with pytest.raises(descent.Diverged, match=r"loss is (nan|inf) at step 2") as caught:
        schedules.run(name, ParameterSpace(net), evaluate, batches, **how)
    assert len(caught.value.trajectory.losses) == 2
    assert ParameterSpace(net).flatten().isfinite().all()


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_a_gradient_that_is_not_finite_is_told_as_divergence(name):
    def slope(theta):
        return theta.sub(START).abs().sqrt().sum() + 1  # finite at START, and its slope there is not

    how = dict(optimizer=descent.optimizer("SGD", 1e-3), steps=8, examples=2)
    with pytest.raises(descent.Diverged, match="at step 0"):
        schedules.run(name, ParameterSpace(model()), evaluate, lambda *_: slope, **how)


def test_blocks_that_do_not_fill_the_budget_evenly_are_refused():
    with pytest.raises(ValueError, match="steps must be a multiple of 8 for 'alternating, 8 blocks', got 12"):
        record("alternating, 8 blocks", 12)
