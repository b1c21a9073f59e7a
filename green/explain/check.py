"""Compare what the stored formulas give now with what the store says: a number that was changed shows itself."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDS = ("value", "low", "high")
# Figures are stored exactly, to 18 places, but summed from hours that are no longer in the ledger.
RELATIVE, ABSOLUTE = 1e-9, 1e-15


class Triple(NamedTuple):
    """A figure with its interval."""

    value: float | None
    low: float | None
    high: float | None


UNKNOWN = Triple(None, None, None)


def stored(row: Mapping[str, Any], column: str) -> Triple:
    """Return a figure of the table `run`."""
    return Triple(row[column], row.get(f"{column}_low"), row.get(f"{column}_high"))


def same(one: float | None, other: float | None) -> bool:
    """Tell whether two figures agree; two unknown ones do."""
    if one is None or other is None:
        return one is other
    return isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def compare(said: Triple, recomputed: Triple, *, ends: bool) -> dict[str, Any]:
    """Return the parts of a figure's record that say whether it agrees with its inputs.

    Ends whose inputs the store does not hold (the interval of a declared PUE) are not compared unless
    `ends` says that they are known.
    """
    wrong = [
        f"{name} is {_shown(have)}, its inputs give {_shown(want)}"
        for name, have, want in zip(ENDS, said, recomputed, strict=True)
        if (ends or name == "value") and not same(have, want)
    ]
    open_ends = [
        name
        for name, have, want in zip(ENDS, said, recomputed, strict=True)
        if not (ends or name == "value") and not same(have, want)
    ]
    return {
        "recomputed": recomputed._asdict(),
        "agrees": not wrong,
        "disagreements": wrong,
        "not_recomputed": open_ends,
    }


def _shown(number: float | None) -> str:
    return "unknown" if number is None else repr(number)
