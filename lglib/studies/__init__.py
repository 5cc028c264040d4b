"""Studies: what each chapter measures, as typed parameters and `measure(parameters, seed) -> Observations`.

A study is made of short public steps, which the chapter's notebook calls one by one to show a case live.
"""

from __future__ import annotations

import dataclasses
import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lglib.base.checks import NotMeasurable
from lglib.report import provenance
from lglib.studies import naming, profiles
from lglib.studies.base import Parameters
from lglib.studies.profiles import ProfileError, filed

if TYPE_CHECKING:
    from lglib.report.observations import Measured

NAMES = provenance.STUDIES  # in the order of the book
BESIDE = "real"  # the profile of a pretrained model, whose observations stand on the pages of the others

__all__ = ["BESIDE", "NAMES", "NotMeasurable", "Parameters", "ProfileError"]
__all__ += ["beside", "filed", "observed", "parameters", "plan", "study"]


def study(name: str) -> ModuleType:
    """Return the module of a study. Raises ProfileError naming those that there are.

    >>> study("theory").__name__
    'lglib.studies.theory'
    """
    if name not in NAMES:
        raise ProfileError(f"study is {name!r}; there is: {', '.join(NAMES)}")
    return importlib.import_module(f"lglib.studies.{name}")


def parameters(name: str, profile: str = "quick", **changes: Any) -> Any:
    """Parameters of a study in a profile, with `changes` on top, all checked.

    A `model` among the changes may be the name under which it is filed. Families that the profile names are
    registered. Raises ProfileError naming the study, the parameter, what it got and what it wants.

    >>> parameters("theory", "smoke", device="cpu").device
    'cpu'
    """
    declared: type[Parameters] = study(name).Parameters
    found = profiles.read(profile, NAMES)
    _register(found)
    if isinstance(changes.get("model"), str):
        changes["model"] = naming.loaded(changes["model"], found[name].runs, profile)
    return profiles.checked(name, declared, {**found[name].parameters, **changes})


def _register(profile: profiles.Profile) -> None:
    """Register the families of a profile. Raises ProfileError for one that is known with other names."""
    if profile.families:
        from lglib.models import families

        for name, family in profile.families.items():
            try:
                families.register(name, **family.model_dump())
            except ValueError as error:
                raise ProfileError(f"config/{profile.name}.yml: families, {error}") from None


def plan(profile: str = "quick") -> dict[str, dict[str, list[int]]]:
    """Which runs a profile asks for: seeds by study and model.

    >>> sorted(plan("quick")["theory"])
    ['digits-mlp']
    """
    return {name: dict(entry.runs) for name, entry in profiles.read(profile, NAMES).items()}


def observed(name: str, profile: str = "quick", **changes: Any) -> Measured:
    """Observations of a study in a profile that are current: made by this code with these parameters.

    All seeds and models, fresh ones before published ones; what is left out is named with its reason. Where a
    study has `across_models(frame)`, the rows that compare models are added.
    """
    from lglib.report import frames, observations

    wanted = parameters(name, profile, **changes).model_dump()
    measured = observations.gather(name, profile, parameters=wanted)
    across = getattr(study(name), "across_models", None)
    try:
        return dataclasses.replace(measured, frame=across(measured.frame)) if across else measured
    except frames.NoRows:  # no run has the rows that would be compared
        return measured


def beside(name: str, profile: str = "quick") -> Measured | None:
    """Observations of a study on the pretrained model, which a page of `profile` shows beside its own.

    None where none counts, and in the profile of that model itself.
    """
    from lglib.report import filing

    if profile == BESIDE:
        return None
    try:
        return observed(name, BESIDE)
    except filing.NoObservation:
        return None
