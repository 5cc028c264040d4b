"""What the sections of the study share: the trained model, its recoveries and outcomes, each made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lglib.geometry.subspace import Subspace
from lglib.studies.synthetic import basis_drift, captures, setups
from lglib.studies.synthetic.captures import Recovery
from lglib.studies.synthetic.setups import Outcome
from lglib.studies.synthetic.trained import Trained


@dataclass
class Shared:
    """The shared parts of one run, each made once."""

    model: Trained
    _beforehand: dict[str, Mapping[str, Subspace]] = field(default_factory=dict)
    _recoveries: dict[tuple[str, str], Recovery] = field(default_factory=dict)
    _outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)

    @cached_property
    def planes(self) -> Mapping[str, Subspace]:
        """The static planes of gradients at theta*."""
        return captures.static_planes(self.model)

    @cached_property
    def floor(self) -> float:
        """Overlap of the bases of two unrelated networks."""
        return basis_drift.overlap_of_strangers(self.model)

    def recovery(self, task: str, optimiser: str) -> Recovery:
        """One recovery and what captures it."""
        if (task, optimiser) not in self._recoveries:
            if task not in self._beforehand:
                self._beforehand[task] = captures.bases_beforehand(self.model, task, self.planes)
            found = captures.recover_and_capture(self.model, task, optimiser, self._beforehand[task])
            self._recoveries[task, optimiser] = found
        return self._recoveries[task, optimiser]

    def outcome(self, schedule: str, setup: str) -> Outcome:
        """What one schedule reached in one set-up."""
        if (schedule, setup) not in self._outcomes:
            self._outcomes[schedule, setup] = setups.train_by(self.model, schedule, setup)
        return self._outcomes[schedule, setup]
