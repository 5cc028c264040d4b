"""The residual stream: watched, read at positions as by a plain loop, and the model left as it was."""

import dataclasses

import pytest
import tiny
import torch
import toy

from lglib.activations import residual
from lglib.models import loading


@pytest.fixture(scope="module", params=["micro-gpt2", "micro-qwen2", "micro-olmo2"])
def found(request):
    return loading.load(request.param, device="cpu")


def hooks(found):
    """Hooks of each block; transformers has some of its own once it was asked for hidden states."""
    return [list(block._forward_hooks) for block in found.blocks]


def tokens(found):
    return found.tokenizer(["Anna is in the park."], return_tensors="pt")


def test_what_is_watched_is_what_transformers_calls_hidden_states_but_for_the_last(found):
    layers = list(range(1, len(found.blocks) + 1))
    with torch.no_grad(), residual.watch(found, layers) as seen:
        told = found.model(**tokens(found), output_hidden_states=True).hidden_states
    for layer in layers[:-1]:
        assert torch.equal(seen[layer], told[layer])
    assert not torch.equal(seen[layers[-1]], told[-1]), "the last one is after the final norm"


def test_hooks_go_when_the_body_ends_also_by_an_error(found):
    before = hooks(found)

    def fail():
        with residual.watch(found, [1]):
            assert hooks(found) != before
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert hooks(found) == before


@pytest.mark.parametrize("layers", [[0], [5], [True], [1.0], ["1"], [], [2, 2]])
def test_layers_that_are_not_there_are_refused(found, layers):
    before = hooks(found)
    with pytest.raises(ValueError, match="layer"), residual.watch(found, layers):
        pass
    assert hooks(found) == before


TEXTS = ["Anna is in the park.", "The drum is green. Question: Is the drum red? Answer:", "Anna is tired."]


@torch.no_grad()
def loop(found, texts, layers):
    """One text at a time, every position and layer kept, as one writes it first."""
    rows = []
    for text in texts:
        with residual.watch(found, layers) as seen:
            found.model(**found.tokenizer([text], return_tensors="pt"), use_cache=False)
        rows.append(torch.stack([seen[layer][0, -1] for layer in layers]))
    return torch.stack(rows)


def test_activations_are_those_of_a_plain_loop_whatever_the_batch(found):
    for batch in (1, 2, 64):
        h = residual.activations(found, residual.encode(found, TEXTS), [1, 3, 4], batch=batch)
        assert torch.allclose(h, loop(found, TEXTS, [1, 3, 4]), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_of_the_door_can_be_read(folders, family):
    own = loading.load(str(folders[family]), device="cpu", answers=())
    h = residual.activations(own, residual.encode(own, TEXTS), [1, 2])
    assert torch.allclose(h, loop(own, TEXTS, [1, 2]), atol=1e-4, rtol=1e-4)


def test_layers_come_in_the_order_that_was_asked_for(found):
    one, other = (residual.activations(found, residual.encode(found, TEXTS), own) for own in ([2, 4], [4, 2]))
    assert torch.equal(one, other.flip(1))


def test_the_pass_stops_behind_the_last_layer_needed(found):
    ran = []
    handle = found.blocks[3].register_forward_hook(lambda *_: ran.append(4))
    residual.activations(found, residual.encode(found, TEXTS), [1, 3])
    assert ran == []
    residual.activations(found, residual.encode(found, TEXTS), [4])
    handle.remove()
    assert ran == [4, 4]  # once to see what one text takes


def test_hooks_go_also_when_the_body_fails(found):
    before = hooks(found)

    def fail():
        with residual.until(found, [2]):
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert hooks(found) == before
    residual.activations(found, residual.encode(found, TEXTS), [2])
    assert hooks(found) == before


def test_the_model_answers_as_before_after_it_was_stopped(found):
    text = found.tokenizer([TEXTS[0]], return_tensors="pt")
    before = found.model(**text).logits
    residual.activations(found, residual.encode(found, TEXTS), [1])
    assert torch.equal(found.model(**text).logits, before)


def test_a_block_that_hands_on_a_tuple_is_read_too():
    plain, tuples = (toy.model(tuples=own) for own in (False, True))
    h = [residual.activations(own, residual.encode(own, TEXTS[:1]), [1, 2]) for own in (plain, tuples)]
    assert torch.equal(*h)


@pytest.mark.parametrize(
    ("texts", "told"),
    [([], "at least one text"), ("Anna", "list of at least one")],
)
def test_texts_that_cannot_be_read_are_refused(found, texts, told):
    with pytest.raises(ValueError, match=told):
        residual.encode(found, texts)


def test_a_text_beyond_the_context_is_refused_with_its_length(found):
    with pytest.raises(ValueError, match=r"text 1 has 202 tokens, the context of micro-\w+ holds 1 to 128"):
        residual.encode(found, ["Anna", "red " * 200])


@pytest.mark.parametrize("layers", [[0], [5], [], [2, 2], [1.5]])
def test_layers_out_of_range_are_refused(found, layers):
    with pytest.raises(ValueError, match="layer"):
        residual.activations(found, residual.encode(found, TEXTS), layers)


def test_a_batch_of_nothing_is_refused(found):
    with pytest.raises(ValueError, match="batch must be a whole number from 1"):
        residual.activations(found, residual.encode(found, TEXTS), [1], batch=0)


def test_a_model_without_the_hook_points_that_it_names_is_refused():
    own = toy.model()
    strange = dataclasses.replace(own, blocks=[own.blocks[0], torch.nn.Linear(6, 6)])
    with pytest.raises(ValueError, match="block 2 is no part of the model toy"):
        residual.activations(strange, residual.encode(strange, TEXTS[:1]), [2])


def test_a_block_that_never_ran_is_told():
    own = toy.model()
    own.model.layers[1].forward, own.model.unused = own.model.layers[1].forward, torch.nn.Linear(6, 6)
    strange = dataclasses.replace(own, blocks=[own.blocks[0], own.model.unused])
    with pytest.raises(ValueError, match="block 2 of toy did not run"):
        residual.activations(strange, residual.encode(strange, TEXTS[:1]), [2])


def test_other_places_of_a_text_lie_before_its_last_token(found):
    read = residual.encode(found, TEXTS)
    more = residual.elsewhere(read, 20, "key")
    assert torch.equal(more.at[:3], read.at)
    assert (more.at[3:].view(20, 3) < read.at).all()
    assert len(set(more.at[3:].tolist())) > 3
    assert torch.equal(more.tokens[3:6], read.tokens)
    assert torch.equal(residual.elsewhere(read, 20, "key").at, more.at)
