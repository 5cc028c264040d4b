import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lglib.geometry.subspace import Subspace
from lglib.parameters.space import ParameterSpace
from lglib.studies.synthetic import transformer
from lglib.tasks import synthetic


def network(dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 2)).to(dtype)


def data(n=7, seed=1):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=g, dtype=torch.float64), torch.arange(n) % 2


def loss_fn(module, batch):
    return nn.functional.cross_entropy(module(batch[0]), batch[1])


def dense_hessian(model, space, batch):
    """Hessian by torch.autograd.functional, through `functional_call` written out here."""

    def loss(theta):
        parts = {n: theta[space.slices[n]].reshape(space.shapes[n]) for n in space.names}
        output = torch.func.functional_call(model, parts, (batch[0],))
        return nn.functional.cross_entropy(output, batch[1])

    return torch.autograd.functional.hessian(loss, space.flatten())


@pytest.fixture
def gpt2():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=11,
        n_positions=6,
        n_embd=8,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation="eager",
    )
    return transformers.GPT2LMHeadModel(config).double().eval()


def token_loss(module, tokens):
    logits = module(input_ids=tokens).logits[:, :-1]
    return nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def gpt2_loss(space):
    """The same loss as a function of theta, for torch.func."""

    def loss(theta):
        logits = space.functional(theta, input_ids=TOKENS).logits[:, :-1]
        return nn.functional.cross_entropy(logits.flatten(0, 1), TOKENS[:, 1:].flatten())

    return loss


TOKENS = torch.tensor([[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]])

# --- the point theta


def test_the_order_is_that_of_named_parameters():
    model = network()
    space = ParameterSpace(model)
    assert space.names == tuple(n for n, _ in model.named_parameters())
    assert space.d == sum(p.numel() for p in model.parameters()) == 42
    theta = space.flatten()
    for name, parameter in model.named_parameters():
        assert torch.equal(theta[space.slices[name]].view(space.shapes[name]), parameter)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31))
def test_flatten_gives_back_what_was_loaded(seed):
    space = ParameterSpace(network())
    theta = torch.randn(space.d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    space.load(theta)
    assert torch.equal(space.flatten(), theta)
    assert torch.equal(space.join(space.split(theta)), theta)


def test_flatten_is_a_copy_even_of_a_single_parameter():
    model = nn.Linear(3, 1, bias=False)
    theta = ParameterSpace(model).flatten()
    theta += 1
    assert not torch.equal(theta, model.weight.flatten())
    assert not theta.requires_grad


def test_split_gives_views():
    space = ParameterSpace(network())
    vector = torch.zeros(space.d)
    space.split(vector)["0.bias"].fill_(1)
    assert vector.sum() == 5


def test_an_optimizer_keeps_its_tensors_through_load():
    model = network()
    space = ParameterSpace(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    theta = torch.zeros(space.d, dtype=torch.float64)
    space.load(theta)
    loss_fn(model, data()).backward()
    g = space.gradient(loss_fn, data())
    optimizer.step()
    torch.testing.assert_close(space.flatten(), theta - 0.1 * g)


def test_where_chooses_a_subset_and_leaves_the_rest_alone():
    model = network()
    space = ParameterSpace(model, where=lambda name, parameter: name.startswith("3"))
    assert space.names == ("3.weight", "3.bias")
    before = model[0].weight.clone()
    space.load(torch.zeros(space.d, dtype=torch.float64))
    assert torch.equal(model[0].weight, before)
    assert model[3].weight.abs().sum() == 0


def test_frozen_parameters_are_left_out_by_default():
    model = network()
    model[0].requires_grad_(False)
    assert ParameterSpace(model).names == ("2.weight", "2.bias", "3.weight", "3.bias")


def test_a_parameter_replaced_in_the_module_is_followed():
    model = nn.Linear(2, 1)
    space = ParameterSpace(model)
    model.weight = nn.Parameter(torch.full((1, 2), 7.0))
    assert space.flatten()[:2].tolist() == [7.0, 7.0]


def test_non_contiguous_parameters_make_the_round_trip():
    model = nn.Linear(3, 2)
    model.weight = nn.Parameter(torch.arange(6.0).view(3, 2).T)
    space = ParameterSpace(model)
    theta = space.flatten()
    assert torch.equal(theta[:6].view(2, 3), model.weight)
    space.load(theta + 1)
    assert torch.equal(space.flatten(), theta + 1)


# --- at


def test_at_restores_every_bit_after_an_exception():
    model = network()
    with torch.no_grad():
        model[0].weight[0, 0] = 0.1 + 0.2  # would not survive adding and subtracting
        model[0].bias[0] = math.nan  # nor a check for finite values
    space = ParameterSpace(model)
    before, tensors = space.flatten().view(torch.int64), [id(p) for p in model.parameters()]

    def fail_inside():
        with space.at(torch.full((space.d,), 1e9, dtype=torch.float64)) as module:
            assert module is model
            assert model[0].bias[0] == 1e9
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert torch.equal(space.flatten().view(torch.int64), before)
    assert [id(p) for p in model.parameters()] == tensors


def test_at_restores_what_the_body_trained_and_can_be_nested():
    model = network()
    space = ParameterSpace(model)
    before = space.flatten()
    with space.at(before + 1):
        space.load(before + 2)
        with space.at(before + 3):
            assert torch.equal(space.flatten(), before + 3)
        assert torch.equal(space.flatten(), before + 2)
    assert torch.equal(space.flatten(), before)


def test_at_with_a_bad_theta_changes_nothing():
    space = ParameterSpace(network())
    before = space.flatten()
    with pytest.raises(ValueError, match="theta: got"), space.at(before[:-1]):
        pass
    assert torch.equal(space.flatten(), before)


# --- loss and gradients


def test_loss_is_a_float_and_builds_no_graph():
    model = network()
    space = ParameterSpace(model)
    value = space.loss(loss_fn, data())
    assert isinstance(value, float)
    assert value == loss_fn(model, data()).item()
    assert space.loss(lambda module, batch: torch.tensor(math.inf)) == math.inf


def test_gradient_agrees_with_backward_and_leaves_grad_alone():
    model = network()
    space = ParameterSpace(model)
    with torch.no_grad():  # the caller's mode does not matter
        g = space.gradient(loss_fn, data())
    assert all(p.grad is None for p in model.parameters())
    assert not g.requires_grad
    loss_fn(model, data()).backward()
    torch.testing.assert_close(g, space.join({n: p.grad for n, p in model.named_parameters()}))
    kept = model[0].weight.grad.clone()
    space.gradient(loss_fn, data(seed=2))
    assert torch.equal(model[0].weight.grad, kept)


def test_unused_parameters_have_zero_gradient_and_zero_curvature():
    model = network()
    space = ParameterSpace(model)

    def first_layer_only(module, batch):
        return (module[0](batch[0]) ** 2).sum()

    g = space.split(space.gradient(first_layer_only, data()))
    assert g["0.weight"].abs().sum() > 0
    assert g["3.weight"].abs().sum() == 0
    hv = space.split(space.hvp(first_layer_only, torch.ones(space.d, dtype=torch.float64), data()))
    assert hv["0.weight"].abs().sum() > 0
    assert hv["3.weight"].abs().sum() == 0


def test_a_linear_loss_has_a_zero_hessian():
    space = ParameterSpace(network())
    linear = lambda module, batch: 2 * module[3].bias.sum()  # noqa: E731
    ones = torch.ones(space.d, dtype=torch.float64)
    assert space.gradient(linear).sum() == 4
    assert torch.equal(space.hvp(linear, ones), 0 * ones)


def test_gradient_matrix_has_a_row_for_each_batch():
    space = ParameterSpace(network())
    batches = [data(seed=i) for i in range(3)]
    rows = space.gradient_matrix(loss_fn, iter(batches))
    assert rows.shape == (3, space.d)
    assert not rows.requires_grad
    for row, batch in zip(rows, batches, strict=True):
        assert torch.equal(row, space.gradient(loss_fn, batch))


# --- curvature


def test_hvp_and_hessian_agree_with_a_dense_reference():
    model = network()
    space = ParameterSpace(model)
    expected = dense_hessian(model, space, data())
    torch.testing.assert_close(space.hessian(loss_fn, data()), expected)
    v = torch.randn(space.d, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    torch.testing.assert_close(space.hvp(loss_fn, v, data()), expected @ v)


def test_hvp_agrees_with_curvlinops():
    curvlinops = pytest.importorskip("curvlinops")
    model, (x, y) = network(), data()
    # Without the LayerNorm: curvlinops 3.0.1 takes jvp of jacrev, which torch 2.13 has wrong for LayerNorm's
    # weight (the Hessian comes out asymmetric); ours equals a central difference of backward() there.
    model = nn.Sequential(model[0], model[1], model[3])
    space = ParameterSpace(model)
    operator = curvlinops.HessianLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), [(x, y)]
    )
    v = torch.randn(space.d, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    torch.testing.assert_close(space.hvp(loss_fn, v, (x, y)), operator @ v)


def test_the_operator_runs_the_model_once_for_many_vectors():
    model, calls = network(), []
    space = ParameterSpace(model)
    model.register_forward_hook(lambda *_: calls.append(1))
    product = space.hvp_operator(loss_fn, data())
    u, v = torch.eye(space.d, dtype=torch.float64)[:2]
    torch.testing.assert_close(product(u) + 2 * product(v), product(u + 2 * v))
    assert len(calls) == 1


def test_the_operator_refuses_to_work_after_the_model_has_moved():
    space = ParameterSpace(network())
    product = space.hvp_operator(loss_fn, data())
    space.load(space.flatten() + 1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product(torch.ones(space.d, dtype=torch.float64))


def test_krylov_space_of_a_network_contains_powers_of_its_hessian():
    space = ParameterSpace(network())
    g0, h = space.gradient(loss_fn, data()), space.hessian(loss_fn, data())
    krylov = Subspace.krylov(space.hvp_operator(loss_fn, data()), g0, 3)
    torch.testing.assert_close(krylov.capture(torch.stack([g0, h @ g0, h @ h @ g0])), torch.ones(3).double())


# --- functional


def test_functional_gives_the_output_at_theta_and_leaves_the_model_there():
    model = network()
    space = ParameterSpace(model, where=lambda name, parameter: "weight" in name)
    before, theta = space.flatten(), space.flatten() * 2
    output = space.functional(theta, data()[0])
    assert torch.equal(space.flatten(), before)
    with space.at(theta):
        assert torch.equal(model(data()[0]), output)


def test_functional_under_jvp_agrees_with_a_central_difference():
    space = ParameterSpace(network())
    theta, (x, _) = space.flatten(), data()
    v = torch.randn(space.d, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    output = lambda theta: space.functional(theta, x)  # noqa: E731
    value, slope = torch.func.jvp(output, (theta,), (v,))
    torch.testing.assert_close(value, output(theta))
    s = 1e-5
    difference = (output(theta + s * v) - output(theta - s * v)) / (2 * s)
    torch.testing.assert_close(slope, difference, atol=1e-8, rtol=1e-7)


def test_functional_under_vjp_and_vmap_agrees_with_one_theta_at_a_time():
    space = ParameterSpace(network())
    theta, (x, y) = space.flatten(), data()
    loss = lambda theta: nn.functional.cross_entropy(space.functional(theta, x), y)  # noqa: E731
    (g,) = torch.func.vjp(loss, theta)[1](torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(g, space.gradient(loss_fn, (x, y)))
    thetas = torch.stack([theta, theta + 1, theta * 2])
    torch.testing.assert_close(torch.func.vmap(loss)(thetas), torch.stack([loss(t) for t in thetas]))


# --- a transformer with tied embeddings


def test_tied_embeddings_count_once_and_stay_tied(gpt2):
    space = ParameterSpace(gpt2)
    assert "transformer.wte.weight" in space.names
    assert "lm_head.weight" not in space.names
    assert space.d == sum(p.numel() for p in gpt2.parameters())
    space.load(space.flatten() * 2)
    assert gpt2.lm_head.weight is gpt2.transformer.wte.weight


def test_gradient_and_hvp_of_gpt2_see_both_uses_of_the_tied_embedding(gpt2):
    space = ParameterSpace(gpt2)
    g = space.gradient(token_loss, TOKENS)
    token_loss(gpt2, TOKENS).backward()
    torch.testing.assert_close(g, space.join({n: p.grad for n, p in gpt2.named_parameters()}))
    v = torch.randn(space.d, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    forward_over_reverse = torch.func.jvp(torch.func.grad(gpt2_loss(space)), (space.flatten(),), (v,))[1]
    torch.testing.assert_close(space.hvp(token_loss, v, TOKENS), forward_over_reverse)


def test_functional_of_gpt2_has_the_slope_of_its_gradient(gpt2):
    space = ParameterSpace(gpt2)
    theta, g, loss = space.flatten(), space.gradient(token_loss, TOKENS), gpt2_loss(space)
    torch.testing.assert_close(torch.func.grad(loss)(theta), g)
    torch.testing.assert_close(torch.func.jvp(loss, (theta,), (g,))[1], g @ g)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_the_krylov_space_of_a_small_transformer_is_the_one_numpy_spans(k):
    model = transformer.build(width=8, length=2, layers=2, heads=2, seed=0).double()
    space = ParameterSpace(model, where=lambda name, _: "h.0.attn" in name)  # d = 288: a dense H is cheap
    assert 200 < space.d <= 300
    batch = synthetic.draw(["reverse", "sort"], 16, part="train", key=0, length=2)
    hessian, g = (
        space.hessian(transformer.loss, batch).numpy(),
        space.gradient(transformer.loss, batch).numpy(),
    )
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)
    columns = [g / np.linalg.norm(g)]
    for _ in range(k - 1):
        after = hessian @ columns[-1]
        columns.append(after / np.linalg.norm(after))  # its length changes no span
    powers = np.linalg.qr(np.stack(columns, 1))[0]
    product = space.hvp_operator(transformer.loss, batch)
    krylov = Subspace.krylov(product, torch.from_numpy(g), k).basis.numpy()
    np.testing.assert_allclose(krylov @ krylov.T, powers @ powers.T, atol=1e-7)


def test_a_gradient_step_of_a_small_transformer_leads_into_its_krylov_space():
    model = transformer.build(width=8, length=2, layers=1, heads=2, seed=0).double()
    space = ParameterSpace(model)
    batch = synthetic.draw("copy", 16, part="train", key=0, length=2)
    g, theta, lr = space.gradient(transformer.loss, batch), space.flatten(), 1e-4
    krylov = Subspace.krylov(space.hvp_operator(transformer.loss, batch), g, 2)
    with space.at(theta - lr * g):
        after = space.gradient(transformer.loss, batch)
    change = g - after  # lr H g, to first order
    assert krylov.capture(change) == pytest.approx(1, abs=1e-5)
    assert Subspace(krylov.basis[:, :1]).capture(change) < 0.99  # and not along g alone


# --- refusals


def test_a_space_needs_trainable_parameters_of_one_kind():
    mixed = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    frozen = nn.Linear(2, 2).requires_grad_(False)
    imaginary = nn.ParameterDict({"z": nn.Parameter(torch.zeros(2, dtype=torch.complex64))})
    for build, message in [
        (lambda: ParameterSpace(nn.ReLU()), "where: chose no parameter"),
        (lambda: ParameterSpace(frozen), "where: chose no parameter"),
        (lambda: ParameterSpace(nn.Linear(2, 2), where=lambda n, p: False), "where: chose no parameter"),
        (
            lambda: ParameterSpace(frozen, where=lambda n, p: True),
            r"\['weight', 'bias'\], frozen or not real",
        ),
        (lambda: ParameterSpace(imaginary), "frozen or not real"),
        (lambda: ParameterSpace(mixed), "several dtypes or devices.*float32 on cpu.*float64 on cpu"),
    ]:
        with pytest.raises(ValueError, match=message):
            build()


def test_vectors_of_wrong_shape_dtype_device_or_value_are_refused():
    space = ParameterSpace(network())
    theta = space.flatten()
    for bad, message in [
        (theta[:-1], r"got \(41,\), torch.float64, cpu, want \(42,\)"),
        (theta[None], r"got \(1, 42\)"),
        (theta.float(), "got .*float32.*want .*float64"),
    ]:
        for use in (
            space.load,
            lambda v: space.at(v).__enter__(),
            lambda v: space.hvp(loss_fn, v, data()),
            space.hvp_operator(loss_fn, data()),
            lambda v: space.functional(v, data()[0]),
        ):
            with pytest.raises(ValueError, match=message):
                use(bad)
    with pytest.raises(ValueError, match="meta, want"):
        space.hvp(loss_fn, theta.to("meta"), data())
    with pytest.raises(ValueError, match="theta: got non-finite"):
        space.load(theta / 0)
    with pytest.raises(ValueError, match=r"vector: got shape \(41,\), want \(42,\)"):
        space.split(theta[:-1])


def test_join_refuses_wrong_names_and_shapes():
    space = ParameterSpace(nn.Linear(2, 1))
    weight, bias = torch.zeros(1, 2), torch.zeros(1)
    for parts, message in [
        ({"weight": weight}, r"missing or unknown names \['bias'\]"),
        ({"weight": weight, "bias": bias, "other": bias}, r"missing or unknown names \['other'\]"),
        ({"weight": weight.T, "bias": bias}, r"parts\['weight'\]: got shape \(2, 1\), want \(1, 2\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            space.join(parts)


def test_a_loss_must_be_a_finite_scalar_with_a_graph():
    space = ParameterSpace(network())
    for bad, message in [
        (lambda module, batch: module(batch[0]), r"returned torch.Size\(\[7, 2\]\), want a scalar"),
        (lambda module, batch: 1.0, "returned <class 'float'>, want a scalar"),
        (lambda module, batch: loss_fn(module, batch) * math.nan, "returned nan, want a finite loss"),
        (lambda module, batch: loss_fn(module, batch) / 0, "returned inf, want a finite loss"),
        (lambda module, batch: loss_fn(module, batch).detach(), "without a graph"),
    ]:
        with pytest.raises(ValueError, match=message):
            space.gradient(bad, data())
    with pytest.raises(ValueError, match="want a scalar"):
        space.loss(lambda module, batch: module(batch[0]), data())


def test_no_batches_and_too_large_a_hessian_are_refused():
    with pytest.raises(ValueError, match="batches: got none"):
        ParameterSpace(network()).gradient_matrix(loss_fn, [])
    with pytest.raises(ValueError, match="d: got 4032, want at most 4000"):
        ParameterSpace(nn.Linear(63, 63)).hessian(loss_fn, data())


def test_parameters_that_share_memory_are_refused():
    one, two = torch.nn.Linear(3, 3, bias=False), torch.nn.Linear(3, 3, bias=False)
    two.weight.data = one.weight.data
    with pytest.raises(ValueError, match=r"'0\.weight', '1\.weight'.*share memory"):
        ParameterSpace(torch.nn.Sequential(one, two))
    two.weight = one.weight  # tied as one parameter
    assert ParameterSpace(torch.nn.Sequential(one, two)).d == 9


def test_neighbours_in_one_buffer_do_not_share_memory():
    buffer, net = torch.zeros(4), torch.nn.Linear(3, 1)
    net.weight.data, net.bias.data = buffer[:3].view(1, 3), buffer[3:]
    assert ParameterSpace(net).d == 4


def test_all_parts_of_a_vector_share_one_step_of_the_way_back():
    space = ParameterSpace(network())
    theta = space.flatten().requires_grad_(True)
    above = {part.grad_fn.next_functions[0][0] for part in space.split(theta).values()}
    assert len(above) == 1  # with a slice each, every part would fill a zero vector of length d
