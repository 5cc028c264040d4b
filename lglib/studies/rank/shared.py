"""What the sections of the study share, each made once and when a section first asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from lglib.search.step_length import Curvature, SigmaStar
from lglib.studies.rank import causes, ranks, regime, search
from lglib.studies.rank.regime import Lines
from lglib.studies.rank.subject import Subject
from lglib.tasks.items import Item


@dataclass
class Shared:
    """Items, the linear regime and the search of one run; in weight space only the two vectors of `tried`."""

    subject: Subject
    _sets: dict[str, list[list[Item]]] = field(default_factory=dict)

    def sets(self, task: str) -> list[list[Item]]:
        """Three sets of items of a task."""
        if task not in self._sets:
            self._sets[task] = ranks.item_sets(self.subject, task)
        return self._sets[task]

    @cached_property
    def pool(self) -> list[Item]:
        """Open questions from which sets with few answers are taken."""
        return causes.answer_pool(self.subject)

    @cached_property
    def lines(self) -> Lines:
        """The linear regime along all directions."""
        return regime.regimes(self.subject)

    @cached_property
    def curvature(self) -> Curvature:
        """Slope and trace, which are measured once also where they have no optimum."""
        return search.curvature(self.subject)

    @property
    def star(self) -> SigmaStar:
        """The step that they predict; NotMeasurable where there is none."""
        return search.predicted_step(self.subject, self.curvature)

    @cached_property
    def tried(self) -> search.Tried:
        """Gains of random candidates at multiples of that step."""
        return search.try_steps(self.subject, self.star.sigma)

    @cached_property
    def steps(self) -> list[search.Step]:
        """The best of N at each of these steps."""
        return search.best_of_n(self.subject, self.star, self.tried)
