"""What every study of a language model files beside its claims: can the model do the task, do items fit?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lglib.models.loading import LanguageModel
from lglib.report.observations import Observations
from lglib.tasks.competence import competence
from lglib.tasks.data import Fitted
from lglib.tasks.items import Item


def observe(o: Observations, model: LanguageModel, items: Sequence[Item], **at: Any) -> None:
    """File accuracy, beside the largest class, and the probability on the two answer words where there are.

    >>> from lglib.models import loading
    >>> from lglib.tasks import data
    >>> o = Observations()
    >>> observe(o, loading.load("micro-gpt2"), data.micro(20), task="yes-no")
    >>> o.frame()["measure"].tolist()
    ['accuracy', 'probability on the answer words']
    """
    found = competence(model, items)
    o.add("context", "accuracy", found.accuracy, null=found.chance, null_means="the largest class", **at)
    if found.mass is not None:
        measure, none = "probability on the answer words", "never an answer word"
        o.add("context", measure, found.mass, null=0.0, null_means=none, **at)


def observe_fit(o: Observations, fitted: Fitted, **at: Any) -> None:
    """File which shares of the items that were asked for were cut, and left out, to fit the context.

    >>> o = Observations()
    >>> observe_fit(o, Fitted([], 2, 1, 300, 128), task="boolq")
    >>> o.frame()["value"].tolist()
    [0.00666667, 0.00333333]
    """
    for measure, number in {"prompts cut": fitted.cut, "prompts left out": fitted.left_out}.items():
        share = number / fitted.given
        none = "every prompt fits the context as it is"
        o.add("context", measure, share, null=0.0, null_means=none, **at)
