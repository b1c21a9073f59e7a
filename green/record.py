"""Read `run.yaml` leniently: a bad field is a reject and unknown, the rest of the record still counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from green import units, yaml
from green.errors import UsageError
from green.model import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_MISTAKES = 100
# In the place of an entry of a list that is none: the lines of those behind it stay true, and it is unknown.
NOBODY: dict[str, object] = {"device": "?"}
NOTHING: dict[str, object] = {"part": "other"}
_OF_TIME = "started_at ended_at duration device_hours"
# Keys whose line is kept, for findings point at them.
LOCATED = frozenset(
    f"run_id project team model kind parent status site hardware energy cost functional_units {_OF_TIME}".split()
)
DEEP = 3  # hardware[0].average_power
CODES = {"bad_unit": "BAD_UNIT", "extra_forbidden": "UNKNOWN_KEY"}


@dataclass(slots=True)
class Mistake:
    """One field that could not be used."""

    line: int
    reason: str
    detail: str


@dataclass(slots=True)
class ReadRecord:
    """A record, where it stands, and what of it could not be used."""

    record: Record
    file: str
    line_of: dict[str, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    functional_units: Mapping[str, float] = field(default_factory=dict)
    dropped: set[tuple[int | str, ...]] = field(default_factory=set)  # what was written and is unknown now

    @property
    def reasons(self) -> list[str]:
        """The reason codes of its mistakes, each once."""
        return sorted({mistake.reason for mistake in self.mistakes})


def read(path: str, shown: str) -> ReadRecord:
    """Read the record at `path`; `shown` is its path below logs."""
    try:
        document = yaml.load(Path(path), shown=shown)
    except UsageError as error:
        line = error.where.line if error.where else 1
        return ReadRecord(Record(), shown, mistakes=[Mistake(line, "NOT_YAML", error.what)])
    if not isinstance(document.value, dict):
        what = "empty" if document.value is None else "not a mapping"
        return ReadRecord(Record(), shown, mistakes=[Mistake(1, "EMPTY_RECORD", f"the record is {what}")])
    out = ReadRecord(Record(), shown)
    out.record = _validate(document, out)
    out.functional_units = _counts(document, out)
    out.line_of = _lines(document)
    return out


def _lines(document: yaml.Document) -> dict[str, int]:
    """Return the line of every key, and of the keys of its parts: a finding points at the one that holds its number."""
    lines: dict[str, int] = {}
    for path, (line, _) in document.places.items():
        if path and path[0] in LOCATED and len(path) <= DEEP:
            name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
            lines[name[1:]] = line
    return lines


def _validate(document: yaml.Document, out: ReadRecord) -> Record:
    """Drop each field that is wrong until the record holds; at worst nothing of it is left.

    What was dropped is remembered: no default may take its place.
    """
    mistakes = out.mistakes
    value = document.value
    for _ in range(MOST_MISTAKES):
        try:
            return Record.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = _path(value, first["loc"])
            mistakes.append(_mistake(document, path, dict(first)))
            path = path[:-1] if path[-1:] == ("part",) else path  # without its kind it is no part
            out.dropped.add(path)
            value = _without(value, path, _instead(path))
    mistakes.append(Mistake(1, "BAD_RECORD", f"more than {MOST_MISTAKES} mistakes"))
    return Record()


def _instead(path: tuple[int | str, ...]) -> object:
    """Return what takes the place of an entry of a list."""
    if path[:1] != ("hardware",):
        return "?"
    return NOTHING if "parts" in path else NOBODY


def _path(value: Any, location: tuple[int | str, ...]) -> tuple[int | str, ...]:  # noqa: ANN401 -- plain YAML values
    """Keep of pydantic's location what is a path in the document (it adds names of union members)."""
    path: list[int | str] = []
    for step in location:
        known = (isinstance(value, dict) and step in value) or (isinstance(value, list) and isinstance(step, int))
        if not known:
            break
        path.append(step)
        value = value[step]
    return tuple(path)


def _mistake(document: yaml.Document, path: tuple[int | str, ...], error: dict[str, Any]) -> Mistake:
    name = ".".join(map(str, path))
    detail = f"{name}: {str(error['msg']).partition(' | ')[0]}"
    if error["type"] == "extra_forbidden":
        near = get_close_matches(str(path[-1]), sorted(Record.model_fields), n=1)
        detail = f"unknown key {name}" + (f"; did you mean {near[0]}?" if near else "")
    return Mistake(document.where(*path).line, CODES.get(error["type"], "BAD_VALUE"), detail[:200])


def _without(value: Any, path: tuple[int | str, ...], item: object) -> Any:  # noqa: ANN401 -- plain YAML values
    """Copy a value without what stands at `path`; in a list `item` takes its place, so that lines stay true."""
    if not path:
        return {}
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        items = list(value)
        items[int(head)] = _without(value[int(head)], rest, item) if rest else item
        return items
    items_by_key = dict(value)
    if rest:
        items_by_key[head] = _without(value[head], rest, item)
    else:
        del items_by_key[head]
    return items_by_key


def _counts(document: yaml.Document, out: ReadRecord) -> dict[str, float]:
    """Read the functional units: a number, or a text such as "300 Gtoken"."""
    counts: dict[str, float] = {}
    for unit, raw in out.record.functional_units.items():
        try:
            text = isinstance(raw, str)
            amount = float(units.parse(raw, units.singular(unit) if text else "1").value)
        except units.BadQuantity as error:
            line = document.where("functional_units", unit).line
            detail = f"functional_units.{unit}: {str(error).partition(' | ')[0]}"
            out.mistakes.append(Mistake(line, "BAD_UNIT", detail))
            continue
        counts[unit] = amount
    return counts
