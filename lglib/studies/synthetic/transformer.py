"""A small GPT-2 of transformers for the synthetic tasks: made from a config, its loss, its exact match."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel

from lglib.tasks import synthetic


def build(*, width: int, seed: int, length: int = 6, layers: int = 2, heads: int = 4) -> torch.nn.Module:
    """An untrained decoder-only transformer with the tasks' vocabulary: 101,952 parameters at width 64.

    GPT-2's initial scale, 0.02 at width 768, is carried to this width as 1/sqrt(width). No dropout, and eager
    attention, because the fused one has no second derivative. Raises ValueError unless heads divide width.

    >>> sum(p.numel() for p in build(width=64, seed=0).parameters())
    101952
    """
    if width < 1 or heads < 1 or layers < 1 or width % heads:
        raise ValueError(
            f"width must be a positive multiple of heads, and layers >= 1; got {width}, {heads}, {layers}"
        )
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length!r}")
    config = GPT2Config(
        vocab_size=synthetic.VOCABULARY,
        n_positions=2 * length + 1,  # the last token of y is predicted, never read
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        initializer_range=0.02 * (768 / width) ** 0.5,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own function, in one fused operation
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
        bos_token_id=synthetic.SEP,
        eos_token_id=synthetic.SEP,
        pad_token_id=None,  # rows have one length; with a pad token the inputs are searched for it each time
    )
    config._attn_implementation = "eager"
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reseed every GPU
        return GPT2LMHeadModel(config).eval()


def loss(model: torch.nn.Module, batch: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the answer tokens of a batch (n, 2L + 2) from `tasks.draw`.

    >>> batch = synthetic.draw("copy", 8, part="train", key=0)
    >>> loss(build(width=64, seed=0), batch).item() > 2  # near ln 16 = 2.77: it knows nothing
    True
    """
    logits, wanted = _logits(model, batch)
    return cross_entropy(logits.flatten(0, 1), wanted.flatten())


@torch.no_grad()
def exact_match(model: torch.nn.Module, batch: Tensor) -> float:
    """Share of examples whose whole answer is right, each token given the right ones before it.

    That equals the exact match of greedy decoding: both ask that the largest logit is right at every token
    after a right beginning.

    >>> exact_match(build(width=64, seed=0), synthetic.draw("copy", 8, part="train", key=0))
    0.0
    """
    logits, wanted = _logits(model, batch)
    return (logits.argmax(-1) == wanted).all(1).float().mean().item()


def scores(
    model: torch.nn.Module, names: Sequence[str], *, n: int = 512, part: str = "validation", length: int = 6
) -> dict[str, float]:
    """Exact match by task on n fixed examples each of a part.

    >>> scores(build(width=64, seed=0), ["copy", "sort"], n=16)
    {'copy': 0.0, 'sort': 0.0}
    """
    device = next(model.parameters()).device
    sets = {name: synthetic.draw(name, n, part=part, key="scores", length=length) for name in names}
    return {name: exact_match(model, batch.to(device)) for name, batch in sets.items()}


def _logits(model: torch.nn.Module, batch: Tensor) -> tuple[Tensor, Tensor]:
    length = batch.shape[1] // 2 - 1  # [task] x [SEP] y
    output = model(input_ids=batch[:, :-1], logits_to_keep=length)
    return output.logits, batch[:, -length:]  # (n, L, vocabulary), (n, L)
