"""The recipe of the micro models: copy, look up, compare, settle, calibrate, with a gate after each stage.

Reading emerges in jumps, so a stage ends when its gate is met, not after a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lglib.base import progress
from lglib.tasks import scoring
from lglib.tasks.microworld import corpus, lexicon, passages, skills

CONTEXT = 128  # tokens
FAMILIES = ("gpt2", "qwen2", "olmo2")
EVERY = 100  # steps between two looks at the validation items
LOOKED_AT = 256  # validation items of each kind
ROTARY = {"rope_type": "default", "rope_theta": 500.0}  # wavelengths that a short context can tell apart
MUON, ADAM = 0.02, 2e-3  # learning rates of the matrices of the blocks, and of all else
KINDS = ("yes-no", "claim", "open", "who")


@dataclass(frozen=True)
class Stage:
    """One stage: what is read, at most how long, and the scores that end it.

    With `whole` it takes all its steps while the rate falls in a line to a thirtieth, and the gate is looked
    at afterwards.
    """

    name: str
    documents: Callable[[object], Iterator[corpus.Document]]
    steps: int
    until: Mapping[str, float]
    rows: int = 18
    length: int = 128
    rate: float = 1.0
    whole: bool = False


def _facts(most: int) -> Callable[[object], Iterator[corpus.Document]]:
    return lambda key: corpus.mixed(key, facts=(1, most))


def _back(key: object) -> Iterator[corpus.Document]:
    return corpus.lookups(f"back {key}", back=0.75)


READS = {"yes-no": 0.97, "claim": 0.97}
STAGES = (
    Stage("copy", corpus.copying, 1000, {"repeat": 0.7}, rows=72, length=32),
    Stage("look up", corpus.lookups, 3000, {"open": 0.95}, rows=36, length=64),
    Stage("look back", _back, 4000, {"open": 0.95, "who": 0.9}, rows=36, length=64, rate=0.5),
    Stage("compare two", _facts(2), 3000, {"yes-no 2": 0.92}, rate=0.5),
    Stage("compare four", _facts(4), 3000, {"yes-no": 0.95, "claim": 0.95}, rate=0.5),
    Stage("settle", _facts(4), 1200, READS, rate=0.5, whole=True),
    Stage("calibrate", lambda key: corpus.mixed(key, facts=(1, 4), flips=0.1), 400, READS, whole=True),
)


@dataclass
class Trained:
    """A model, its tokenizer, and the learning curve: one row a look, with stage, step, seconds, scores."""

    model: nn.Module
    tokenizer: Any
    curve: list[dict[str, Any]] = field(default_factory=list)


class NotLearned(RuntimeError):
    """A stage ended without meeting its gate; the message holds the learning curve, `trained` all of it."""

    def __init__(self, message: str, trained: Trained) -> None:
        super().__init__(message)
        self.trained = trained


def untrained(
    family: str, tokenizer: Any, *, seed: int, width: int = 128, layers: int = 4, heads: int = 4
) -> nn.Module:
    """A transformers model of a family with random weights: about 0.87 million parameters by default.

    GPT-2's initial scale, 0.02 at width 768, is carried to this width. One embedding serves input and output.
    Raises ValueError for an unknown family or heads that do not divide the width.

    >>> sum(p.numel() for p in untrained("gpt2", lexicon.tokenizer(), seed=0).parameters())
    892160
    """
    from transformers import AutoModelForCausalLM, GPT2Config, Olmo2Config, Qwen2Config

    if family not in FAMILIES:
        raise ValueError(f"family is {family!r}; there is: {', '.join(FAMILIES)}")
    if width < 1 or heads < 1 or layers < 1 or width % (2 * heads):
        raise ValueError(
            f"width must be a multiple of 2 heads, layers at least 1; got {width}, {heads}, {layers}"
        )
    both = dict(
        vocab_size=len(tokenizer),
        initializer_range=0.02 * (768 / width) ** 0.5,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=None,  # with one, the inputs are searched for it each time
        tie_word_embeddings=True,
    )
    if family == "gpt2":
        config = GPT2Config(
            n_positions=CONTEXT,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            activation_function="gelu_pytorch_tanh",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            **both,
        )
    else:
        config = {"qwen2": Qwen2Config, "olmo2": Olmo2Config}[family](
            hidden_size=width,
            intermediate_size=width * 8 // 3 // 16 * 16,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,  # a small model learns more slowly when heads share keys
            max_position_embeddings=CONTEXT,
            **({"rope_parameters": ROTARY} if family == "qwen2" else {}),
            **both,
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy in nats, averaged with the weights of the tokens; batch as from `corpus.batches`."""
    tokens, weights = batch
    logits = model(input_ids=tokens[:, :-1], use_cache=False).logits.float()
    each = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    own = weights[:, 1:].flatten()
    return (each * own).sum() / own.sum()


def scores(
    model: nn.Module, tokenizer: Any, *, n: int = LOOKED_AT, part: str = "validation"
) -> dict[str, float]:
    """Accuracy on n items of each kind and skill, and the mean P(yes) of true and of false yes-no questions.

    "yes-no 2" is of passages with one or two facts. P(yes) is relative to yes and no together.
    """
    found: dict[str, float] = {}
    for name, facts in (("yes-no", (1, 4)), ("yes-no 2", (1, 2)), ("claim", (1, 4))):
        kind = name.removesuffix(" 2")
        items = passages.questions(n, kind, part=part, key="gate", facts=facts)
        p = scoring.probabilities(model, tokenizer, items)
        right = torch.tensor([item.label for item in items])
        found[name] = (p.argmax(1) == right).float().mean().item()
        if name == "yes-no":
            yes = p[:, 0] / p.sum(1)
            found["P(yes|true)"] = yes[right == 0].mean().item()
            found["P(yes|false)"] = yes[right == 1].mean().item()
    for kind in ("open", "who"):
        items = passages.questions(n, kind, part=part, key="gate")
        found[kind] = scoring.exact_match(model, tokenizer, items).mean().item()
    for skill in skills.SKILLS:
        items = skills.questions(n // 2, skill, part=part, key="gate")
        found[skill] = scoring.exact_match(model, tokenizer, items).mean().item()
    return found


def train(
    family: str, *, seed: int = 0, device: str = "cpu", stages: tuple[Stage, ...] = STAGES, **shape: int
) -> Trained:
    """Train a micro model through all stages.

    Raises NotLearned when one ends without meeting its gate.

    The block matrices learn by Muon, the rest by AdamW; calibration by AdamW alone. On a CPU with bfloat16
    instructions and on a GPU the products run in bfloat16; weights, gradients and states are float32.
    """
    tokenizer = lexicon.tokenizer()
    trained = Trained(untrained(family, tokenizer, seed=seed, **shape).to(device), tokenizer)
    started, tokens = time.monotonic(), 0
    for stage in stages:
        steppers = _optimizers(trained.model, alone=stage.name == "calibrate")
        rates = [group["lr"] for stepper in steppers for group in stepper.param_groups]
        stream = corpus.batches(tokenizer, stage.documents(seed), rows=stage.rows, length=stage.length)
        for step in range(1, stage.steps + 1):
            factor = stage.rate * min(1.0, step / 100)
            factor *= max(1 / 30, 1 - step / stage.steps) if stage.whole else 1.0
            for group, rate in zip((g for s in steppers for g in s.param_groups), rates, strict=True):
                group["lr"] = rate * factor
            ids, weights = (part.to(device) for part in next(stream))
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=_bfloat16(device)):
                value = loss(trained.model, (ids, weights))
            value.backward()
            torch.nn.utils.clip_grad_norm_(trained.model.parameters(), 1.0)
            for stepper in steppers:
                stepper.step()
                stepper.zero_grad()
            tokens += stage.rows * stage.length
            progress.tell(f"{family}: {stage.name}", step, stage.steps, f"loss {value.item():.2f}")
            if step % EVERY and step < stage.steps:
                continue
            seconds = time.monotonic() - started
            row: dict[str, Any] = dict(stage=stage.name, step=step, seconds=round(seconds, 1), tokens=tokens)
            row |= dict(loss=round(value.item(), 4))
            row |= {name: round(score, 4) for name, score in scores(trained.model, tokenizer).items()}
            trained.curve.append(row)
            progress.note(f"{family}: " + _shown(row))
            met = all(row[name] >= bar for name, bar in stage.until.items())
            if met and not stage.whole:
                break
        if not met:
            rows = "\n".join(_shown(row) for row in trained.curve)
            raise NotLearned(
                f"{family}, seed {seed}: stage {stage.name!r} ended without {dict(stage.until)}. The "
                f"learning curve:\n{rows}\nTry another seed, or more steps of this stage",
                trained,
            )
    return trained


def _optimizers(model: nn.Module, *, alone: bool) -> list[torch.optim.Optimizer]:
    outer = ("wte", "wpe", "embed_tokens", "lm_head")
    inside = [p for n, p in model.named_parameters() if p.ndim == 2 and not any(o in n for o in outer)]
    if alone:
        return [torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.98), weight_decay=0.0)]
    chosen = {id(p) for p in inside}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(inside, lr=MUON, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=ADAM, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def _bfloat16(device: str) -> bool:
    if torch.device(device).type == "cuda":
        return True
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(known and known())


def _shown(row: Mapping[str, Any]) -> str:
    start = f"{row['stage']} {row['step']}, {row['seconds']:.0f} s, loss {row['loss']:.2f}:"
    kept = [k for k in row if k not in ("stage", "step", "seconds", "tokens", "loss")]
    return f"{start} " + " ".join(f"{name} {row[name]:.2f}" for name in kept)
