"""What the sections of the study share: the model, its adapter, and the pairs that work, each made once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from lglib.base.checks import NotMeasurable
from lglib.models import loading, lora
from lglib.models.loading import LanguageModel
from lglib.models.lora import Adapter
from lglib.report.observations import Observations
from lglib.studies.gates import GateError
from lglib.studies.lora import candidates, captures, cases
from lglib.studies.lora.candidates import Table
from lglib.studies.lora.cases import Case
from lglib.studies.lora.parameters import Parameters

Gate = tuple[dict[str, float], float]  # scores reached, and the bar
FEWEST = 2  # pairs over which a mean has an interval


@dataclass
class Shared:
    """The shared parts of one run; `found` says which pairs were left out."""

    parameters: Parameters
    seed: int
    found: Observations
    _cases: dict[str, Case] = field(default_factory=dict)
    _stopped: dict[str, Gate] = field(default_factory=dict)

    def load(self) -> None:
        """Load the data and the model, with a fresh adapter: what fails here would fail in all sections."""
        if self.parameters.data:
            read = cases.own_items(self.parameters)
            self.found.used(read.name, read.sha256)
        self.initial  # noqa: B018, made now

    @cached_property
    def model(self) -> LanguageModel:
        """The model that the adapters are attached to."""
        p = self.parameters
        return loading.load(p.model, device=p.device, allow_download=p.allow_download)

    @cached_property
    def adapter(self) -> Adapter:
        """The adapter of the first shape, in which all pairs are run."""
        return cases.attach(self.model, self.parameters.shapes[0], self.seed)

    @cached_property
    def initial(self) -> Tensor:
        """Where the adapter stood when it was new (d,)."""
        return self.adapter.space.flatten()

    @staticmethod
    def section(pair: str) -> str:
        """Name of the section in which a pair is learned, lost and recovered."""
        return f"pair {pair}"

    def case(self, name: str) -> Case:
        """One pair, from the fresh adapter. NotMeasurable when it was left out, GateError when it fails."""
        if why := self.found.left_out.get(self.section(name)):
            raise NotMeasurable(f"{self.section(name)} is left out: {why}")
        if name not in self._cases:
            self._cases[name] = self._prepare(name)
        return self._cases[name]

    def stopped(self) -> dict[str, Gate]:
        """The pairs that did not pass a gate: the scores that they reached, and its bar."""
        for name in self.parameters.task_pairs:
            left = self.section(name) in set(self.found.left_out) - set(self.found.crashed)
            if left and name not in self._stopped:  # it was stopped before the run was taken up
                with suppress(GateError):
                    self._prepare(name)
        return self._stopped

    def _prepare(self, name: str) -> Case:
        self.adapter.space.load(self.initial)
        try:
            return cases.prepare(self.parameters, self.adapter, name, self.seed)
        except GateError as error:
            self._stopped[name] = error.scores, error.bar
            raise

    def working(self) -> dict[str, Case]:
        """The pairs that were learned, lost and recovered. NotMeasurable when there is none."""
        asked = self.parameters.task_pairs
        names = [name for name in asked if self.section(name) not in self.found.left_out]
        if not names:
            raise NotMeasurable(f"none of the pairs {', '.join(asked)} was learned, lost and recovered")
        return {name: self.case(name) for name in names}

    def several(self) -> dict[str, Case]:
        """The same, where a mean over pairs is wanted: NotMeasurable when fewer than two work."""
        pairs = self.working()
        if len(pairs) < FEWEST:
            raise NotMeasurable(f"a mean over pairs wants {FEWEST}, and only {', '.join(pairs)} works")
        return pairs

    @cached_property
    def grids(self) -> captures.Grids:
        """Captures by pair and optimiser."""
        return {
            (name, o): captures.grid_of(self.parameters, case, o)
            for name, case in self.working().items()
            for o in case.runs
        }

    @cached_property
    def searched(self) -> dict[str, tuple[Table, dict[str, float]]]:
        """Scores of all searches by pair, and the densities of their bases."""
        return {name: candidates.search_all(self.parameters, case) for name, case in self.working().items()}

    def without_adapter(self) -> LanguageModel:
        """The model as it came, for other shapes of adapters; what needs the first one must come before."""
        if "adapter" in vars(self):
            lora.detach(self.adapter)
            for made in ("adapter", "initial", "grids", "searched"):
                vars(self).pop(made, None)
            self._cases.clear()
        return self.model
