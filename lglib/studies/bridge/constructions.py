"""B3: constructions of the vector that share no passage, each made twice from two halves of its data."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from lglib.activations import steering_losses
from lglib.activations.steering import PairDifferences, cosines
from lglib.parameters import descent
from lglib.report.observations import Observations
from lglib.studies.bridge.parameters import Parameters, one_question
from lglib.studies.bridge.setup import Setup, columns
from lglib.tasks import splits
from lglib.theory import nulls

Halves = tuple[Tensor, Tensor]  # of one construction, (layers, width) each
KIND = "logit difference"


def by_gradient(setup: Setup, template: str) -> Halves:
    """Pushforwards of the gradients of two halves of select, each read on its own half of the prompts."""
    h, loss = setup.pushforward(setup.held_out(template)), steering_losses.loss(setup.model, KIND)
    halves = splits.halves(setup.parts[template]["select"])
    first, second = (h.push(-setup.space.gradient(loss, setup.lesson(own))) for own in halves)
    n = len(first) // 2
    return first[:n].mean(0), second[n:].mean(0)


def by_contrast(caa: PairDifferences) -> Halves:
    """CAA vectors of two halves of the pairs."""
    return caa.differences[0::2].mean(0), caa.differences[1::2].mean(0)


def by_descent(setup: Setup, template: str, parameters: Parameters) -> Halves:
    """Actual shifts of two descents on evaluate, each trained and read on quarters of it.

    The model is left as it was.
    """
    theta, loss = setup.space.flatten(), steering_losses.loss(setup.model, KIND)
    made = []
    for own in splits.halves(setup.parts[template]["evaluate"]):
        learn, read = splits.halves(own)
        h = setup.pushforward(read)
        start, batches = h.values(), [setup.lesson(learn)] * parameters.descent
        try:
            optimizer = descent.optimizer("SGD", parameters.rate)
            descent.descend(setup.space, loss, optimizer, batches, every=parameters.descent)
            made.append((h.values() - start).mean(0))
        finally:
            setup.space.load(theta)
    return made[0], made[1]


def constructions(setup: Setup, caa: Mapping[str, PairDifferences]) -> dict[str, Halves]:
    """Halves of the constructions by gradient and by contrast; `caa` are true - false by template."""
    made = {f"gradient, {t}": by_gradient(setup, t) for t in setup.templates}
    return made | {f"CAA, {t}": by_contrast(caa[t]) for t in setup.templates}


def whole(halves: Halves) -> Tensor:
    """A construction from all of its data: the sum of its halves, each with length one."""
    first, second = (half / half.norm(dim=-1, keepdim=True) for half in halves)
    return first + second


def reach(halves: Tensor) -> Tensor:
    """Cosine of a whole with what its halves, of this cosine, are noisy views of: sqrt(2 c / (1 + c)).

    >>> import torch
    >>> reach(torch.tensor([1.0, 0.0]))
    tensor([1., 0.])
    """
    c = halves.clamp(min=0)
    return (2 * c / (1 + c)).sqrt()


def ceiling(a: Halves, b: Halves) -> Tensor:
    """What the cosine of two constructions would be if both were noisy views of one vector, (layers,)."""
    return reach(cosines(*a)) * reach(cosines(*b))


def observe(o: Observations, setup: Setup, made: Mapping[str, Halves], *, only: str = "") -> None:
    """File how far each construction agrees with itself and with the others, at the late layers.

    With `only` what concerns the construction of that name. Names end with their template: where the two are
    not known to be forms of one question, only constructions from the same one are compared.
    """
    bound = columns(null=nulls.random_direction(setup.model.width), null_means="random directions, 95 %")
    names, one_asked = list(made), one_question(setup.templates)
    for i, layer in [(setup.layers.index(layer), layer) for layer in setup.late]:
        depth = setup.depth(layer)
        for name, halves in made.items():
            if only not in ("", name):
                continue
            own = cosines(*halves)[i].item()
            o.add("B3", "halves of one construction", own, construction=name, depth=depth, **bound)
        for a, b in [(a, b) for j, a in enumerate(names) for b in names[:j] if only in ("", a, b)]:
            if not (one_asked or _template(a) == _template(b)):
                continue
            at = columns(construction=a, other=b, depth=depth)
            alike = cosines(whole(made[a]), whole(made[b]))[i].item()
            o.add("B3", "agreement", alike, **at, **bound)
            most = ceiling(made[a], made[b])[i].item()
            o.add("B3", "ceiling", most, null=0.0, null_means="halves that share nothing", **at)


def _template(construction: str) -> str:
    return construction.rpartition(", ")[2]
