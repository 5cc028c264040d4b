"""Per-example gradients of one backward pass, against a loop of single backward passes in float64."""

import functools
from types import SimpleNamespace

import pytest
import tiny
import torch
from torch import nn

from lglib.base import chunks
from lglib.models import families
from lglib.parameters import gram, per_layer
from lglib.parameters.per_example import per_example_gradients
from lglib.parameters.space import ParameterSpace
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon

ITEMS = [
    Item("Sort: p c. Answer:", (" c p",), 0),
    Item("Is Anna in the park? Answer:", YES_NO, 1),
    Item("Anna is in the park. Where is Ben? Answer:", (" in the garden",), 0),
]
every_family = pytest.mark.parametrize("family", tiny.FAMILIES)


def lesson():
    return supervised.lesson(lexicon.tokenizer(), ITEMS)


@functools.cache
def net_of(family):
    """A tiny model in float64, which no test may change."""
    return tiny.model(family).double()


def blocks_of(net, family):
    return families.blocks(net, families.of(family))


def dense(space, losses_fn, batch, n):
    """The oracle: n backward passes, (n, d)."""
    return torch.stack([space.gradient(lambda m, b, i=i: losses_fn(m, b)[i], batch) for i in range(n)])


def collected(space, losses_fn, batch, n, **more):
    """What the visitor is shown, put together as (n, d); each coordinate comes at most once."""
    rows, times = torch.zeros(n, space.d, dtype=space.dtype), torch.zeros(space.d)

    def see(name, row, block):
        shape = space.shapes[name]
        assert block.shape[0] == n
        assert block.shape[2:] == shape[1:]
        assert not block.requires_grad
        start = space.slices[name].start + row * shape[1:].numel()
        flat = block.reshape(n, -1)
        rows[:, start : start + flat.shape[1]] = flat
        times[start : start + flat.shape[1]] += 1

    per_example_gradients(space, losses_fn, batch, n, see, **more)
    assert times.max() <= 1
    return rows


def agree(net, batch, n, losses_fn=None, where=None, atol=1e-12, **more):
    losses_fn = losses_fn or summed
    space = ParameterSpace(net, where)
    expected = dense(space, losses_fn, batch, n)
    assert expected.abs().max() > 1e-3, "the oracle itself is zero"
    torch.testing.assert_close(collected(space, losses_fn, batch, n, **more), expected, rtol=1e-10, atol=atol)


def summed(net, batch):
    return net(batch).flatten(1).square().sum(1)


def gaussian(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def words(*shape, below=7, seed=0):
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(seed))


def made(build, seed=0):
    """A module in float64 with the same weights each time; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().double().eval()


def gemma_3(**more):
    """A tiny Gemma 3, whose embedding and norms are classes of their own."""
    tiny.SETTINGS.setdefault("gemma3_text", tiny.SETTINGS["gemma2"])
    return tiny.model("gemma3_text", **more)


# --- language models of every family


@every_family
def test_every_family_gives_the_gradients_of_single_backward_passes(family):
    agree(net_of(family), lesson(), 3, gram.item_losses)


@every_family
def test_small_blocks_of_rows_add_up_to_the_same(family):
    agree(net_of(family), lesson(), 3, gram.item_losses, budget=20_000)


@every_family
def test_dropped_activations_change_nothing(family):
    net = net_of(family)
    agree(net, lesson(), 3, gram.item_losses, blocks=blocks_of(net, family))


@pytest.mark.parametrize("family", ["gpt2", "qwen2"])
@pytest.mark.parametrize("number", [0, 1])
def test_dropped_activations_of_a_part_of_the_parameters_change_nothing(family, number):
    net = net_of(family)
    agree(
        net, lesson(), 3, gram.item_losses, lambda name, p: f".{number}." in name,
        blocks=blocks_of(net, family),
    )  # fmt: skip


@pytest.mark.parametrize(
    "chosen", ["wte", "wpe", "ln_f", "h.1.", "attn.c_attn.bias", "h.0.ln_1.weight", "mlp.c_proj.weight"]
)
def test_a_part_of_the_parameters_gets_its_part_of_the_gradients(chosen):
    agree(net_of("gpt2"), lesson(), 3, gram.item_losses, lambda name, p: chosen in name)


@pytest.mark.parametrize(("family", "tied"), [("gpt2", False), ("qwen2", False), ("llama", True)])
def test_a_head_tied_or_not_counts_as_its_parameters_do(family, tied):
    net = tiny.model(family, tie_word_embeddings=tied).double()
    assert (net.get_input_embeddings().weight is net.get_output_embeddings().weight) == tied
    agree(net, lesson(), 3, gram.item_losses)


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_a_padding_token_gets_no_gradient_through_the_embedding(family):
    net = net_of(family)
    assert net.get_input_embeddings().padding_idx == 1
    told = lesson()
    told.tokens[:, 2] = 1
    agree(net, told, 3, gram.item_losses)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_gradients_of_narrow_weights_are_multiplied_in_float32(dtype):
    net, kinds = tiny.model("gpt2").to(dtype), set()
    space = ParameterSpace(net)
    per_example_gradients(
        space, gram.item_losses, lesson(), 3, lambda name, row, block: kinds.add(block.dtype)
    )
    assert kinds == {torch.float32}


def test_the_losses_are_returned_without_a_graph():
    space = ParameterSpace(net_of("gpt2"))
    found = per_example_gradients(space, gram.item_losses, lesson(), 3, lambda *_: None)
    assert not found.requires_grad
    torch.testing.assert_close(found, gram.item_losses(space.module, lesson()).detach())


def test_blocks_stay_near_the_budget_and_cover_every_row_of_a_matrix_once():
    space, sizes, rows = ParameterSpace(tiny.model("gpt2")), {}, {}

    def see(name, row, block):
        sizes[name] = max(sizes.get(name, 0), block.numel() * 4)
        rows.setdefault(name, []).append((row, block.shape[1]))

    per_example_gradients(space, gram.item_losses, lesson(), 3, see, budget=20_000)
    matrices = [name for name in space.names if "ln_" not in name]
    assert max(sizes[name] for name in matrices) <= 20_000
    for name in space.names:
        at = 0
        for row, height in rows[name]:
            assert row == at
            at += height
        # only as many positions occur; every other matrix is shown whole
        assert at == (lesson().tokens.shape[1] if "wpe" in name else space.shapes[name][0])


@pytest.mark.parametrize("budget", [2**26, 20_000])
@pytest.mark.parametrize("tied", [True, False])
def test_gemma_3_gives_the_gradients_of_single_backward_passes(budget, tied):
    net = gemma_3(tie_word_embeddings=tied).double()
    agree(net, lesson(), 3, gram.item_losses, budget=budget)


def test_a_scaled_embedding_is_known_by_what_it_does():
    net = gemma_3()
    embedding = net.get_input_embeddings()
    assert type(embedding) is not nn.Embedding
    found = per_layer.factor(embedding, lesson().tokens)
    assert found == pytest.approx(tiny.WIDTH**0.5, rel=1e-3)


def test_of_a_large_embedding_only_rows_about_tokens_that_occur_are_made():
    class Scaled(nn.Embedding):
        def forward(self, x):
            return 5 * super().forward(x)

    for kind in (nn.Embedding, Scaled):
        net = made(lambda kind=kind: nn.Sequential(kind(50_000, 4), nn.Tanh(), nn.Linear(4, 1)))
        tokens = torch.tensor([[7, 49_999, 7], [25_000, 25_003, 0]])
        rows = []
        see = lambda name, row, block, rows=rows: rows.append((row, block.shape[1])) if name[0] == "0" else 0  # noqa: E731
        work = lambda net=net, see=see, tokens=tokens: per_example_gradients(  # noqa: E731
            ParameterSpace(net), summed, tokens, 2, see, budget=5000
        )
        assert chunks.peak(work) < 50_000  # where 2 x 50,000 x 4 numbers are 3,200,000 bytes
        assert rows == [(0, 8), (25_000, 4), (49_999, 1)]
        agree(net, tokens, 2, budget=5000)


def test_an_unknown_module_is_differentiated_some_examples_at_a_time():
    class Squared(nn.Linear):
        def forward(self, x):
            return nn.functional.linear(x, self.weight.square(), self.bias)

    class Normed(nn.Embedding):
        def forward(self, x):
            return super().forward(x) / self.weight.norm()

    net = made(lambda: nn.Sequential(Squared(40, 50), nn.Tanh(), nn.Linear(50, 1)))
    assert per_layer.factor(net[0], gaussian(3, 40)) is None
    agree(net, gaussian(20, 40), 20, budget=2 * 8 * 40 * 50)
    peaks = [
        chunks.peak(
            lambda budget=budget: per_example_gradients(
                ParameterSpace(net), summed, gaussian(20, 40), 20, lambda *_: None, budget=budget
            )
        )
        for budget in (2**26, 2 * 8 * 40 * 50)
    ]
    assert peaks[1] < 0.4 * peaks[0]
    assert per_layer.factor(made(lambda: Normed(9, 4)), words(3, 5)) is None
    agree(made(lambda: nn.Sequential(Normed(9, 4), nn.Tanh(), nn.Linear(4, 1))), words(3, 5), 3, budget=500)


def test_a_layer_whose_forward_was_replaced_is_tried():
    layer = made(lambda: nn.Linear(4, 4))
    plain = layer.forward
    layer.forward = lambda x: 3 * plain(x)
    assert per_layer.factor(layer, gaussian(3, 4)) == pytest.approx(3)
    layer.forward = lambda x: plain(x).tanh()
    assert per_layer.factor(layer, gaussian(3, 4)) is None


def test_blocks_of_many_examples_can_be_asked_for_few():
    space, heights = ParameterSpace(tiny.model("gpt2")), {}
    for n, like in ((3, None), (1, 3)):
        see = lambda name, row, block, key=like: heights.setdefault((key, name), []).append(block.shape[1])  # noqa: E731
        one = lesson() if n == 3 else lesson().rows(torch.tensor([0]))
        per_example_gradients(space, gram.item_losses, one, n, see, budget=20_000, like=like)
    for name in space.names:
        if "wpe" not in name:  # all rows are shown, the unused too
            assert heights[3, name] == heights[None, name]
    assert sum(heights[3, "transformer.wpe.weight"]) == tiny.CONTEXT


# --- modules of other kinds


X = (3, 5, 4)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

    def forward(self, x):
        return self.linear(self.norm(self.linear(self.norm(x)).tanh()))


class Mixer(nn.Module):
    """A module of one tensor whose own dimension 1 is not the last of an example."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(4))

    def forward(self, x):
        return self.scale * x.softmax(1)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)),
        lambda: nn.Sequential(nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 2)),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.PReLU(), nn.RMSNorm(4)),
        lambda: nn.Sequential(nn.Conv1d(5, 6, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(24, 2)),
        Twice,
    ],
    ids=["linear", "no bias", "prelu and rms norm", "convolution", "twice"],
)
def test_plain_modules_give_the_gradients_of_single_backward_passes(build):
    agree(made(build), gaussian(*X), 3)
    agree(made(build), gaussian(*X), 3, budget=1)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(nn.Linear(4, 4), Mixer()),
        lambda: nn.Sequential(nn.GroupNorm(5, 5), nn.Flatten(), nn.Linear(20, 1)),
        lambda: nn.Sequential(nn.Linear(4, 4), nn.Flatten(), nn.BatchNorm1d(20)),
    ],
    ids=["softmax over dimension 1", "group norm", "batch norm in eval"],
)
def test_a_module_sees_an_example_with_its_batch_dimension(build):
    agree(made(build), gaussian(*X), 3)


def test_an_activation_in_place_is_no_hindrance():
    agree(
        made(lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Linear(6, 2))), gaussian(*X), 3
    )


def test_two_dimensions_are_enough():
    agree(made(lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))), gaussian(3, 4), 3)
    agree(made(lambda: nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 2))), words(3), 3)


def test_one_example_is_its_own_gradient():
    agree(made(lambda: nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))), gaussian(1, 5, 4), 1)


def test_an_embedding_adds_up_repeated_tokens_and_leaves_out_its_padding():
    net = made(lambda: nn.Sequential(nn.Embedding(7, 4, padding_idx=2), nn.Tanh()))
    tokens = torch.tensor([[0, 0, 2, 6, 6], [2, 2, 2, 2, 1], [5, 4, 3, 1, 0]])
    agree(net, tokens, 3)
    agree(net, tokens, 3, budget=1)


@pytest.mark.parametrize("norm", [False, True])
def test_what_is_the_same_for_every_example_is_told_apart(norm):
    """As positions are: a layer, with its norm, of something that has no batch of its own."""

    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.of = nn.Sequential(nn.Linear(2, 4), *([nn.LayerNorm(4)] if norm else []))
            self.out = nn.Linear(4, 2)
            self.register_buffer("places", torch.randn(1, 5, 2))

        def forward(self, x):
            return self.out(x + self.of(self.places))

    agree(made(Constant), gaussian(*X), 3)


def test_a_layer_that_extends_linear_or_embedding_is_differentiated_as_it_is():
    class Tripled(nn.Linear):
        def forward(self, x):
            return 3 * super().forward(x)

    class Scaled(nn.Embedding):
        def forward(self, x):
            return 5 * super().forward(x)

    agree(made(lambda: nn.Sequential(Tripled(4, 4), nn.Tanh(), nn.Linear(4, 1))), gaussian(*X), 3)
    agree(made(lambda: nn.Sequential(Scaled(7, 4), nn.Tanh(), nn.Linear(4, 1))), words(3, 5), 3)


class Residual(nn.Module):
    """Blocks as a model has them, one of them applied several times, behind a layer or not."""

    def __init__(self, entry=True, times=1, norm=False):
        super().__init__()
        self.entry = nn.Linear(4, 4) if entry else nn.Identity()
        self.times, self.norm = times, nn.LayerNorm(4) if norm else None
        shared = [self.norm] if norm else []
        self.blocks = nn.ModuleList(
            nn.Sequential(*shared, nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4)) for _ in range(2)
        )

    def forward(self, x):
        x = self.entry(x)
        for block in [self.blocks[0]] * self.times + [self.blocks[1]]:
            x = x + block(x)
        return self.norm(x) if self.norm else x


@pytest.mark.parametrize(
    "more",
    [{}, dict(times=3), dict(norm=True), dict(entry=False)],
    ids=["plain", "a block applied three times", "a norm in blocks and outside", "nothing before the first"],
)
@pytest.mark.parametrize("dropped", [False, True])
def test_blocks_with_dropped_activations_give_the_same_gradients(more, dropped):
    net = made(lambda: Residual(**more))
    agree(net, gaussian(*X), 3, blocks=list(net.blocks) if dropped else ())


def test_a_layer_used_twice_inside_a_dropped_block_gets_both_gradients():
    net = made(lambda: nn.Sequential(nn.Linear(4, 4), Twice(), nn.Linear(4, 2)))
    agree(net, gaussian(*X), 3, blocks=[net[1]])


def test_an_input_given_by_name_is_seen_too():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            return self.linear(input=x)

    agree(made(Named), gaussian(*X), 3)


def test_it_works_under_no_grad_as_gradient_does():
    net = made(lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)))
    with torch.no_grad():
        agree(net, gaussian(*X), 3)


@pytest.mark.parametrize("detached", [False, True])
def test_a_parameter_without_a_gradient_counts_as_zero(detached):
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.idle, self.used = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            h = self.idle(x)
            return self.used(h.detach() if detached else x)

    agree(made(Idle), gaussian(*X), 3)


def test_losses_without_any_graph_show_nothing():
    net, seen = made(lambda: nn.Linear(4, 2)), []
    space = ParameterSpace(net)

    def losses(net, x):
        return net(x).detach().flatten(1).sum(1)

    found = per_example_gradients(space, losses, gaussian(*X), 3, lambda *a: seen.append(a))
    assert found.shape == (3,)
    assert not seen


# --- refusals, and no trace


def linear():
    return made(lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)))


def test_a_parameter_that_no_module_applies_is_refused_by_name():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.never = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(ValueError, match=r"no module applies \['never.weight', 'never.bias'\]"):
        collected(ParameterSpace(made(Own)), summed, gaussian(*X), 3)
    agree(made(Own), gaussian(*X), 3, where=lambda name, p: "used" in name)


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        (lambda net, x: net(x).sum(), r"losses_fn: returned \(\), want one loss for each example, \(3,\)"),
        (lambda net, x: net(x).flatten(1), r"returned \(3, 10\)"),
        (lambda net, x: net(x).flatten(1).sum(1)[:2], r"returned \(2,\)"),
        (lambda net, x: summed(net, x) * torch.tensor([1, torch.nan, 1]), r"examples \[1\] are not finite"),
        (lambda net, x: summed(net, x) / torch.tensor([0.0, 1, 0]), r"examples \[0, 2\] are not finite"),
    ],
)
def test_losses_of_wrong_shape_or_not_finite_are_refused(losses, told):
    net = linear()
    before = state(net)
    with pytest.raises(ValueError, match=told):
        collected(ParameterSpace(net), losses, gaussian(*X), 3)
    assert state(net) == before


@pytest.mark.parametrize("give", ["tuple", "flat", "scalar"])
def test_a_module_that_loses_the_examples_is_refused_by_its_parameters_names(give):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))

        def forward(self, x):
            y = x * self.scale
            return {"tuple": (y,), "flat": y.flatten(0, 1), "scalar": y.sum()}[give]

    with pytest.raises(ValueError, match="scale: its module returns"):
        collected(ParameterSpace(made(Odd)), lambda net, x: net(x)[0], gaussian(*X), 3)


def state(net):
    """What a visit may not change."""
    return (
        [(name, len(m._forward_hooks), len(m._forward_pre_hooks)) for name, m in net.named_modules()],
        [(name, p.requires_grad, p.grad is None) for name, p in net.named_parameters()],
        [(name, "forward" in m.__dict__) for name, m in net.named_modules()],
        net.training,
    )


class Stop(Exception):
    pass


def stop(*_):
    raise Stop


@pytest.mark.parametrize("where", ["nowhere", "losses", "visitor"])
def test_hooks_requires_grad_and_forward_are_as_before_also_after_an_error(where):
    net = made(Residual)
    net.entry.bias.requires_grad_(False)
    own = net.blocks[1].forward
    net.blocks[1].forward = own  # one that is its instance's own has to come back, not to go
    before = state(net)
    values = {name: value.clone() for name, value in net.state_dict().items()}
    losses, see = (stop if where == "losses" else summed), (stop if where == "visitor" else lambda *_: None)

    def run():
        per_example_gradients(ParameterSpace(net), losses, gaussian(*X), 3, see, blocks=list(net.blocks))

    if where == "nowhere":
        run()
    else:
        with pytest.raises(Stop):
            run()
    assert state(net) == before
    assert net.blocks[1].__dict__["forward"] is own
    assert all(torch.equal(value, values[name]) for name, value in net.state_dict().items())
    net.blocks[1].__dict__.pop("forward")
    agree(net, gaussian(*X), 3)


def test_gradients_that_were_there_stay_as_they_are():
    net = linear()
    summed(net, gaussian(*X)).sum().backward()
    before = [p.grad.clone() for p in net.parameters()]
    per_example_gradients(ParameterSpace(net), summed, gaussian(*X), 3, lambda *_: None)
    assert all(torch.equal(p.grad, old) for p, old in zip(net.parameters(), before, strict=True))


def test_a_visitor_may_run_the_model_itself():
    net = linear()
    space, x = ParameterSpace(net), gaussian(*X)
    expected, rows = collected(space, summed, x, 3), {}

    def see(name, row, block):
        net(x)
        rows[name, row] = block

    per_example_gradients(space, summed, x, 3, see)
    found = torch.cat([rows[name, 0].reshape(3, -1) for name in space.names], dim=1)
    torch.testing.assert_close(found, expected)


def test_a_dictionary_batch_is_passed_on_as_it_is():
    net, batch = linear(), SimpleNamespace(x=gaussian(*X))
    agree(net, batch, 3, lambda net, b: summed(net, b.x))
