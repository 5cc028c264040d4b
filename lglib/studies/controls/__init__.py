"""Study `controls`, of chapter 3: what the captures, drifts and searches of study `lora` are read beside."""

from lglib.studies.controls.contest import DESCENT, Score, compete
from lglib.studies.controls.drifts import all_drifts
from lglib.studies.controls.equal import Parts, methods, parts
from lglib.studies.controls.measure import measure, verify
from lglib.studies.controls.parameters import Parameters
from lglib.studies.controls.pooled import pools
from lglib.studies.controls.prefixes import WALKS, captured, tables
from lglib.studies.controls.scales import at_shares

__all__ = ["DESCENT", "WALKS", "Parameters", "Parts", "Score", "all_drifts", "at_shares", "captured"]
__all__ += ["compete", "measure", "methods", "parts", "pools", "tables", "verify"]
