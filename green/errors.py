"""What can go wrong, in one tree: every error says what, where and how to mend it.

    GreenError
    ├── UsageError       exit 3   a policy, the configuration or the command line is wrong
    ├── InputError       exit 4   the data given to us cannot be used
    └── StoreError       exit 5   the audit store is missing, broken or was tampered with

A broken budget is a verdict, not an error; a bug of ours ends with exit 70.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file: 1-based line and column, 0 where unknown."""

    file: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        parts = [self.file] + [str(n) for n in (self.line, self.column) if n]
        return ":".join(parts)


class GreenError(Exception):
    """An error that the user can mend."""

    exit_code: ClassVar[int] = 70

    def __init__(self, what: str, *, where: Where | None = None, mend: str = "") -> None:
        """Keep the three parts apart, for a caller may print them in another form."""
        super().__init__(what)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        lines = [f"error: {self.what}"]
        if self.where is not None:
            lines.append(f"  --> {self.where}")
            if self.where.text:
                lines.append(f"   |  {self.where.text}")
        if self.mend:
            lines.append(f"mend: {self.mend}")
        return "\n".join(lines)


class UsageError(GreenError):
    """A policy, the configuration or the command line is wrong."""

    exit_code: ClassVar[int] = 3


class InputError(GreenError):
    """The data given to us cannot be used."""

    exit_code: ClassVar[int] = 4


class StoreError(GreenError):
    """The audit store is missing, broken or was tampered with."""

    exit_code: ClassVar[int] = 5


_DAMAGE = frozenset({"Error", "IOException", "FatalException", "InternalException", "SerializationException"})


def is_damage(error: BaseException) -> bool:
    """Tell whether DuckDB could not read what a file holds; an error in a query of ours has another class.

    A block whose checksum is wrong has no class of its own: it is the plain `Error`. Told by names, for most of Green
    never loads the engine.
    """
    kind = type(error)
    return kind.__module__.lstrip("_").partition(".")[0] == "duckdb" and kind.__name__ in _DAMAGE


def damage(error: BaseException) -> GreenError:
    """Say in plain words that a file is damaged, where nobody nearer could say which."""
    return StoreError(
        f"a file cannot be read to its end: {str(error).splitlines()[0][:200]}",
        mend="`green verify` tells whether the store is whole (restore a copy if it is not);"
        " if it is, remove results/ and run the pipeline again",
    )
