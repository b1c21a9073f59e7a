"""Read YAML 1.2 and JSON safely, and remember the line of everything.

YAML 1.1 makes `region: NO` False and `12:30:00` 45000, so scalars are resolved here, by the
core schema of YAML 1.2 (chapter 10.3) and nothing more; the syntax is ruamel's work. Duplicate
keys, aliases, tags, several documents, deep nesting and large files are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from green.errors import UsageError, Where

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")
MAX_BYTES = 1 << 20
MAX_DEPTH = 20

_INT = re.compile(r"[-+]?[0-9]{1,18}")
_OCT_HEX = re.compile(r"0o[0-7]{1,16}|0x[0-9a-fA-F]{1,14}")
# a whole number of more digits than fit is no float: it may be an id, and would lose its end
_FLOAT = re.compile(r"[-+]?(?=[0-9]*[.eE])(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_PAIR = re.compile(r"((?<!\\)(?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its value, and the place (line, column) of each path in it."""

    file: str
    value: Any
    places: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def where(self, *path: str | int) -> Where:
        """Return the place of `path`, or of its nearest known parent."""
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        text = self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""
        return Where(self.file, line, column, text[:120])


def plain_scalar(text: str) -> Any:  # noqa: ANN401 -- a scalar of YAML may be of any of five types
    """Resolve an unquoted scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _OCT_HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def load(path: Path, shown: str = "") -> Document:
    """Read one YAML or JSON file; `shown` is its name in messages (relative, never absolute)."""
    name = shown or path.name
    try:
        with path.open("rb") as stream:
            blob = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise UsageError(
            f"cannot read {name}: {reason}", where=Where(name), mend="check the path and its permissions"
        ) from error
    return loads(blob, name)


def loads(blob: bytes, name: str) -> Document:
    """Parse the bytes of a YAML or JSON document."""
    if len(blob) > MAX_BYTES:
        raise UsageError(f"file is larger than {MAX_BYTES >> 20} MiB", where=Where(name, 1, 1), mend="split it")
    try:
        text = blob.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = blob.count(b"\n", 0, error.start) + 1
        column = error.start - blob.rfind(b"\n", 0, error.start)
        raise UsageError("file is not UTF-8", where=Where(name, line, column), mend="save it as UTF-8") from error
    if name.endswith(".json"):  # JSON may write a character above U+FFFF as two halves, which YAML does not know
        text = _PAIR.sub(lambda match: match[1] + json.loads(f'"{match[2]}"'), text)
    return _Builder(name, text).document()


class _Builder:
    """Turn ruamel's events into plain values, and note where each stands."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.lines = tuple(text.splitlines())
        self.places: dict[Path_, tuple[int, int]] = {}

    def fail(self, what: str, event: Any, mend: str) -> UsageError:  # noqa: ANN401 -- ruamel is untyped
        mark = getattr(event, "start_mark", event)  # an event, or the mark of an error itself
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        text = self.lines[line - 1].strip() if line <= len(self.lines) else ""
        return UsageError(what, where=Where(self.name, line, column, text[:120]), mend=mend)

    def document(self) -> Document:
        from ruamel.yaml import YAML  # noqa: PLC0415 -- 30 ms that a run without YAML should not pay
        from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415 -- likewise

        try:
            self.events: Iterator[Any] = iter(YAML(typ="safe", plug_ins=[]).parse(self.text))
            value = self._stream()
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self.fail(
                f"not YAML: {error.problem or 'malformed'}", mark, "mend the syntax of this line"
            ) from error
        except (YAMLError, RecursionError) as error:
            what = str(error).splitlines()[0][:120]
            raise self.fail(f"not YAML: {what}", None, "mend the syntax") from error
        return Document(self.name, value, self.places, self.lines)

    def _stream(self) -> Any:  # noqa: ANN401 -- any value of YAML
        value: Any = None
        seen = False
        for event in self.events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                if seen:
                    raise self.fail("more than one document", event, "one document a file")
                seen = True
                value = self._node(next(self.events), ())
        return value

    def _node(self, event: Any, path: Path_) -> Any:  # noqa: ANN401 -- any value of YAML
        kind = type(event).__name__
        if len(path) > MAX_DEPTH:
            raise self.fail(f"nested deeper than {MAX_DEPTH}", event, "flatten it")
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            raise self.fail("anchors and aliases are not allowed", event, "write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) not in {"!", "tag:yaml.org,2002:str"}:
            raise self.fail(f"tag {tag} is not allowed", event, "remove the tag")
        self.places.setdefault(path, (event.start_mark.line + 1, event.start_mark.column + 1))
        if kind == "ScalarEvent":
            return event.value if event.style or tag is not None else plain_scalar(event.value)
        if kind == "SequenceStartEvent":
            return self._sequence(path)
        return self._mapping(path)

    def _sequence(self, path: Path_) -> list[Any]:
        items: list[Any] = []
        for event in self.events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path_) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for event in self.events:
            kind = type(event).__name__
            if kind == "MappingEndEvent":
                break
            if kind != "ScalarEvent" or getattr(event, "anchor", None):
                raise self.fail("a key must be plain text", event, "write the key as text")
            key = str(event.value)
            if key in items:
                raise self.fail(f'duplicate key "{key}"', event, "keep one of the two")
            self.places[(*path, key)] = (event.start_mark.line + 1, event.start_mark.column + 1)
            items[key] = self._node(next(self.events), (*path, key))
        return items


def validate(model: type[M], document: Document) -> M:
    """Build `model` from a document; a mistake becomes a UsageError with its file and line."""
    from pydantic import ValidationError  # noqa: PLC0415 -- slow to import, needed on this path only

    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        # a mistyped key is both unknown and missing: the unknown one has the place and the near name
        first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        path = tuple(first["loc"])
        what, mend = _explain(model, dict(first))
        raise UsageError(what, where=document.where(*path), mend=mend) from error


def _explain(model: type[BaseModel], error: dict[str, Any]) -> tuple[str, str]:
    """Say what pydantic found in the words of a user, and how to mend it."""
    names = [str(part) for part in error["loc"]]
    shown = ".".join(names) or "the document"
    kind = error["type"]
    if kind == "extra_forbidden":
        known = sorted(_keys(model))
        near = get_close_matches(names[-1], known, n=1)
        return f'unknown key "{shown}"', f"did you mean {near[0]}?" if near else "remove it, or see docs/"
    if kind == "missing":
        return f'missing key "{shown}"', "add it"
    message = str(error["msg"]).removeprefix("Value error, ")
    what, _, mend = message.partition(" | ")
    given = error.get("input")
    if not mend and isinstance(given, str | int | float | bool):
        what = f"{what} (found {json.dumps(given)})"
    return f"{shown}: {what}", mend or "correct the value"


def _keys(model: type[BaseModel]) -> set[str]:
    """Collect every key of a model and of the models below it."""
    names: set[str] = set()
    schema = model.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        names.update(part.get("properties", {}))
    return names
