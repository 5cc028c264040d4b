"""What work on a model of given shapes will take, in bytes by part: from the shapes alone, no weights needed.

For a plan made before anything is downloaded. `benchmarks/memory.py` holds it against what is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lglib.base.checks import count

SHARE = 0.5  # of free memory, that activations of one chunk may fill: as in `base.chunks`
BLOCK = 2**26  # bytes of one block of per-example gradients: `per_example.BUDGET`
RUNTIME = 0.45e9  # Python with torch and transformers loaded, before any model
BACK = 3.0  # score matrices and widest rows that exist at a time on the way through one block
CURVED = 3.8  # what a graph that is differentiated twice keeps, in what one gradient keeps
Parts = dict[str, float]


@dataclass(frozen=True)
class Shape:
    """Shapes of a decoder: blocks, widths, heads, words, and how many weights there are in all.

    `inner` is the width inside of an MLP, `head` that of one head (0: width / heads), `gated` whether an MLP
    has three matrices, `tied` whether the embedding is the head too.

    >>> Shape(12, 768, 3072, 12, 12, 50257, 124_439_808, tied=True, gated=False).of_head
    64
    """

    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    vocabulary: int
    parameters: int
    tied: bool
    head: int = 0
    gated: bool = True

    @property
    def of_head(self) -> int:
        """Width of one head."""
        return self.head or self.width // self.heads

    def kept(self, tokens: int) -> float:
        """Numbers that one block keeps of one item for the way back, with eager attention."""
        rows = 6 * self.width + 4 * self.heads * self.of_head + (4 if self.gated else 6) * self.inner
        return float(tokens * (rows + self.heads * tokens))

    def passing(self, tokens: int) -> float:
        """Numbers of one item that exist at a time while one block is computed, and are gone after it."""
        return BACK * tokens * max(self.heads * tokens, self.inner, self.width)


def shape_of(config: Mapping[str, Any] | Any, parameters: int | None = None) -> Shape:
    """Shape from a transformers configuration or the dictionary of its `config.json`.

    Without `parameters`, those of matrices, embedding and head are counted. Raises ValueError, naming it, for
    a fact that is not there.

    >>> shape_of(dict(n_layer=12, n_embd=768, n_head=12, vocab_size=50257, model_type="gpt2")).inner
    3072
    """

    def fact(*names: str, default: Any = None) -> Any:
        for name in names:
            found = config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)
            if found is not None:
                return found[0] if isinstance(found, list | tuple) else found
        if default is None:
            raise ValueError(f"config: has none of {', '.join(names)}")
        return default

    layers = fact("num_hidden_layers", "n_layer", "num_layers")
    width, heads = fact("hidden_size", "n_embd"), fact("num_attention_heads", "n_head")
    inner = fact("intermediate_size", "n_inner", "ffn_dim", default=4 * width)
    own = fact("head_dim", default=width // heads)
    few, words = fact("num_key_value_heads", default=heads), fact("vocab_size")
    kind = str(fact("model_type", default=""))
    gated = kind not in ("gpt2", "gpt_neox", "opt", "gptj", "gpt_neo", "falcon", "bloom", "phi")
    tied = bool(fact("tie_word_embeddings", default=kind.startswith(("gpt2", "gemma"))))
    if parameters is None:
        block = 2 * width * own * (heads + few) + (3 if gated else 2) * width * inner
        parameters = layers * block + (1 if tied else 2) * words * width
    return Shape(layers, width, inner, heads, few, words, parameters, tied, own, gated)


def fit(one: float, most: int, free: float | None) -> int:
    """How many of a cost of `one` byte count go at a time: all without `free`, else what a share of it holds.

    >>> fit(100.0, 64, None), fit(100.0, 64, 2000.0), fit(100.0, 64, 1.0)
    (64, 10, 1)
    """
    return most if free is None else max(1, min(most, int(SHARE * free // one)))


def loading(shape: Shape, *, size: int = 4) -> Parts:
    """Bytes of loading a model whose numbers have `size` bytes: the weights, and a tenth for buffers.

    Weights in files of the same type are mapped, not copied.

    >>> round(loading(Shape(2, 8, 16, 2, 2, 10, 1000, True))["weights"])
    4000
    """
    weights = float(size * shape.parameters)
    return {"weights": weights, "buffers": 0.1 * weights}


def gradient(
    shape: Shape, items: int, tokens: int, *, free: float | None = None, answers: int = 1, size: int = 4
) -> Parts:
    """Bytes of one gradient over `items` prompts of `tokens`, in micro-batches where `free` bytes are few.

    Weights apart. `answers` is the number of read positions of an item.

    >>> tiny = Shape(2, 8, 16, 2, 2, 10, 1000, True)
    >>> sum(gradient(tiny, 64, 9, free=50_000.0).values()) < sum(gradient(tiny, 64, 9).values())
    True
    """
    one = size * (shape.layers * shape.kept(tokens) + shape.passing(tokens) + _head(shape, tokens, answers))
    at_once = fit(one, count("items", items), free)
    return {"activations": at_once * one, "gradient": 2.0 * size * shape.parameters}


def gram(
    shape: Shape, items: int, tokens: int, *, free: float | None = None, answers: int = 1, size: int = 4
) -> Parts:
    """Bytes of the Gram matrix of the gradients of n = `items` prompts, in pairs of chunks where it must be.

    >>> sorted(gram(Shape(2, 8, 16, 2, 2, 10, 1000, True), 64, 9))
    ['Gram matrices', 'activations', 'blocks of gradients', 'work space of one product']
    """
    one = size * (shape.layers * shape.kept(tokens) + shape.passing(tokens) + _head(shape, tokens, answers))
    one += size * shape.layers * tokens * (4 * shape.width + 2 * shape.inner)  # gradients of outputs
    at_once = fit(one, count("items", items, 2), free)
    blocks = 3.0 * min(max(BLOCK, 4 * items), 4 * items * shape.width * max(shape.vocabulary, shape.inner))
    return {
        "activations": at_once * one,
        "blocks of gradients": blocks,
        "work space of one product": float(min(BLOCK, size * shape.width * shape.vocabulary)),
        "Gram matrices": 8.0 * items**2 * (12 * shape.layers + 4),
    }


def hessian_product(
    shape: Shape, items: int, tokens: int, *, free: float | None = None, answers: int = 1, size: int = 4
) -> Parts:
    """Bytes of one Hessian-vector product by double backward: a gradient's graph, and its gradient's.

    >>> tiny = Shape(2, 8, 16, 2, 2, 10, 1000, True)
    >>> sum(hessian_product(tiny, 4, 9).values()) > 2 * sum(gradient(tiny, 4, 9).values())
    True
    """
    one = size * (shape.layers * shape.kept(tokens) + shape.passing(tokens) + _head(shape, tokens, answers))
    at_once = fit(CURVED * one, count("items", items), free)
    return {"activations": at_once * CURVED * one, "vectors": 5.0 * size * shape.parameters}


def pushforward(shape: Shape, items: int, tokens: int, *, free: float | None = None, size: int = 4) -> Parts:
    """Bytes of J u for one direction u by forward mode: values and tangents of one block, theta and u.

    >>> sorted(pushforward(Shape(2, 8, 16, 2, 2, 10, 1000, True), 64, 9))
    ['activations', 'vectors']
    """
    one = 2.0 * size * (shape.kept(tokens) + shape.passing(tokens))
    return {
        "activations": fit(one, count("items", items), free) * one,
        "vectors": 2.0 * size * shape.parameters,
    }


def candidates(
    shape: Shape,
    items: int,
    tokens: int,
    *,
    coordinates: int,
    at_once: int = 8,
    free: float | None = None,
    answers: int = 1,
    size: int = 4,
) -> Parts:
    """Bytes of a stack of LoRA candidates, each `coordinates` long, on `items` prompts in one forward pass.

    >>> sorted(candidates(Shape(2, 8, 16, 2, 2, 10, 1000, True), 64, 9, coordinates=50))
    ['activations', 'candidates']
    """
    head = 2.0 * answers * shape.vocabulary + tokens * shape.width
    items = count("items", items)
    one = size * items * (3 * tokens * (shape.width + shape.inner) + shape.passing(tokens) + head)
    stack = fit(one + 2.0 * size * coordinates, count("at_once", at_once), free)
    return {"activations": stack * one, "candidates": 2.0 * stack * size * coordinates}


def estimate_from_shapes(
    shape: Shape,
    *,
    items: int,
    tokens: int,
    free: float | None = None,
    answers: int = 1,
    coordinates: int = 0,
    size: int = 4,
) -> dict[str, Parts]:
    """Bytes by kind of work and part, weights in each: what a plan shows for one model.

    `coordinates` of an adapter (0: no candidates). The sum of a kind is its peak; RUNTIME bytes more are the
    interpreter's, on a machine whose memory is the device's.

    >>> found = estimate_from_shapes(Shape(2, 8, 16, 2, 2, 10, 1000, True), items=4, tokens=9)
    >>> sorted(found)
    ['gradient', 'gram', 'hessian', 'loading', 'pushforward']
    """
    found = {
        "loading": loading(shape, size=size),
        "gradient": gradient(shape, items, tokens, free=free, answers=answers, size=size),
        "gram": gram(shape, items, tokens, free=free, answers=answers, size=size),
        "hessian": hessian_product(shape, items, tokens, free=free, answers=answers, size=size),
        "pushforward": pushforward(shape, items, tokens, free=free, size=size),
    }
    if coordinates:
        found["candidates"] = candidates(
            shape, items, tokens, coordinates=coordinates, free=free, answers=answers, size=size
        )
    weights = {"weights": float(size * shape.parameters)}
    return {kind: weights | parts for kind, parts in found.items()}


def _head(shape: Shape, tokens: int, answers: int) -> float:
    """Numbers of one item around the head: the final norm, logits, their cast and their log-softmax."""
    return 3.0 * tokens * shape.width + 4.0 * answers * shape.vocabulary
