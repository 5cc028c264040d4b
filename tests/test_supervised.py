"""Lessons: the loss and the exact match are what a plain forward pass, row by row, says."""

import random
from types import SimpleNamespace

import pytest
import tiny
import torch

from lglib.models import loading
from lglib.parameters.space import ParameterSpace
from lglib.tasks import supervised
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon

every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
ITEMS = [
    Item("Sort: p c. Answer:", (" c p",), 0),
    Item("Is Anna in the park? Answer:", YES_NO, 1),
    Item("Anna is in the park. Ben is in the garden. Where is Ben? Answer:", (" in the garden",), 0),
    Item("Repeat: red. Answer:", (" red", " red red red red"), 1),
    Item("Where is Rome? Answer:", (" Rome",), 0),  # no word it knows: byte by byte
]
CLOSE = dict(rtol=1e-4, atol=1e-5)  # single precision, in batches of other shapes


@pytest.fixture(scope="module")
def nets():
    return {family: tiny.model(family) for family in tiny.FAMILIES}


@pytest.fixture(scope="module")
def trained():
    """A model that knows some answers."""
    return loading.load("micro-gpt2", device="cpu")


@pytest.fixture
def net(nets):
    return nets["gpt2"]


def lesson(items, **more):
    return supervised.lesson(lexicon.tokenizer(), items, **more)


def encode(item):
    """Tokens of a prompt and of its answer."""
    tokenizer = lexicon.tokenizer()
    return tokenizer(item.prompt).input_ids, tokenizer(item.answer, add_special_tokens=False).input_ids


@torch.no_grad()
def plain(net, item):
    """Logits of the answer's tokens, from a forward pass over this row alone."""
    prompt, answer = encode(item)
    found = net(torch.tensor([prompt + answer])).logits[0]
    return found[len(prompt) - 1 : len(prompt) + len(answer) - 1]


def plain_loss(net, item):
    rows, answer = plain(net, item).double().log_softmax(-1), encode(item)[1]
    return -sum(row[token].item() for row, token in zip(rows, answer, strict=True)) / len(answer)


@torch.no_grad()
def greedy(net, prompt, count):
    """The model's first choices, each fed in after the one before."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(net(torch.tensor([tokens])).logits[0, -1].argmax().item())
    return tokens[len(prompt) :]


def numbers(items, start, **more):
    """A lesson by a tokenizer that makes of each digit as many tokens as it says."""

    def tokenizer(texts, add_special_tokens=True):
        found = [[start + i for digit in text for i in range(int(digit))] for text in texts]
        return SimpleNamespace(input_ids=found)

    return supervised.lesson(tokenizer, items, **more)


# --- what a lesson holds


def test_a_lesson_holds_each_prompt_with_its_right_answer():
    known = lesson(ITEMS)
    n, most = len(ITEMS), max(len(encode(item)[1]) for item in ITEMS)
    assert known.tokens.shape == (n, max(sum(map(len, encode(item))) for item in ITEMS))
    assert known.place.shape == known.targets.shape == known.there.shape == (n, most)
    assert known.there.sum(1).tolist() == [len(encode(item)[1]) for item in ITEMS]
    assert len(set(known.there.sum(1).tolist())) > 2
    assert {value.dtype for value in known} == {torch.long, torch.bool}
    for i, item in enumerate(ITEMS):
        prompt, answer = encode(item)
        assert known.tokens[i, : len(prompt) + len(answer)].tolist() == prompt + answer
        assert known.targets[i, known.there[i]].tolist() == answer


def test_a_token_is_predicted_at_the_position_before_it():
    known = lesson(ITEMS)
    assert known.kept.tolist() == sorted(set(known.kept.tolist()))
    for i, item in enumerate(ITEMS):
        prompt, answer = encode(item)
        at = known.kept[known.place[i, known.there[i]]]
        assert at.tolist() == list(range(len(prompt) - 1, len(prompt) + len(answer) - 1))
        assert known.tokens[i, at + 1].tolist() == answer
    assert set(known.kept[known.place[known.there]].tolist()) == set(known.kept.tolist())


def test_prompts_start_as_the_tokenizer_starts_them_and_answers_do_not():
    known, end = lesson(ITEMS), lexicon.tokenizer().bos_token_id
    assert known.tokens[:, 0].tolist() == [end] * len(ITEMS)
    assert not (known.targets[known.there] == end).any()


@every_family
def test_the_logits_are_those_of_each_row_alone(nets, family):
    net, known = nets[family], lesson(ITEMS)
    with torch.no_grad():
        found = supervised.logits(net, known)
    assert found.shape == (*known.targets.shape, net.config.vocab_size)
    for i, item in enumerate(ITEMS):
        torch.testing.assert_close(found[i, known.there[i]], plain(net, item), rtol=1e-4, atol=1e-4)


# --- the loss


@every_family
def test_the_loss_is_the_mean_over_items_of_the_mean_over_tokens(nets, family):
    net, known = nets[family], lesson(ITEMS)
    want = [plain_loss(net, item) for item in ITEMS]
    with torch.no_grad():
        each = supervised.losses(supervised.logits(net, known), known)
        torch.testing.assert_close(each, torch.tensor(want), **CLOSE)
        loss = supervised.loss(net, known)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(sum(want) / len(want), rel=1e-5)


def test_the_gradient_of_the_loss_is_that_of_the_rows_alone(nets):
    net = nets["llama"]
    name = "model.layers.1.self_attn.q_proj.weight"
    space = ParameterSpace(net, where=lambda n, p: n == name)
    want = torch.zeros_like(net.get_parameter(name))
    for item in ITEMS:
        prompt, answer = encode(item)
        said = net(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        loss = -said[torch.arange(len(answer)), torch.tensor(answer)].mean() / len(ITEMS)
        want += torch.autograd.grad(loss, net.get_parameter(name))[0]
    found = space.gradient(supervised.loss, lesson(ITEMS)).view_as(want)
    assert (found - want).norm() < 1e-5 * want.norm()


@every_family
def test_the_order_of_the_rows_does_not_matter(nets, family):
    net, order = nets[family], list(range(len(ITEMS)))
    random.Random(1).shuffle(order)
    one, other = lesson(ITEMS), lesson([ITEMS[i] for i in order])
    with torch.no_grad():
        before, after = (supervised.losses(supervised.logits(net, x), x) for x in (one, other))
        torch.testing.assert_close(after, before[order], **CLOSE)
        assert supervised.loss(net, one).item() == pytest.approx(supervised.loss(net, other).item(), rel=1e-5)


@every_family
def test_what_fills_the_rows_does_not_matter(nets, family):
    net, known = nets[family], lesson(ITEMS)
    with torch.no_grad():
        want = supervised.losses(supervised.logits(net, known), known)
        for fill in (1, 300):
            tokens = known.tokens.clone()
            for i, item in enumerate(ITEMS):
                tokens[i, sum(map(len, encode(item))) :] = fill
            assert not torch.equal(tokens, known.tokens)
            other = known._replace(tokens=tokens)
            torch.testing.assert_close(
                supervised.losses(supervised.logits(net, other), known), want, rtol=1e-6, atol=1e-6
            )


@every_family
def test_a_long_row_beside_it_does_not_matter(nets, family):
    net = nets[family]
    long = Item("Sort: p c k t. " * 5 + "Answer:", (" c k p t c k p t",), 0)
    alone, beside = lesson(ITEMS), lesson([*ITEMS, long])
    assert beside.tokens.shape[1] > 1.5 * alone.tokens.shape[1]
    assert beside.targets.shape[1] > alone.targets.shape[1]
    with torch.no_grad():
        one, other = (supervised.losses(supervised.logits(net, x), x) for x in (alone, beside))
    torch.testing.assert_close(other[:-1], one, **CLOSE)


def test_places_without_an_answer_do_not_matter():
    known = lesson(ITEMS)
    dice = torch.Generator().manual_seed(0)
    logits = torch.randn(*known.targets.shape, 644, generator=dice)
    want = supervised.losses(logits, known)
    for wrong in (1e4, torch.inf, torch.nan):
        other = logits.clone()
        other[~known.there] = wrong
        torch.testing.assert_close(supervised.losses(other, known), want)


def test_a_word_that_is_ruled_out_does_not_matter():
    """The fill is token 0: where it cannot be said, the loss of the answers is as finite as before."""
    known = lesson(ITEMS)
    logits = torch.randn(*known.targets.shape, 644, generator=torch.Generator().manual_seed(0))
    logits[..., 0] = -torch.inf
    for i, each in enumerate(supervised.losses(logits, known)):
        rows = logits[i, known.there[i]].log_softmax(-1)
        want = -rows[torch.arange(len(rows)), torch.tensor(encode(ITEMS[i])[1])].mean()
        torch.testing.assert_close(each, want)


def test_many_candidates_have_the_losses_of_each():
    known = lesson(ITEMS)
    logits = torch.randn(2, 3, *known.targets.shape, 644, generator=torch.Generator().manual_seed(0))
    found = supervised.losses(logits, known)
    assert found.shape == (2, 3, len(ITEMS))
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(found[i, j], supervised.losses(logits[i, j], known))


def test_equal_logits_cost_the_log_of_the_vocabulary():
    known = lesson(ITEMS)
    each = supervised.losses(torch.zeros(*known.targets.shape, 644), known)
    torch.testing.assert_close(each, torch.full_like(each, torch.tensor(644.0).log()))


def test_half_precision_logits_are_summed_in_single(net):
    known = lesson(ITEMS)
    with torch.no_grad():
        logits = supervised.logits(net, known).bfloat16()
    each = supervised.losses(logits, known)
    assert each.dtype == torch.float32
    torch.testing.assert_close(each, supervised.losses(logits.float(), known))


# --- exact match


def test_right_asks_for_every_token_of_the_answer():
    known = lesson(ITEMS)
    assert supervised.right(known.targets, known).all()
    for i in range(len(ITEMS)):
        for j in range(known.targets.shape[1]):
            predicted = known.targets.clone()
            predicted[i, j] += 1
            want = [row != i or not known.there[i, j] for row in range(len(ITEMS))]
            assert supervised.right(predicted, known).tolist() == want
    stack = torch.stack([known.targets, known.targets + 1])
    assert supervised.right(stack, known).tolist() == [[True] * len(ITEMS), [False] * len(ITEMS)]


def test_exact_match_is_greedy_decoding(trained):
    items = [
        Item("Plural: cat. Answer:", (" cats",), 0),
        Item("Plural: man. Answer:", (" cats",), 0),
        *(Item(f"Sort: {a} {b}. Answer:", (f" {min(a, b)} {max(a, b)}",), 0) for a, b in ("pc", "tb", "gk")),
        *(Item(f"Reverse: {a} {b}. Answer:", (f" {b} {a}",), 0) for a, b in ("pc", "tb", "kb")),
        Item("Repeat: red. Answer:", (" blue red",), 0),
    ]
    want = [greedy(trained.model, encode(item)[0], len(encode(item)[1])) == encode(item)[1] for item in items]
    assert 0.2 < sum(want) / len(want) < 0.95
    known = supervised.lesson(trained.tokenizer, items)
    assert supervised.exact_match(trained.model, known) == pytest.approx(sum(want) / len(want))
    for item, expected in zip(items, want, strict=True):
        assert supervised.exact_match(trained.model, supervised.lesson(trained.tokenizer, [item])) == expected


@every_family
def test_what_a_model_would_say_is_an_exact_match_and_anything_else_is_not(nets, family):
    """Answers of two tokens, made of the model's own choices: all right, one wrong at each place."""
    net, prompts = nets[family], ["Anna", "Where is the box? Answer:", "Sort: p c. Answer:", "One morning"]
    tokenizer, known = lexicon.tokenizer(), lesson([Item(p, (" yes no",), 0) for p in prompts])
    for i, prompt in enumerate(prompts):
        ids = tokenizer(prompt).input_ids
        known.targets[i] = torch.tensor(greedy(net, ids, 2))
        known.tokens[i, len(ids) : len(ids) + 2] = known.targets[i]
    assert supervised.exact_match(net, known) == 1
    other = (known.targets[:, 1] + 1) % net.config.vocab_size
    known.targets[:2, 1] = other[:2]  # wrong at the end
    assert supervised.exact_match(net, known) == 0.5
    ids = tokenizer(prompts[2]).input_ids
    wrong = [(known.targets[2, 0].item() + 1) % net.config.vocab_size]
    wrong += greedy(net, ids + wrong, 1)  # wrong at the start, and then what follows from it
    known.targets[2] = known.tokens[2, len(ids) : len(ids) + 2] = torch.tensor(wrong)
    assert supervised.exact_match(net, known) == 0.25


def test_exact_match_leaves_no_graph(net):
    share = supervised.exact_match(net, lesson(ITEMS))
    assert isinstance(share, float)
    assert all(value.grad is None for value in net.parameters())


# --- refusals


def test_what_does_not_fit_the_context_is_told_with_both_lengths():
    longest = max(sum(map(len, encode(item))) for item in ITEMS)
    assert lesson(ITEMS, context=longest).tokens.shape[1] == longest
    with pytest.raises(ValueError, match=f"has {longest} tokens, the context holds {longest - 1}: shorten"):
        lesson(ITEMS, context=longest - 1)


def test_a_lesson_needs_an_item():
    for empty in ([], ()):
        with pytest.raises(ValueError, match="items is empty"):
            lesson(empty)


def test_an_answer_without_a_token_is_told():
    assert numbers([Item("3", ("2",), 0)], 5).tokens.tolist() == [[5, 6, 7, 5, 6]]
    with pytest.raises(ValueError, match="the answer '0' has no token"):
        numbers([Item("3", ("2",), 0), Item("4", ("1", "0"), 1)], 5)


def test_a_prompt_without_a_token_is_told():
    """Nothing would be there to predict the answer from."""
    with pytest.raises(ValueError, match="prompt"):
        numbers([Item("3", ("2",), 0), Item("0", ("1",), 0)], 5)


def test_a_lesson_lies_on_the_device_that_was_asked_for():
    assert {value.device.type for value in lesson(ITEMS)} == {"cpu"}
    assert {value.device.type for value in lesson(ITEMS, device="meta")} == {"meta"}
