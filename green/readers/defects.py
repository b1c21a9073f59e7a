"""Known defects of tools: what a version writes wrongly, and what is done about it.

`defects.csv` is the table: a row a defect, with the versions that have it (blank: every one), its
effect, the evidence, and the remedy. `correct` puts the figure right and flags it, `flag` leaves it,
`refuse` leaves the figure unknown. A defect without versions is known by what the file shows.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("defects.csv")
REMEDIES = ("correct", "flag", "refuse")

Version = tuple[int, ...]

_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?!\d).*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Defect:
    """One row of the table."""

    tool: str
    first_version: str
    last_version: str
    defect: str  # the flag or reason code that it gives
    remedy: str
    effect: str
    evidence: str

    def holds(self, version: Version | None) -> bool:
        """Tell whether a version has it; a version that is not known may."""
        first, last = version_of(self.first_version), version_of(self.last_version)
        return version is None or ((first is None or first <= version) and (last is None or version <= last))


def version_of(text: str) -> Version | None:
    """Return a version as three numbers; None where the text is none."""
    match = _VERSION.fullmatch(text.strip())
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


@cache
def defects() -> tuple[Defect, ...]:
    """Read the table."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return tuple(Defect(**row) for row in csv.DictReader(stream))


def defect(tool: str, code: str, version: Version | None) -> Defect | None:
    """Return the defect of a tool's version, None where that version is not known to have it."""
    return next((d for d in defects() if (d.tool, d.defect) == (tool, code) and d.holds(version)), None)
