"""Data of one's own in a study: the file, how its lines are put, the answer words."""

from __future__ import annotations

from typing import Any, Self

from pydantic import model_validator

from lglib.studies.base import Parameters, parameter
from lglib.tasks import own
from lglib.tasks.own import Own

DATA = "data"  # name of the task whose items are those of the file


class WithData(Parameters):
    """Parameters of a study that can take its items from a file.

    >>> WithData(data="own.jsonl").with_data(("boolq", "claim"))
    ('data', 'claim')
    """

    data: str = parameter(
        "",
        "a JSON-lines file of one's own, from the present folder: BoolQ's lines, statements, or prompts with "
        "answers; it is the task 'data', by default in place of the first",
        unit="path",
    )
    template: str = parameter(
        "", "how a line of `data` is put, such as '{passage} {question}?'; empty: as BoolQ here", unit="text"
    )
    answers: tuple[str, ...] = parameter(
        (), "the words for true and false in `data`, each with its space; none: yes and no", unit="texts"
    )

    def with_data(self, tasks: tuple[str, ...]) -> tuple[str, ...]:
        """The tasks, with the file's in place of the first unless it is named among them."""
        return tasks if not self.data or DATA in tasks else (DATA, *tasks[1:])

    def own(self) -> Own | None:
        """Items of the file, or None without one. Raises as `tasks.own.read`."""
        if not self.data:
            return None
        return own.read(self.data, template=self.template, answers=self.answers)

    @model_validator(mode="after")
    def _data_and_how_it_is_put(self) -> Self:
        named = {field: getattr(self, field) for field in ("tasks", "templates") if hasattr(self, field)}
        for field, tasks in named.items():
            if DATA in tasks and not self.data:
                raise ValueError(f"{field} names 'data': give the file as data, a path of a JSON-lines file")
        if not self.data and (self.template or self.answers):
            given: dict[str, Any] = {"template": self.template, "answers": self.answers}
            raise ValueError(f"template and answers say how `data` is put, which is empty; got {given}")
        if self.answers and (len(set(self.answers)) != 2 or not all(x.strip() for x in self.answers)):
            raise ValueError(f"answers must be two different texts or none, got {list(self.answers)}")
        return self
