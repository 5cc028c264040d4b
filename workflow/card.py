"""The model card of a shipped model, in Markdown, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lglib.tasks.microworld import pretrain, skills

SCORED = (*pretrain.KINDS, *skills.SKILLS)
CARD = """---
license: mit
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [micro-world, synthetic, interpretability]
---

# {name}

A language model of {parameters:,} parameters ({family} architecture, 4 blocks of width 128, 4 heads,
context 128, 4 bytes a number). It reads short passages about a small made-up world and answers questions on
them. It stands in for a large model where there is no GPU and no hub. It knows nothing of the real world.

## Data

Text made by `lglib.microworld`, `lglib.microskills` and `lglib.corpus` from seed {seed}: passages of one to
four facts with yes-no questions, claims and questions for a value or a subject, rows of words to repeat, nine
small skills, plain stories. No text of other people. Passages, stories and the inputs of sort, reverse and
repeat are split into train (eight tenths), validation and test by a hash of their content. The other skills
are small tables, seen whole in training.

## Recipe

`make models NAMES={name}` (`lglib.pretrain`): {tokens:,} tokens, {seconds:,} seconds on {machine}.
Muon on the matrices of the blocks, AdamW on the rest, AdamW alone in the last stage. Each stage but the last
two ends when its gate on validation items is met:

| stage | steps | seconds since the start |
| --- | --- | --- |
{stages}

In the last stage a tenth of the yes and no of the training text is wrong. That keeps the answers right and
makes them soft: a model that is sure to five digits has hardly any gradient left to study.

## Measured on the test part

| what | value | 95 % interval over items | n |
| --- | --- | --- | --- |
{rows}

P(yes) is relative to yes and no. Tables, the same items in every part and drawn repeatedly: {tables}.
The model was shipped because it passed its gates on these items: yes-no and claims at least 0.97, and the
mean P(yes) of true questions between 0.80 and 0.95.

## Limits

One training run, one seed. It was trained on the sentence forms of the micro-world only; other words are read
as bytes that training never used. Findings on it say what can happen in a transformer, not what does happen
in a large one.{weak}

## Files

SHA-256 of `model.safetensors`:
`{sha256}`.
`lglib.models.load` checks every file against `manifest.json`.
"""


def text(found: Mapping[str, Any]) -> str:
    """Return the card of a model, from its manifest."""
    tested = found["tested"]
    weak = [f"{name} {tested[name]['value']:.2f}" for name in SCORED if tested[name]["value"] < 0.9]
    last = {row["stage"]: row for row in found["curve"]}
    own = {
        key: found[key] for key in ("name", "parameters", "family", "seed", "tokens", "seconds", "machine")
    }
    return CARD.format(
        **own,
        sha256=found["files"]["model.safetensors"],
        weak=f" Below nine tenths right: {', '.join(weak)}." if weak else "",
        tables=", ".join(skills.TABLES),
        stages="\n".join(
            f"| {stage.name} | {row['step']} | {row['seconds']:.0f} |"
            for stage in pretrain.STAGES
            if (row := last.get(stage.name))
        ),
        rows="\n".join(
            f"| {what.replace('|', ' given ')} | {one['value']:.3f} | {one['low']:.3f} to {one['high']:.3f} "
            f"| {one['n']} |"
            for what, one in tested.items()
        ),
    )
