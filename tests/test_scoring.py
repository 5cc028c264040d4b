"""What a model answers: the same as one prompt at a time through plain transformers."""

import math
import random

import pytest
import tiny
import torch
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers import models as cores
from transformers import PreTrainedTokenizerFast

from lglib.tasks import data, scoring
from lglib.tasks.items import YES_NO, Item
from lglib.tasks.microworld import lexicon, passages
from lglib.tasks.scoring import SplitAnswer

WORDS = lexicon.tokenizer()
every_family = pytest.mark.parametrize("family", tiny.FAMILIES)
batches = pytest.mark.parametrize("batch", [1, 2, 5, 64])


@pytest.fixture(scope="module")
def nets():
    return {family: tiny.model(family) for family in tiny.FAMILIES}


@pytest.fixture(scope="module")
def items():
    """Questions of many lengths, longer and shorter ones mixed."""
    return passages.questions(11, "yes-no", part="test", key="answers")


@pytest.fixture(scope="module")
def texts(items):
    return [item.prompt for item in items] + ["Anna is", "zz"]


@torch.no_grad()
def one(net, text):
    """Log-probabilities after each token of one text, read alone; and its tokens."""
    tokens = WORDS(text, return_tensors="pt").input_ids
    return net(input_ids=tokens).logits[0].log_softmax(-1), tokens[0]


def expected(net, item):
    last = one(net, item.prompt)[0][-1].exp()
    return [last[WORDS.convert_tokens_to_ids("Ġ" + answer.strip())].item() for answer in item.answers]


def mean_loss(net, text):
    given, tokens = one(net, text)
    each = [-given[place, token].item() for place, token in enumerate(tokens[1:].tolist())]
    return sum(each) / len(each)


@torch.no_grad()
def written(net, prompt, length):
    """What greedy decoding writes, token by token."""
    tokens = WORDS(prompt, return_tensors="pt").input_ids
    start = tokens.shape[1]
    for _ in range(length):
        best = net(input_ids=tokens).logits[0, -1].argmax()
        tokens = torch.cat([tokens, best.view(1, 1)], 1)
    return tokens[0, start:].tolist()


@every_family
@batches
def test_probabilities_are_those_of_each_prompt_alone(nets, items, family, batch):
    net = nets[family]
    found = scoring.probabilities(net, WORDS, items, batch=batch)
    assert (found.shape, found.dtype) == ((len(items), 2), torch.float32)
    want = torch.tensor([expected(net, item) for item in items])
    torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-5)
    assert want.std(0).min() > 1e-5  # the prompts differ in their answers


@every_family
@batches
def test_losses_are_those_of_each_text_alone(nets, texts, family, batch):
    net = nets[family]
    found = scoring.text_loss(net, WORDS, texts, batch=batch)
    want = torch.tensor([mean_loss(net, text) for text in texts])
    torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-5)


@every_family
@batches
def test_a_match_is_what_greedy_decoding_writes(nets, items, family, batch):
    net, first_word = nets[family], WORDS.convert_tokens_to_ids("Ġ" + lexicon.words()[0])
    bytes_out = torch.where(torch.arange(len(WORDS)) < first_word, -1e4, 0.0)  # so that it writes whole words
    hook = net.get_output_embeddings().register_forward_hook(lambda head, given, out: out + bytes_out)
    asked, want = [], []
    for i, item in enumerate(items):
        tokens = written(net, item.prompt, 3)
        if i % 2:  # one wrong word of three
            tokens[i % 3] = first_word + (tokens[i % 3] - first_word + 1) % len(lexicon.words())
        asked.append(Item(item.prompt, (WORDS.decode(tokens),), 0))
        want.append(1.0 - i % 2)
    found = scoring.exact_match(net, WORDS, asked, batch=batch)
    hook.remove()
    assert found.tolist() == want


@batches
def test_a_match_needs_the_whole_answer(batch):
    """A model that always writes the token after the last: its answers are known without it."""

    class Next(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids, logits_to_keep, **_):
            logits = torch.nn.functional.one_hot(input_ids + 1, len(WORDS)).float()[:, logits_to_keep]
            return type("Out", (), {"logits": logits})

    def asked(first, *rest):
        own = WORDS.convert_ids_to_tokens([first, *rest])
        prompt, *answer = [token.replace("Ġ", " ") for token in own]
        return Item(prompt.strip(), ("".join(answer),), 0)

    at = WORDS.convert_tokens_to_ids("Ġkitchen")
    items = [
        asked(at, at + 1),
        asked(at, at + 1, at + 2, at + 3),
        asked(at, at + 2),
        asked(at, at + 1, at + 3),
        asked(at, at + 2, at + 3),
        asked(at, at + 1, at + 2, at + 3, at + 5),
    ]
    assert scoring.exact_match(Next(), WORDS, items, batch=batch).tolist() == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("what", ["probabilities", "exact_match", "text_loss"])
def test_the_order_of_the_items_does_not_matter(nets, items, what):
    given = [item.prompt for item in items] if what == "text_loss" else items
    measure = getattr(scoring, what)
    straight = measure(nets["gpt2"], WORDS, given, batch=3)
    order = list(range(len(items)))
    random.Random(0).shuffle(order)
    mixed = measure(nets["gpt2"], WORDS, [given[i] for i in order], batch=3)
    torch.testing.assert_close(mixed, straight[order], rtol=1e-5, atol=1e-5)


def test_the_answers_may_be_other_words_and_more(nets):
    item = Item("The box is", (" red", " blue", " green"), 2)
    found = scoring.probabilities(nets["llama"], WORDS, [item])
    torch.testing.assert_close(found[0], torch.tensor(expected(nets["llama"], item)))


def test_measuring_leaves_no_gradient_and_no_trace(nets, items):
    net = nets["gpt2"]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for found in (
        scoring.probabilities(net, WORDS, items),
        scoring.exact_match(net, WORDS, items),
        scoring.text_loss(net, WORDS, ["Anna is in the park."]),
    ):
        assert not found.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_bfloat16_comes_out_as_float32(items):
    net = tiny.model("qwen2").bfloat16()
    found = scoring.probabilities(net, WORDS, items)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, scoring.probabilities(net.float(), WORDS, items), rtol=0.2, atol=1e-3)


@pytest.mark.parametrize("what", ["probabilities", "exact_match"])
def test_no_items_are_refused(nets, what):
    with pytest.raises(ValueError, match="items is empty"):
        getattr(scoring, what)(nets["gpt2"], WORDS, [])


def test_no_texts_or_too_short_ones_are_refused(nets):
    with pytest.raises(ValueError, match="texts is empty"):
        scoring.text_loss(nets["gpt2"], WORDS, [])
    with pytest.raises(ValueError, match="a text needs at least two tokens, got ''"):
        scoring.text_loss(nets["gpt2"], WORDS, ["Anna is", ""])


def test_items_with_other_answers_are_refused(nets):
    mixed = [Item("Is it?", YES_NO, 0), Item("Is it?", (" true", " false"), 0)]
    with pytest.raises(ValueError, match=r"must have the same answers, .*' yes'.*' true'"):
        scoring.probabilities(nets["gpt2"], WORDS, mixed)


@pytest.mark.parametrize("what", ["probabilities", "exact_match", "text_loss"])
def test_a_prompt_beyond_the_context_is_named(nets, what):
    prompt = "red " * (tiny.CONTEXT - 1)  # with its first token it fits, but not with an answer
    items = [Item("Is it?", YES_NO, 0), Item(prompt.strip(), YES_NO, 0), Item("Is he?", YES_NO, 1)]
    given = [item.prompt for item in items] if what == "text_loss" else items
    measure = getattr(scoring, what)
    if what == "exact_match":
        with pytest.raises(ValueError, match="item 1 has 65 tokens, the context holds 64: use"):
            measure(nets["gpt2"], WORDS, given)
        fitted = data.fit(items, WORDS, tiny.CONTEXT).items
        assert measure(nets["gpt2"], WORDS, fitted).shape == (3,)
        return
    assert measure(nets["gpt2"], WORDS, given).isfinite().all()
    given[1] = given[1] + " red" if what == "text_loss" else Item(items[1].prompt + " red", YES_NO, 0)
    with pytest.raises(ValueError, match="item 1 has 65 tokens, the context holds 64"):
        measure(nets["gpt2"], WORDS, given)


@pytest.mark.parametrize("batch", [0, -1, True, 2.0, None, "64"])
def test_a_batch_must_be_a_whole_number(nets, batch):
    with pytest.raises(ValueError, match="batch must be a whole number from 1, got "):
        scoring.probabilities(nets["gpt2"], WORDS, [Item("Is it?", YES_NO, 0)], batch=batch)


@pytest.mark.parametrize("words", [[" perhaps"], [" yes no"], [" yes", " maybe"], [" Yes"], [""]])
def test_an_answer_of_several_tokens_is_refused(words):
    with pytest.raises(SplitAnswer, match=r"makes \d+ tokens of the answer"):
        scoring.ids(WORDS, words)


def test_two_answers_of_one_token_are_refused():
    with pytest.raises(SplitAnswer, match=r"\[' yes', ' yes'\] are not different tokens"):
        scoring.ids(WORDS, [" yes", " yes"])


def test_answers_without_a_token_are_refused_before_anything_is_computed():
    one = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(cores.WordLevel({"?": 0, "Is": 1, "yes": 2}, unk_token="?")), unk_token="?"
    )
    one.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(SplitAnswer, match="does not know the answer ' perhaps' behind 'Is'"):
        scoring.probabilities(None, one, [Item("Is", (" perhaps", " yes"), 0)])
    with pytest.raises(SplitAnswer, match="are not different tokens"):
        scoring.probabilities(None, one, [Item("Is", (" yes", "  yes"), 0)])


@batches
@pytest.mark.parametrize("family", ["gpt2", "gemma3_text", "falcon"])
def test_of_several_tokens_it_is_the_product_of_their_probabilities(nets, family, batch):
    """An oracle of one text at a time: the sum of the log-probabilities of the tokens of an answer."""
    answers = (" up", " perhaps", " in the park")
    asked = [
        Item("Is it? Answer:", answers, 0),
        Item("The box. Is it, say, in the park? Answer:", answers, 1),
    ]
    found = scoring.probabilities(nets[family], WORDS, asked, batch=batch)
    for row, item in zip(found, asked, strict=True):
        for got, answer in zip(row.tolist(), answers, strict=True):
            start = len(WORDS(item.prompt).input_ids)
            given, tokens = one(nets[family], item.prompt + answer)
            each = [given[i - 1, tokens[i]].item() for i in range(start, len(tokens))]
            assert len(each) == {" up": 1, " perhaps": 8, " in the park": 3}[answer]
            assert got == pytest.approx(math.exp(sum(each)), rel=1e-4)


def test_one_token_or_several_are_measured_alike(nets):
    """The first answer is one token in both questions, so it has the same probability."""
    prompt = "Is Anna in the park? Answer:"
    alone, beside = (
        scoring.probabilities(nets["llama"], WORDS, [Item(prompt, (" yes", other), 0)])[0, 0]
        for other in (" no", " in the park")
    )
    torch.testing.assert_close(alone, beside)


def test_a_token_beyond_the_embedding_is_named(nets):
    own = lexicon.tokenizer()
    own.add_special_tokens({"additional_special_tokens": ["<image>"]})
    asked = [Item("Is it? Answer:", YES_NO, 0), Item("Is <image> it? Answer:", YES_NO, 0)]
    with pytest.raises(
        ValueError, match=rf"item 1 has the token {len(WORDS)}, and the embedding has {len(WORDS)}"
    ):
        scoring.probabilities(nets["gpt2"], own, asked)
    assert scoring.probabilities(nets["gpt2"], own, asked[:1]).isfinite().all()
