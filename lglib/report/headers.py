"""Headers of observations: where they come from, what they leave out, and whether they still count."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass

from lglib.report import provenance

SCHEMA = 2
NOT_COMPARED = ("model", "allow_download")  # parameters in which runs that belong together may differ
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]  # it becomes part of a path


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Header:
    """Where observations come from. `model` is the name under which it is filed, without slashes.

    `left_out` has the sections that were not measured and why, `files` the sha256 of each file of data that
    was read, `noise` where noise was drawn: one key gives another stream of the same law on a GPU. A header
    without them is of a run that left nothing out, read no file and drew on a CPU. `machine` is the model of
    the processor that did the work, empty where it was not written down. `made_now` fills in machine,
    versions and code of this process. Raises ValueError naming the field that is wrong.
    """

    study: Name
    profile: Name
    model: Name
    seed: Annotated[int, Field(ge=0)]
    parameters: dict[str, Any]
    device: str
    versions: dict[str, str]
    code: str
    schema: int = SCHEMA
    left_out: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    noise: str = "cpu stream"
    machine: str = ""

    @field_validator("parameters", mode="before")
    @classmethod
    def _as_json(cls, given: Any) -> Any:
        return _plain(given)

    @classmethod
    def made_now(cls, study: str, **rest: Any) -> Header:
        """Header of a run of this process, stamped with the code in memory (see `provenance.stamp`)."""
        gpu = rest.get("device", "cpu") != "cpu"
        machine = rest["device"] if gpu else provenance.processor()
        now = {"machine": machine, "versions": provenance.versions(), "code": provenance.stamp(study)}
        return cls(study=study, **{**now, **rest})

    def as_json(self) -> dict[str, Any]:
        """The fields as a file holds them. A machine that was not written down stays so.

        >>> rest = dict(profile="quick", model="m", parameters={}, device="cpu", versions={}, code="0")
        >>> "machine" in Header(study="rank", seed=0, **rest).as_json()
        False
        """
        fields = dataclasses.asdict(self)
        return fields if self.machine else {k: v for k, v in fields.items() if k != "machine"}

    def origin(self) -> str:
        """Where it was made, in one line: machine, code, versions.

        >>> rest = dict(profile="quick", model="m", parameters={}, device="cpu", code="0", machine="Xeon")
        >>> Header(study="rank", seed=0, versions={"torch": "2.11"}, **rest).origin()
        'Xeon, code 0, torch 2.11'
        """
        told = [self.machine or f"{self.device} (machine not written down)", f"code {self.code}"]
        return ", ".join(told + [f"{name} {version}" for name, version in self.versions.items()])

    def place(self) -> str:
        """Folder of the run below a root of observations.

        >>> rest = dict(parameters={}, device="cpu", versions={}, code="0")
        >>> Header(study="rank", profile="quick", model="micro-gpt2", seed=0, **rest).place()
        'quick/micro-gpt2/seed0'
        """
        return f"{self.profile}/{self.model}/seed{self.seed}"


def of_schema(document: Any) -> None:
    """Refuse what is no header of the schema that this code reads: ValueError naming both.

    >>> of_schema({"schema": 2})
    """
    found = document.get("schema", "none") if isinstance(document, dict) else "none"
    if found != SCHEMA:
        raise ValueError(f"its header is of schema {found}; this code reads schema {SCHEMA}; measure it anew")


def stale(header: Header, code: str, parameters: Mapping[str, Any] | BaseModel | None) -> str:
    """Why a run does not count for this code and these parameters (None: any); empty when it does."""
    if header.code != code:
        return "made by other code"
    if parameters is None:
        return ""
    mine, wanted = header.parameters, _plain(parameters)
    names = sorted((mine.keys() | wanted.keys()) - set(NOT_COMPARED))
    other = [name for name in names if name not in mine or name not in wanted or mine[name] != wanted[name]]
    return f"made with other parameters ({', '.join(other)})" if other else _other_data(header)


def _other_data(header: Header) -> str:
    """Whether the file of data that the run has read is another one by now; one that is gone is not seen."""
    path = Path(str(header.parameters.get("data") or ""))
    wanted = header.files.get(path.name)
    if wanted is None or not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() == wanted:
        return ""
    return f"made of another file {path.name}"


def _plain(parameters: Any) -> Any:
    """Parameters as JSON holds them: a tuple is a list."""
    if isinstance(parameters, BaseModel):
        parameters = parameters.model_dump(mode="json")
    try:
        return json.loads(json.dumps(dict(parameters), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"parameters must be finite numbers, texts, lists and mappings: {error}") from error
