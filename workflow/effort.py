"""What a run of a study will take: memory by the shapes of its model, minutes by what was measured.

The counts of passes are rough: they follow the parameters that matter, and are exact for none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lglib.base import footprint

GB = 1e9
SHORT, LONG, STORY = 64, 400, 96  # tokens of an item of the micro-world, of BoolQ, of a pair of lora
KINDS = 3  # of items that the models study asks
LESSON = 16  # questions of one step of the lora study
MODEL = "micro-gpt2"  # what was measured: the quick profile on one core, in seconds a run
MEASURED = {
    "theory": 40.0,
    "quadratic": 22.0,
    "synthetic": 206.0,
    "models": 48.0,
    "lora": 300.0,
    "controls": 240.0,
    "rank": 115.0,
    "bridge": 114.0,
    "lens": 48.0,
}
# Bytes of memory without a language model: theory took 0.88 GB, synthetic 0.56 GB in profile smoke.
PEAKS = {"theory": 0.9e9, "synthetic": 0.9e9}
CORE = 92e9  # float32 operations a second of that core in a matrix product (benchmarks/rank.json)
SHARE_OF_GPU = 0.3  # of a GPU's peak that such work reaches

# Memory in bytes and peak float32 operations a second.
DEVICES = {
    "h100-80g": (80e9, 60e12),
    "a100-40g": (40e9, 19e12),
    "a100-80g": (80e9, 19e12),
    "h200-141g": (141e9, 60e12),
    "l4-24g": (24e9, 30e12),
    "t4-16g": (16e9, 8e12),
}
Given = Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """What a run does with its model: the longest batch, kinds of work, and item passes (a gradient is 3)."""

    items: int
    tokens: int
    kinds: tuple[str, ...]
    passes: float
    coordinates: int = 0
    held: float = 0.0  # bytes a parameter that lie beside the model all the time, as an untrained twin
    curved: int = 0  # items of the loss whose curvature is measured; 0: `items`
    double: bool = False  # whether steps are also tried on a copy in float64


def work(study: str, given: Given, shape: footprint.Shape, context: int, data_tokens: int = 0) -> Work:
    """The work of a study of a language model with these parameters."""
    asked = OF[study](given, shape)
    long = data_tokens or (LONG if "boolq" in (*given.get("tasks", ()), *given.get("templates", ())) else 0)
    tokens = min(max(asked.tokens, long), context or asked.tokens)
    return replace(asked, tokens=tokens, double=given.get("precision") == "float64")


def peak(asked: Work, shape: footprint.Shape, memory: float, *, cuda: bool) -> tuple[float, str]:
    """Peak bytes on a device with that memory, and the kind of work and the largest part behind it."""
    size = 2 if cuda and shape.parameters > 1e9 else 4
    free = max(memory - size * shape.parameters, 1.0)

    def estimate(items: int) -> dict[str, footprint.Parts]:
        given: Any = dict(tokens=asked.tokens, free=free, coordinates=asked.coordinates, size=size)
        return footprint.estimate_from_shapes(shape, items=items, **given)

    found, few = estimate(asked.items), estimate(asked.curved or asked.items)
    found |= {kind: few[kind] for kind in ("hessian", "pushforward")} if asked.curved else {}
    kinds = {kind: dict(found[kind]) for kind in asked.kinds}
    if asked.double:
        kinds["steps in float64"] = {
            "weights": float(size * shape.parameters),
            "copy in float64": 8.0 * shape.parameters,
            "vectors in float64": 32.0 * shape.parameters,  # theta, step, gradient and pull; Gemma 3 270M
            "activations": found["pushforward"]["activations"],
        }
    if asked.held:
        kinds = {
            kind: {**parts, "a second model": asked.held * shape.parameters} for kind, parts in kinds.items()
        }
    totals = {kind: sum(parts.values()) for kind, parts in kinds.items()}
    worst = max(totals, key=lambda kind: totals[kind])
    part = max(kinds[worst], key=lambda name: kinds[worst][name])
    own = 0.0 if cuda else footprint.RUNTIME
    return totals[worst] + own, f"{worst}: {part} {kinds[worst][part] / GB:.2f} GB"


def host(shape: footprint.Shape) -> float:
    """Bytes of main memory of a run on a GPU: its weights pass through it.

    The last part is what CUDA's libraries take there; it is a round figure, not a measured one.
    """
    return (2 if shape.parameters > 1e9 else 4) * shape.parameters + footprint.RUNTIME + 3 * GB


def seconds(study: str, asked: Work, shape: footprint.Shape, usual: Work, small: Any, speed: float) -> float:
    """Seconds of a run, from those of the quick profile on `MODEL` by operations and the device's speed."""
    ours = asked.passes * asked.tokens * _per_token(shape, asked.tokens)
    theirs = usual.passes * usual.tokens * _per_token(small, usual.tokens)
    return MEASURED[study] * ours / theirs * CORE / speed


def own_seconds(study: str, given: Given, usual: Given, speed: float) -> float | None:
    """Seconds of a run of a study of small networks; None for a study that was never measured.

    Those of the synthetic transformer are too small to gain from a GPU.
    """
    if study not in MEASURED:
        return None
    if study == "theory":
        ours, theirs = (p["draws"] * len(p["widths"]) + 1e2 * sum(p["widths"]) for p in (given, usual))
        return MEASURED[study] * ours / theirs * CORE / speed
    if study == "quadratic":
        runs = [len(p["noises"]) * len(p["momenta"]) * p["horizons"][-1] * p["d"] for p in (given, usual)]
        return MEASURED[study] * runs[0] / runs[1]  # on the CPU, whatever the device
    steps = ("base_steps", "schedule_steps", "gradients", "candidates")
    ratio = sum(given[name] / usual[name] for name in steps) / len(steps)
    size = [p["layers"] * p["width"] ** 2 for p in (given, usual)]
    return MEASURED[study] * ratio * (max(1.0, size[0] / size[1]) if speed == CORE else 1.0)


def speed(device: str) -> float:
    """Operations a second that count on a device, "cpu" or a name of DEVICES."""
    return CORE if device == "cpu" else SHARE_OF_GPU * DEVICES[device][1]


def _per_token(shape: Any, tokens: int) -> float:
    """Operations of one token: the matrices of the blocks, its scores, and a share of the head."""
    blocks = shape.parameters - (1 if shape.tied else 2) * shape.vocabulary * shape.width
    head = shape.vocabulary * shape.width / max(tokens, 1)
    return 2.0 * (max(blocks, 1) + shape.layers * shape.width * tokens + head)


def _models(p: Given, shape: footprint.Shape) -> Work:
    return Work(64, SHORT, ("loading",), KINDS * p["items"])


def _lora(p: Given, shape: footprint.Shape) -> Work:
    pairs = len(p["task_pairs"]) + len(p["shape_pairs"]) * (len(p["shapes"]) - 1)
    rank = max(int(name.split("-")[0]) for name in p["shapes"])
    wide = any(name.endswith("linear") for name in p["shapes"])
    per_block = 4 * 2 * shape.width + (3 * (shape.width + shape.inner) if wide else 0)
    run = 3 * LESSON * (p["limit"] / 2 + 4 * p["horizons"][-1] + 6 * p["gradients"])
    search = p["candidates"] * p["items"] * len(p["norms"])
    pool = 18 * p["pool_candidates"] * len(p["norms"]) * p["items"]
    refreshed = (
        3 * LESSON * len(p["refresh_pairs"]) * sum(p["horizons"][-1] / k * p["ks"][-1] for k in p["refresh"])
    )
    passes = pairs * run + len(p["task_pairs"]) * search + pool + refreshed
    return Work(LESSON, STORY, ("loading", "gradient", "candidates"), passes, rank * shape.layers * per_block)


def _controls(p: Given, shape: footprint.Shape) -> Work:
    wide = p["shape"].endswith("linear")
    per_block = 4 * 2 * shape.width + (3 * (shape.width + shape.inner) if wide else 0)
    run = 3 * LESSON * (p["limit"] / 2 + 4 * p["horizon"] + 66 * p["gradients"])
    contest = 8 * p["budgets"][-1] * p["questions"]
    scales = 2 * p["scale_candidates"] * len(p["shares"]) * 5 * p["questions"]
    pool = 2 * (24 * p["pool_candidates"] + 6 * (5 * p["ks"][-1] + p["pool_candidates"])) * p["items"]
    passes = len(p["task_pairs"]) * run + len(p["search_pairs"]) * (contest + scales + pool)
    rank = int(p["shape"].split("-")[0])
    return Work(LESSON, STORY, ("loading", "gradient", "candidates"), passes, rank * shape.layers * per_block)


def _rank(p: Given, shape: footprint.Shape) -> Work:
    grams = 9 * len(p["tasks"]) * p["examples"] * 6 + 2 * len(p["answer_counts"]) * p["examples"] * 6
    directions = p["random_directions"] + 3 + min(p["block_directions"], shape.layers)
    lines = directions * 30 * p["regime_items"] * (2 if p["precision"] == "float64" else 1)
    trace = p["probes"] * p["regime_items"] * 8
    search = p["candidates"] * 5 * 2 * p["regime_items"]
    kinds = ("loading", "gradient", "gram", "hessian")
    return Work(
        p["examples"], SHORT, kinds, grams + lines + trace + search, held=4.0, curved=p["regime_items"]
    )


def _bridge(p: Given, shape: footprint.Shape) -> Work:
    asked = 2 * p["questions"]
    steered = 6 * len(p["depths"]) * len(p["multipliers"])
    steps = 20 * p["random_steps"] + 40 * len(p["scales"]) + 2 * p["pairs"] + 3 * p["descent"]
    imitated = 60 * p["iterations"]
    costs = 12 * p["stories"] * (1 + len(p["skills"]))
    passes = asked * (steered + steps + imitated) + costs
    return Work(asked, SHORT, ("loading", "gradient", "pushforward"), passes)


def _lens(p: Given, shape: footprint.Shape) -> Work:
    vectors = 12 * 2 * p["questions"]  # two gradients, two pushforwards, one gradient by h, readings
    steered = 2 * (6 + p["random_directions"]) * len(p["depths"]) * len(p["doses"]) * 2 * p["judged"]
    passes = len(p["tasks"]) * (vectors + steered)
    return Work(2 * p["questions"], SHORT, ("loading", "gradient", "pushforward"), passes)


OF: dict[str, Callable[[Given, footprint.Shape], Work]] = {
    "models": _models,
    "lora": _lora,
    "controls": _controls,
    "rank": _rank,
    "bridge": _bridge,
    "lens": _lens,
}
