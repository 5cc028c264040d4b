"""The residual stream as blocks hand it on: watched, not copied, and the model left as it was."""

import pytest
import torch

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
