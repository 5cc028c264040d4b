"""Studies: what each chapter measures, as typed parameters and `measure(parameters, seed) -> Observations`.

A study is made of short public steps, which the chapter's notebook calls one by one to show a case live.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lglib.base.checks import NotMeasurable
from lglib.report import provenance
from lglib.studies import limits, naming, profiles
from lglib.studies.base import Parameters
from lglib.studies.profiles import ProfileError, filed

if TYPE_CHECKING:
    from lglib.report.observations import Measured

NAMES = provenance.STUDIES  # in the order of the book
BESIDE = "real"  # the profile of a pretrained model, whose observations stand on the pages of the others

__all__ = ["BESIDE", "NAMES", "NotMeasurable", "Parameters", "ProfileError"]
__all__ += ["beside", "check", "declared", "filed", "observed", "parameters", "plan", "planned", "study"]


def study(name: str) -> ModuleType:
    """Return the module of a study. Raises ProfileError naming those that there are.

    >>> study("theory").__name__
    'lglib.studies.theory'
    """
    if name not in NAMES:
        raise ProfileError(f"study is {name!r}; there is: {', '.join(NAMES)}")
    return importlib.import_module(f"lglib.studies.{name}")


def declared(name: str) -> type[Parameters]:
    """The parameters that a study declares, without the study itself: what it measures with would load torch.

    >>> declared("lora").__name__
    'Parameters'
    """
    alone = f"{__name__}.{name}.parameters"
    path = Path(__file__).parent / name / "parameters.py"
    if name in NAMES and path.is_file() and not sys.modules.keys() & {alone, f"{__name__}.{name}"}:
        spec: Any = importlib.util.spec_from_file_location(alone, path)
        sys.modules[alone] = importlib.util.module_from_spec(spec)  # the study finds it there: it exists once
        spec.loader.exec_module(sys.modules[alone])
    found: type[Parameters] = (sys.modules.get(alone) or study(name)).Parameters
    return found


def planned(name: str, profile: str = "quick", root: Path | None = None, **changes: Any) -> Any:
    """Parameters of a study in a profile, with `changes` on top, all checked, for a run on any machine.

    A `model` among the changes may be the name under which it is filed. Families that the profile names are
    registered. Raises ProfileError naming the study, the parameter, what it got and what it wants.

    >>> planned("theory", "smoke", device="cuda").device
    'cuda'
    """
    if name not in NAMES:
        study(name)  # says which there are
    found = profiles.read(profile, NAMES, root)
    _register(found)
    if isinstance(changes.get("model"), str):
        changes["model"] = naming.loaded(changes["model"], found[name].runs, profile, profiles.home(root))
    return _checked(name, {**found[name].parameters, **changes})


def _checked(name: str, given: dict[str, Any]) -> Any:
    made = profiles.checked(name, declared(name), given)
    _refuse(f"study {name}, ", limits.wrong(name, made))
    return made


def parameters(
    name: str, profile: str = "quick", *, live: Mapping[str, Any] | None = None, **changes: Any
) -> Any:
    """Parameters as `planned` has them, for a run on this machine: its GPU and the model's folder are there.

    `live` are the values that a notebook sets for its live case, its seed among them: they are checked too.
    Raises ProfileError.

    >>> parameters("theory", "smoke", device="cpu", live={"seed": 0, "width": 13}).device
    'cpu'
    """
    made = planned(name, profile, **changes)
    _refuse("live case of the notebook, ", limits.live(name, live or {}))
    _refuse(f"study {name}, ", limits.here(name, made))
    return made


def check(profile: str, root: Path | None = None) -> profiles.Profile:
    """Read a profile and check the parameters and models of all its studies, before anything starts.

    Raises ProfileError with all that is wrong, a line each.

    >>> list(check("smoke"))[:2]
    ['theory', 'quadratic']
    """
    found, wrong = profiles.read(profile, NAMES, root), []
    for name, entry in found.items():
        if "model" in entry.parameters:
            wrong.append(f"study {name}, model stands among the parameters; models are named in runs")
        models = [limits.run_of(name, model) for model in entry.runs]
        wrong += [f"study {name}, runs: {told}" for told in models if told]
        given = {key: value for key, value in entry.parameters.items() if key != "model"}
        try:
            _checked(name, given)
        except ProfileError as error:
            wrong += str(error).splitlines()
    _refuse(f"config/{profile}.yml: ", wrong)
    return found


def _refuse(before: str, wrong: Iterable[str]) -> None:
    if told := "\n".join(before + line for line in wrong):
        raise ProfileError(told)


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

    wanted = planned(name, profile, **changes).model_dump()
    try:
        measured = observations.gather(name, profile, parameters=wanted)
    except FileNotFoundError as error:  # lglib is installed, and this is not a clone
        raise NotMeasurable(f"the observations are in the repository: {error}") from None
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
