"""Study of chapter 2b: what the models read, how sure they are, and where they fail. It judges no claim."""

from lglib.studies.models.answers import accuracy, are_true, calibration, p_yes
from lglib.studies.models.measure import load, measure, verify
from lglib.studies.models.parameters import Parameters
from lglib.studies.models.questions import (
    KINDS,
    changed,
    drawn_items,
    drawn_passages,
    is_present,
    rename,
    shortcut,
    turn,
)

__all__ = [
    "KINDS",
    "Parameters",
    "accuracy",
    "are_true",
    "calibration",
    "changed",
    "drawn_items",
    "drawn_passages",
    "is_present",
    "load",
    "measure",
    "p_yes",
    "rename",
    "shortcut",
    "turn",
    "verify",
]
