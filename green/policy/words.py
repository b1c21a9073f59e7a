"""The words of the policy language: names, quantities and metrics, each checked with a hint."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from green.policy.metrics import ALLOWABLE, CATALOGUE, DISCLOSABLE, SELECTABLE, nearest
from green.vocabulary import Kind, Status


def printable(text: str) -> str:
    """Let plain text on one line through."""
    if not text.strip() or not text.isprintable():
        raise ValueError("empty, or with a control character | write plain text on one line")
    return text


def as_tuple(raw: object) -> object:
    """Let one name stand for a list of one."""
    return (raw,) if isinstance(raw, str) else raw


def _number(raw: object) -> object:
    """Let quantities through as written: their unit is checked where the metric is known."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise ValueError('not a quantity | write a number with its unit, as in "50 kWh"')  # noqa: TRY004 -- pydantic takes ValueError
    return raw


def _metric(name: str) -> str:
    if name not in CATALOGUE:
        raise ValueError(
            f'unknown metric "{name}" | {nearest(name, tuple(CATALOGUE))} `green policy schema` lists them'
        )
    return name


def _one_of(known: tuple[str, ...]) -> AfterValidator:
    def check(names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in known:
                raise ValueError(f'unknown name "{name}" | {nearest(name, known)}')
        return names

    return AfterValidator(check)


def _field(name: str) -> str:
    if name not in ALLOWABLE:
        raise ValueError(f'unknown field "{name}" | {nearest(name, ALLOWABLE)}')
    return name


def _or_one(known: tuple[str, ...] = (), *, least: int = 1) -> WithJsonSchema:
    """Describe a list of names, for which one name may stand, to editors."""
    name: dict[str, Any] = {"type": "string"} | ({"enum": list(known)} if known else {})
    return WithJsonSchema({"anyOf": [name, {"type": "array", "items": name, "minItems": least, "maxItems": 1000}]})


Text = Annotated[str, AfterValidator(printable), Field(max_length=200)]
_Names = Annotated[tuple[Text, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=1000)]
Names = Annotated[_Names, _or_one()]
Kinds = Annotated[_Names, _one_of(tuple(Kind)), _or_one(tuple(Kind))]
Statuses = Annotated[_Names, _one_of(tuple(Status)), _or_one(tuple(Status))]
Groups = Annotated[tuple[Text, ...], BeforeValidator(as_tuple), _one_of(SELECTABLE), _or_one(SELECTABLE, least=0)]
Fields = Annotated[_Names, _one_of(DISCLOSABLE), _or_one(DISCLOSABLE)]
Raw = Annotated[Any, BeforeValidator(_number), WithJsonSchema({"type": ["string", "number"]})]
MetricName = Annotated[str, AfterValidator(_metric), WithJsonSchema({"enum": list(CATALOGUE)})]
FieldName = Annotated[str, AfterValidator(_field), WithJsonSchema({"enum": list(ALLOWABLE)})]
Id = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,63}$")]
Unit = Annotated[str, Field(pattern=r"^[a-z_]{2,40}$")]
