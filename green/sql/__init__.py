"""The SQL of every stage and of the store, as text: one file a stage, and the formulas that they call."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

SQL = Path(__file__).parent
FORMULA = re.compile(r"^CREATE OR REPLACE MACRO (\w+)\([^;]*;", re.MULTILINE)  # none holds a semicolon
_WORD = re.compile(r"\w+")


def formulas_in(text: str) -> str:
    """Return the formulas that a text calls, and those that they call, in their order: making all takes 15 ms."""
    every = {match[1]: match[0] for match in FORMULA.finditer(text_of("formulas"))}
    called: set[str] = set()
    new = every.keys() & set(_WORD.findall(text))
    while new:
        called |= new
        new = (every.keys() & {word for name in new for word in _WORD.findall(every[name])}) - called
    return "\n".join(formula for name, formula in every.items() if name in called)


def text_of(name: str) -> str:
    """Return the text of a SQL file."""
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")


def text_digest(name: str) -> str:
    """Return the digest of a stage's SQL and of the formulas that it calls."""
    return sha256((text_of("formulas") + text_of(name)).encode()).hexdigest()


def code_digest() -> str:
    """Return the digest of every SQL file: what a result was computed with."""
    parts = [file.read_bytes() for file in sorted(SQL.glob("*.sql"))]
    return sha256(b"\0".join(parts)).hexdigest()
