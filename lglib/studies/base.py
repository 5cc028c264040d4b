"""What all studies share: typed parameters, each with its description, unit and range, checked when made."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

T = TypeVar("T")


def rising(values: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse values that do not rise strictly.

    >>> rising((1, 2, 5))
    (1, 2, 5)
    """
    if list(values) != sorted(set(values)):  # type: ignore[type-var]
        raise ValueError("the values must rise")
    return values


def different(values: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse values of which two are equal.

    >>> different(("cipher", "edit"))
    ('cipher', 'edit')
    """
    if len(set(values)) < len(values):
        raise ValueError("each value may stand once")
    return values


# Kinds of fields that several studies have. The range of the elements goes inside, the length into Field:
# ks: RisingInts = parameter((1, 2, 5), "dimensions of the subspaces", min_length=2)
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
RisingInts = Annotated[tuple[Count, ...], AfterValidator(rising)]
RisingFloats = Annotated[tuple[float, ...], AfterValidator(rising)]


def parameter(default: Any, description: str, *, unit: str = "1", **limits: Any) -> Any:
    """Declare one parameter: default, meaning, unit, and limits as pydantic names them (ge, le, ...).

    >>> class Mine(Parameters):
    ...     steps: int = parameter(10, "steps of descent", unit="steps", ge=1, le=1000)
    >>> Mine(steps=20).steps
    20
    """
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


class Parameters(BaseModel):
    """Parameters of a study. Frozen; an unknown name, a wrong type or a value out of range is refused.

    Nothing is converted but a list to a tuple: 400.0 is no whole number, "400" no number. `changed` gives
    a checked copy. `device` is where the models run; a hub model is fetched only with `allow_download`.

    >>> Parameters(device="cpu").changed(device="cuda").device
    'cuda'
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )

    model: str = parameter("", "a shipped model, a folder, or a hub id owner/name@commit", unit="name")
    device: Literal["cpu", "cuda"] = parameter("cpu", "where the models run", unit="name")
    allow_download: bool = parameter(
        False, "whether a hub model or data set may be fetched from the network", unit="yes or no"
    )

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, given: Any) -> Any:
        return {k: _frozen(v) for k, v in given.items()} if isinstance(given, dict) else given

    def changed(self, **changes: Any) -> Self:
        """Return a checked copy with other values. Raises pydantic's ValidationError for a bad one."""
        return type(self)(**{**self.model_dump(), **changes})

    @classmethod
    def described(cls) -> list[dict[str, Any]]:
        """What there is to set: name, default, unit, range and description of each parameter.

        >>> Parameters.described()[1]["description"]
        'where the models run'
        """
        schema = cls.model_json_schema()["properties"]
        return [
            {
                "name": name,
                "default": field.default,
                "unit": schema[name].get("unit", ""),
                "range": _in_words(schema[name]),
                "description": field.description or "",
            }
            for name, field in cls.model_fields.items()
        ]


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _in_words(rule: dict[str, Any]) -> str:
    """A rule of a JSON schema in words."""
    if "enum" in rule:
        return "one of " + ", ".join(map(str, rule["enum"]))
    if rule.get("type") == "array":
        least = rule.get("minItems", 0)
        return f"{least} or more, each {_in_words(rule.get('items', {})) or 'any'}"
    words = {
        "minimum": "from",
        "exclusiveMinimum": "above",
        "maximum": "to",
        "exclusiveMaximum": "below",
        "multipleOf": "a multiple of",
    }
    return " ".join(f"{told} {rule[key]}" for key, told in words.items() if key in rule)
