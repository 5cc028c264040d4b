"""What the study of the models measures: rows that describe, and speak for no claim of the paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from typing import Any

import numpy as np

from lglib.models import loading
from lglib.models.loading import LanguageModel
from lglib.report import sections
from lglib.report.observations import Observations
from lglib.studies import naming
from lglib.studies.models import answers, questions
from lglib.studies.models.parameters import Parameters
from lglib.tasks import own
from lglib.tasks.items import Item
from lglib.tasks.microworld import passages
from lglib.theory import stats

FEWEST = 2  # questions behind a row: one has no spread
SHORTCUT, COIN = "yes if the value is present", "either answer"  # nulls


def measure(
    parameters: Parameters, seed: int, *, found: Observations | None = None, keep: sections.Keep | None = None
) -> Observations:
    """Measure what each model reads, how sure it is and where it fails."""
    o, items = Observations() if found is None else found, parameters.items
    of: dict[str, Callable[[], None]] = {"world": partial(_world, o, items, seed)}
    for name in parameters.names:
        one = Network(parameters, seed, name)
        of[f"{one.name}, accuracy"] = partial(_accuracy, o, one, questions.KINDS)
        of[f"{one.name}, confidence"] = partial(_confidence, o, one)
        of[f"{one.name}, changed questions"] = partial(_limits, o, one)
        if parameters.data:
            of[f"{one.name}, own data"] = partial(_own, o, one)
    if parameters.data:
        read = own_items(parameters)
        o.used(read.name, read.sha256)
    sections.measure_sections(o, of, keep=keep)
    return o


def verify(parameters: Parameters, seed: int) -> Observations:
    """A cheap part of the rows of `measure`: three kinds of items and the confidence of the first model."""
    o, one = Observations(), Network(parameters, seed, parameters.names[0])
    _accuracy(o, one, ("yes-no", "open", "sort"))
    _confidence(o, one)
    _limits(o, one, tests=("places, turned",))
    return o


def load(name: str, parameters: Parameters, seed: int, *, trained: bool = True) -> LanguageModel:
    """A model as the parameters want it, or its untrained twin with weights from the seed."""
    where, may = parameters.device, parameters.allow_download
    return loading.load(name, trained=trained, seed=seed, device=where, allow_download=may)


@dataclass
class Network:
    """One model of the study and its yes-no questions, made when they are first asked for."""

    parameters: Parameters
    seed: int
    given: str

    @property
    def name(self) -> str:
        """Name under which it is filed: of a folder its last part, not its path."""
        return naming.filed(self.given)

    @cached_property
    def model(self) -> LanguageModel:
        """The model, trained."""
        return load(self.given, self.parameters, self.seed)

    @cached_property
    def asked(self) -> list[Item]:
        """Yes-no questions of the test part."""
        return questions.drawn_items("yes-no", self.parameters.items, self.seed)


def _add(
    o: Observations, measure: str, value: float | stats.Interval, null: float, means: str, **rest: Any
) -> None:
    o.add("context", measure, value, null=null, null_means=means, **rest)


def _enough(o: Observations, what: str, asked: Sequence[Any] | np.ndarray) -> bool:
    """Whether there are questions for a row; where chance drew too few, the row is left out and said."""
    if len(asked) < FEWEST:
        o.left_out[what] = f"{len(asked)} such questions were drawn, wants {FEWEST}: raise items"
    return len(asked) >= FEWEST


def _world(o: Observations, items: int, seed: int) -> None:
    """What the world's items are like: the shortcut, and whether its parts are disjoint."""
    asked = questions.drawn_items("yes-no", items, seed)
    _add(o, "accuracy of the shortcut", questions.shortcut(asked), 0.5, COIN)
    part = {name: questions.drawn_passages(name, 20 * items, seed) for name in passages.PARTS}
    again = len(part["train"] & questions.drawn_passages("train", 20 * items, seed + 1))
    for one, other in combinations(passages.PARTS, 2):
        common, parts = len(part[one] & part[other]), f"{one}, {other}"
        _add(o, "passages in common", common, again, "two draws from train", unit="passages", parts=parts)
    facts = {name: set[passages.Fact]().union(*found) for name, found in part.items()}
    met = stats.proportion_interval(len(facts["test"] & facts["train"]), len(facts["test"]))
    _add(o, "facts of test passages told in training", met, 0.0, "only new facts")


def _accuracy(o: Observations, one: Network, kinds: Sequence[str]) -> None:
    """Accuracy on each kind of items, beside the untrained twin, and where the shortcut fails."""
    twin, name = load(one.given, one.parameters, one.seed, trained=False), one.name
    for kind in kinds:
        asked = questions.drawn_items(kind, one.parameters.items, one.seed)
        floor = answers.accuracy(twin, asked, kind).estimate
        right = answers.accuracy(one.model, asked, kind)
        _add(o, "accuracy", right, floor, "untrained twin", network=name, kind=kind)
    hard = [item for item in one.asked if questions.is_present(item) and item.label == 1]
    if _enough(o, f"{name}, where the shortcut fails", hard):
        right = answers.accuracy(one.model, hard)
        _add(o, "accuracy where the shortcut fails", right, 0.0, SHORTCUT, network=name)


def own_items(parameters: Parameters) -> own.Own:
    """The items of the file `data`."""
    return own.read(parameters.data, template=parameters.template, answers=parameters.answers)


def _own(o: Observations, one: Network) -> None:
    """Accuracy on items of one's own, at most `items` of them, beside the largest class."""
    asked = answers.drawn(own_items(one.parameters).items, one.parameters.items, one.seed)
    most = "always the most frequent answer"
    right, floor = answers.accuracy(one.model, asked, answers.kind_of(asked)), answers.largest_class(asked)
    _add(o, "accuracy", right, floor, most, network=one.name, kind="own")
    if answers.kind_of(asked) in questions.YES_NO:
        mass = stats.mean_interval(answers.mass(one.model, asked))
        _add(o, "probability on the answer words", mass, 0.0, "other words", network=one.name, kind="own")


def _confidence(o: Observations, one: Network) -> None:
    """How sure the model is of yes and no, beside what label noise makes it be."""
    name = one.name
    p, true = answers.p_yes(one.model, one.asked), answers.are_true(one.asked)
    for question, some, law in (("true", p[true], 1 - answers.FLIPS), ("false", p[~true], answers.FLIPS)):
        varied = {"network": name, "question": question}
        if not _enough(o, f"{name}, P(yes) where {question}", some):
            continue
        _add(o, "P(yes)", stats.mean_interval(some), 0.5, "undecided", predicted=law, **varied)
    sure = stats.proportion_interval(int(np.sum(np.maximum(p, 1 - p) > answers.SURE)), len(p))
    _add(o, "share surer than 0.999", sure, 0.0, "none is so sure", network=name)
    for i, share in enumerate(answers.shares(p)):
        above = i / answers.BINS
        _add(o, "share of items", share, 1 / answers.BINS, "all values alike", network=name, above=above)
    for tenth, (mean, share) in answers.calibration(p, true, one.seed).items():
        _add(o, "share of yes", share, 0.5, COIN, predicted=mean, network=name, tenth=tenth)


def _limits(o: Observations, one: Network, tests: Sequence[str] = ()) -> None:
    """Accuracy on questions that were changed, of those in `tests` where it names some."""
    for test, items in questions.changed(one.parameters.items, one.seed).items():
        if (not tests or test in tests) and _enough(o, f"{one.name}, {test}", items):
            _limit(o, one.model, test, items, one.name)


def _limit(o: Observations, model: LanguageModel, test: str, items: Sequence[Item], name: str) -> None:
    """Accuracy on questions that were changed, beside the shortcut on the same ones."""
    right, easy = answers.accuracy(model, items), questions.shortcut(items).estimate
    _add(o, "accuracy on changed questions", right, easy, SHORTCUT, network=name, test=test)
    if test.endswith("turned"):
        for label, question in enumerate(("true", "false")):
            some = [i for i in items if i.label == label]
            if not _enough(o, f"{name}, {test}, {question}", some):
                continue
            right = answers.accuracy(model, some)
            _add(o, "accuracy on turned questions", right, 0.5, COIN, network=name, question=question)
