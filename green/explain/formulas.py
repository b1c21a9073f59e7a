"""The formulas as people read them: name, arguments, text and clause, parsed from formulas.sql."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from green.sql import text_of

_MACRO = re.compile(
    r"((?:^--[^\n]*\n)+)((?:CREATE OR REPLACE MACRO [^;]*;\s*?\n?)+)",
    re.MULTILINE,
)
_ONE = re.compile(r"CREATE OR REPLACE MACRO (\w+)\(([^)]*)\) AS\s+([^;]*);")


class Formula(NamedTuple):
    """One macro, with the comment that stands above it."""

    name: str
    arguments: tuple[str, ...]
    text: str
    clause: str


@cache
def formulas() -> dict[str, Formula]:
    """Return every formula by its name."""
    found: dict[str, Formula] = {}
    for comment, macros in _MACRO.findall(text_of("formulas")):
        clause = " ".join(line.removeprefix("--").strip() for line in comment.splitlines())
        for name, arguments, text in _ONE.findall(macros):
            listed = tuple(argument.strip() for argument in arguments.split(","))
            found[name] = Formula(name, listed, " ".join(text.split()), clause)
    return found
