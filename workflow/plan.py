"""What stands and what has to be made.

Every product carries a stamp of all that it was made from, and stands only while that is the wanted one:
nothing depends on times, on what ran before, or on how it ended.

observation   code of the study and its tools, parameters             in its header
chapter       its code and lglib's, parameters, observations, data    beside it, in runs/<profile>/chapters
book          notebooks, executed chapters, pages, settings, lglib    in its folder, _build/html/.stamp.json
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from lglib import studies
from lglib.base.files import write_atomically
from lglib.report import filing, provenance
from lglib.studies import naming
from workflow import inputs, notebooks, request
from workflow.request import Run

PUBLISHED = "quick"  # the profile whose chapters and observations are committed
BESIDE = studies.BESIDE  # that of a pretrained model: its observations are committed and shown too
STAMP = ".stamp.json"  # in the folder of the built book
LANGUAGE = ("lora", "controls", "rank", "bridge", "lens")  # studies of one language model
MAY_LACK = ("controls",)  # studies that a profile may leave out and keep their chapter, which then says so
USUAL = "micro-gpt2"  # the model of their chapters' live cases
FLAGS = "runs/.flags"  # what the jobs of the run that is going on have done; cleared before each


@dataclass(frozen=True)
class Standing:
    """Observations of a study that count, by model and seed (file, digest); files that do not, with why."""

    counted: dict[tuple[str, int], tuple[Path, str]]
    left_out: dict[str, str]


class State:
    """One look at a project and a profile. Make a new one after something was made.

    `data` is a file from the command line, for the studies that take one.
    """

    def __init__(self, profile: str, root: Path, data: str = "") -> None:
        self.profile, self.root, self.data = profile, root, data
        self.chapters = provenance.chapters(root)
        self.plan = studies.check(profile, root)
        self.standing = functools.cache(self._standing)
        self.wanted = functools.cache(lambda s: (provenance.code_hash(s, root), self.parameters(s)))

    @functools.cached_property
    def own(self) -> list[str]:
        """Chapters whose studies the profile has; of the others the published page is shown."""
        return [chapter for chapter in self.chapters if set(self.studies_of(chapter)) <= set(self.plan)]

    def pick(self, wanted: str) -> list[str]:
        """Chapters by number or name, of those that the profile has. Raises ProfileError."""
        found = request.pick_chapters(wanted, self.chapters if wanted.split() else self.own)
        for chapter in found:
            if other := [study for study in self.studies_of(chapter) if study not in self.plan]:
                told = f"chapter {chapter} reads {', '.join(other)}, which profile {self.profile} leaves out"
                raise request.ProfileError(f"{told}; it has: {', '.join(self.own)}")
        return found

    # Observations

    def parameters(self, study: str) -> dict[str, Any]:
        """Parameters of a study in this profile as JSON, with the file of the command line."""
        found: dict[str, Any] = studies.planned(study, self.profile, self.root).model_dump(mode="json")
        return {**found, "data": self.data} if self.data and "data" in found else found

    def takes_data(self, study: str) -> bool:
        """Whether a study can read its items from a file."""
        return "data" in self.parameters(study)

    def _standing(self, study: str) -> Standing:
        counted: dict[tuple[str, int], tuple[Path, str]] = {}
        left_out: dict[str, str] = {}
        for folder in (filing.FRESH, filing.PUBLISHED):  # a fresh one goes before the published one
            for path in sorted((self.root / folder / self.profile).glob(f"*/seed*/{study}.csv")):
                try:
                    header = filing.read(path).header
                except ValueError as error:
                    left_out[str(path.relative_to(self.root))] = str(error)
                    continue
                key = (header.model, header.seed)
                if key in counted:
                    continue
                if reason := self.stale(header):
                    left_out[str(path.relative_to(self.root))] = reason
                else:
                    counted[key] = (path, _digest([path.read_bytes()]))
        return Standing(counted, left_out)

    def stale(self, header: filing.Header) -> str:
        """Why a run of a study of this profile does not count here; empty when it does."""
        model = naming.loaded(header.model, self.plan[header.study].runs, self.profile, self.root)
        reason = filing.stale(header, *self.wanted(header.study))
        return reason or inputs.other_weights(model, header.files, self.root)

    def missing(self, asked: Iterable[Run]) -> list[Run]:
        """Those of the runs that have no current observation."""
        return [run for run in asked if (run.name, run.seed) not in self.standing(run.study).counted]

    def before(self, chapter: str) -> list[Run]:
        """Runs to measure before a chapter: the first of each of its studies whose first model has none.

        One run makes the page; the others of the plan are long work, which only `make measure` does.
        """
        first = {study: next(iter(self.plan[study].runs.items())) for study in self.studies_of(chapter)}
        return [
            Run(study, self.profile, request.located(model, self.root), seeds[0])
            for study, (model, seeds) in first.items()
            if studies.filed(model) not in {name for name, _ in self.standing(study).counted}
        ]

    def live(self, chapter: str) -> list[Run]:
        """What the live case of a chapter needs: the first model of each of its studies."""
        return [
            Run(study, self.profile, request.located(next(iter(self.plan[study].runs)), self.root), 0)
            for study in self.studies_of(chapter)
        ]

    def shown_model(self, chapter: str) -> str:
        """Name of the model of a chapter's live case, where the profile does not have the usual one.

        The first of the chapter's first study; empty for chapters whose notebook names the right one.
        """
        for study in self.studies_of(chapter):
            names = [studies.filed(model) for model in self.plan[study].runs]
            if study in LANGUAGE and USUAL not in names:
                return names[0]
        return ""

    # Chapters

    def source(self, chapter: str) -> Path:
        """The notebook of a chapter, without outputs."""
        return self.root / "notebooks" / f"{chapter}.ipynb"

    def executed(self, chapter: str) -> Path:
        """Where the executed notebook of a chapter is, in this profile."""
        return self.root / "runs" / self.profile / "chapters" / f"{chapter}.ipynb"

    def studies_of(self, chapter: str) -> list[str]:
        """Studies whose observations a chapter reads."""
        found = notebooks.studies_of(self.source(chapter))
        return [study for study in found if study in self.plan or study not in MAY_LACK]

    def chapter_stamp(self, chapter: str) -> str:
        """Stamp of all that the outputs of a chapter depend on."""
        parts: list[str | bytes] = [
            self.profile,
            self.shown_model(chapter),
            notebooks.notebook_hash(self.source(chapter), self.root),
        ]
        for study in self.studies_of(chapter):
            parts += [study, json.dumps(self.parameters(study), sort_keys=True)]
            standing = self.standing(study)
            parts += [f"{key} {standing.counted[key][1]}" for key in sorted(standing.counted)]
            parts += [f"{file}: {why}" for file, why in standing.left_out.items()]  # a page names them
        parts += self.beside(chapter)
        typed = self.root / "book" / "data" / chapter  # figures that others published
        parts += [part for path in sorted(typed.glob("*.csv")) for part in (path.name, path.read_bytes())]
        verdicts = (self.root / "config" / "claims.yml", self.root / "benchmarks" / "null_table.json")
        return _digest([*parts, *(path.read_bytes() if path.is_file() else b"" for path in verdicts)])

    @functools.cached_property
    def other(self) -> State | None:
        """The profile `BESIDE`, looked at once for all chapters; None in that profile or without it."""
        there = self.profile != BESIDE and (self.root / "config" / f"{BESIDE}.yml").is_file()
        return State(BESIDE, self.root) if there else None

    def beside(self, chapter: str) -> list[str]:
        """What counts, and what does not, of the observations of `BESIDE` that a chapter shows."""
        if (other := self.other) is None:
            return []
        found = [other.standing(study) for study in self.studies_of(chapter) if study in other.plan]
        counted = [f"{BESIDE} {key} {one.counted[key][1]}" for one in found for key in sorted(one.counted)]
        return counted + [f"{file}: {why}" for one in found for file, why in one.left_out.items()]

    def chapter_stands(self, chapter: str) -> bool:
        """Whether the executed chapter is whole, and made from what is there now."""
        path = self.executed(chapter)
        found = _read(path.with_suffix(".json"))
        whole = path.is_file() and found.get("sha256") == _digest([path.read_bytes()])
        return whole and not self.before(chapter) and found.get("stamp") == self.chapter_stamp(chapter)

    # The book

    @property
    def html(self) -> Path:
        """Folder of the built book."""
        return self.root / "_build" / ("html" if self.profile == PUBLISHED else f"{self.profile}/html")

    def shown(self, chapters: Iterable[str]) -> dict[str, Path]:
        """The file behind each page: the executed chapter; of one not asked for, maybe the published one."""
        found = {chapter: self.executed(chapter) for chapter in self.chapters}
        for chapter in set(self.chapters) - set(chapters):
            if not found[chapter].exists():
                found[chapter] = self.root / "book" / "chapters" / f"{chapter}.ipynb"
        return found

    def book_stamp(self, chapters: Iterable[str]) -> str:
        """Stamp of all that the pages depend on."""
        shown = self.shown(chapters)
        files = [self.root / "_config.yml", self.root / "_toc.yml", *map(self.source, self.chapters)]
        files += [shown[chapter] for chapter in self.chapters]
        for folder, pattern in (("book", "*"), ("lglib", "*.py"), ("workflow", "*.py"), ("config", "*.yml")):
            files += sorted((self.root / folder).rglob(pattern))
        committed = self.root / "book" / "chapters"
        parts: list[str | bytes] = []
        for path in files:
            if (
                path.is_file()
                and path.suffix != ".pyc"
                and (path.parent != committed or path in shown.values())
            ):
                parts += [str(path.relative_to(self.root)), path.read_bytes()]
        for place, path in sorted(self._filed().items()):  # pages show and offer observations themselves
            parts += [place, path.read_bytes(), path.with_suffix(".json").read_bytes()]
        return _digest(parts)

    def _filed(self) -> dict[str, Path]:
        """Files of observations by place, of this profile and of `BESIDE`: a fresh one hides its copy."""
        found: dict[str, Path] = {}
        for folder, profile in product((filing.PUBLISHED, filing.FRESH), (self.profile, BESIDE)):
            home = self.root / folder
            tables = (home / profile).glob("*/seed*/*.csv")
            found |= {str(t.relative_to(home)): t for t in tables if t.with_suffix(".json").is_file()}
        return found

    def book_stands(self, chapters: Iterable[str]) -> bool:
        """Whether the built book is whole, and made from what is there now."""
        found = _read(self.html / STAMP)
        pages = found.get("pages", {})
        return (
            bool(pages)
            and all(self.chapter_stands(chapter) for chapter in chapters)
            and found.get("stamp") == self.book_stamp(chapters)
            and all(_size(self.html / page) == size for page, size in pages.items())
        )


def stamp(stamp: str, html: Path) -> None:
    """Write the stamp of a built book, with the sizes of its files, into its folder."""
    pages = {str(p.relative_to(html)): p.stat().st_size for p in sorted(html.rglob("*")) if p.is_file()}
    write_atomically(html / STAMP, json.dumps({"stamp": stamp, "pages": pages}, indent=1))


def sign(path: Path, stamp: str) -> None:
    """Write the stamp of an executed chapter beside it, with the hash of what it is the stamp of."""
    text = json.dumps({"stamp": stamp, "sha256": _digest([path.read_bytes()])})
    write_atomically(path.with_suffix(".json"), text + "\n")


def _digest(parts: Iterable[str | bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """Read a small JSON file; nothing when it is missing or damaged: what it vouches for does not stand."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
