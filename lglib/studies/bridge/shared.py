"""What the sections of the study share, each made once and when a section first asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from lglib.activations.steering import PairDifferences
from lglib.studies.bridge import constructions, shifts, steered
from lglib.studies.bridge.constructions import Halves
from lglib.studies.bridge.parameters import Parameters
from lglib.studies.bridge.setup import Setup
from lglib.studies.bridge.steered import Judge

CONTRAST = "true - false"  # the CAA vector that is a construction of its own


@dataclass
class Shared:
    """Vectors in activation space of one run, by template. None of them is as long as theta."""

    setup: Setup
    parameters: Parameters
    _moved: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    _random: dict[str, Tensor] = field(default_factory=dict)
    _caa: dict[str, dict[str, PairDifferences]] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """The template that is steered."""
        return self.setup.templates[0]

    def moved(self, template: str) -> dict[str, Tensor]:
        """Shifts of gradient steps."""
        if template not in self._moved:
            self._moved[template] = shifts.gradient_shifts(self.setup, template)
        return self._moved[template]

    def random(self, template: str) -> Tensor:
        """Shifts of random weight steps."""
        if template not in self._random:
            steps = self.parameters.random_steps
            self._random[template] = shifts.random_shifts(self.setup, template, steps)
        return self._random[template]

    def caa(self, template: str) -> dict[str, PairDifferences]:
        """CAA vectors."""
        if template not in self._caa:
            self._caa[template] = shifts.caa_vectors(self.setup, template)
        return self._caa[template]

    @cached_property
    def judge(self) -> Judge:
        """Where steering is judged."""
        return steered.judge(self.setup, self.parameters)

    @cached_property
    def directions(self) -> Tensor:
        """Random directions in activation space."""
        return steered.random_directions(self.setup, self.parameters.random_steps)

    @cached_property
    def vectors(self) -> dict[str, Tensor]:
        """The vectors that are steered with."""
        first = self.first
        return steered.vectors(self.moved(first), self.caa(first), self.random(first), self.directions)

    @cached_property
    def constructions(self) -> Mapping[str, Halves]:
        """Halves of the constructions by gradient and by contrast."""
        contrasts = {t: self.caa(t)[CONTRAST] for t in self.setup.templates}
        return constructions.constructions(self.setup, contrasts)
