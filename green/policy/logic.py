"""The logic that the reference evaluator judges by: three-valued selectors, problems, comparisons.

It shares the models with the compiler and nothing else. None stands for "nobody can tell", as NULL does.
"""

from __future__ import annotations

import math
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from green.policy.bounds import MOST, Bounds, exact
from green.policy.finding import Finding, Number
from green.policy.metrics import SELECTABLE, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.policy.facts import Row
    from green.policy.model import Matcher, Select

Triple = tuple[Number | None, Number | None, Number | None]  # value, low, high


def times(names: Sequence[str]) -> dict[str, int]:
    """Count how often each name comes."""
    counted: dict[str, int] = defaultdict(int)
    for name in names:
        counted[name] += 1
    return counted


def placed(row: Row) -> tuple[bool, str, bool, int, bool, str]:
    """Order rows of one run_id, as both evaluators do."""
    file, line, error = row["where_file"], row["where_line"], row["error"]
    return (file is None, file or "", line is None, line or 0, error is None, error or "")


def apart_from(row: Row, fault: str | None, select: Select) -> Finding:
    """Return the verdict of a run that cannot be judged."""
    where = (row["where_file"], row["where_line"])
    if fault is not None:
        return Finding(row["run_id"], "error", fault, where_file=where[0], where_line=where[1])
    other = select.not_.fields() if select.not_ is not None else {}
    lacking = [name for name in SELECTABLE if (name in select.fields() or name in other) and lacks(row, name)]
    named = ", ".join(lacking)
    return Finding(
        row["run_id"],
        "unknown",
        "MISSING_FIELD",
        unknown_runs=1,
        named=named,
        where_file=where[0],
        where_line=where[1],
    )


def selects(select: Select, row: Row) -> bool | None:
    """Tell whether a run is selected; None where a field that decides it is missing (Kleene's logic)."""
    parts = _matches(select, row)
    if select.not_ is not None:
        inner = _all(_matches(select.not_, row))
        parts.append(None if inner is None else not inner)
    return _all(parts)


def _matches(matcher: Matcher, row: Row) -> list[bool | None]:
    parts: list[bool | None] = [
        None if lacks(row, name) else row[name] in values for name, values in matcher.fields().items()
    ]
    labels = row["labels"] or {}
    parts.extend(labels.get(name) in values for name, values in matcher.labels.items())
    return parts


def _all(parts: Sequence[bool | None]) -> bool | None:
    if False in parts:
        return False
    return None if None in parts else True


def lacks(row: Row, field: str) -> bool:
    """Tell whether a field of a run is absent."""
    value = row[field]
    if field == "hardware":
        return not value or any(not item for item in value)
    if field == "duration_s":
        return value is None or not math.isfinite(value) or value < 0
    return value is None or value == ""


def problem(metric: Metric, row: Row, *, has_most: bool = False) -> str | None:
    """Say why a metric is unknown; None where it is known."""
    numbers = [row[name] for name in (metric.column, metric.low, metric.high) if name is not None]
    stated = [number for number in numbers if number is not None]
    if row[metric.column] is None:
        return reason_of(metric, row)
    if not all(math.isfinite(number) for number in stated):
        return "NON_FINITE"
    if any(number < 0 for number in stated):
        return "NEGATIVE"
    return "OUT_OF_RANGE" if has_most and any(number > MOST for number in stated) else None


def reason_of(metric: Metric, row: Row) -> str:
    """Return the first of the run's own reasons that concerns a metric."""
    codes = [code for code in row["unknown_reasons"] or () if code in metric.reasons]
    return codes[0] if codes else "MISSING_METRIC"


def interval(metric: Metric, row: Row) -> Triple:
    """Return value, low and high of a metric."""
    low = row[metric.low] if metric.low is not None else None
    high = row[metric.high] if metric.high is not None else None
    return row[metric.column], low, high


def is_point(numbers: Triple) -> bool:
    """Tell whether a figure has no interval."""
    value, low, high = numbers
    return (low is None and high is None) or (low == value and high == value)


def compared(bounds: Bounds, numbers: Triple) -> tuple[str, str | None]:
    """Compare a figure with its bounds: fail, then at_risk, then warn, then pass."""
    value, low, high = numbers
    most, least, warn = bounds.max, bounds.min, bounds.warn_above
    if most is not None and any(number is not None and number > most for number in (value, low)):
        return "fail", None
    if least is not None and any(number is not None and number < least for number in (value, high)):
        return "fail", None
    open_above = most is not None and high is None and low is not None
    open_below = least is not None and low is None and high is not None
    beyond = (most is not None and high is not None and high > most) or (
        least is not None and low is not None and low < least
    )
    if open_above or open_below or beyond:
        return "at_risk", "NO_UPPER_BOUND" if open_above else "NO_LOWER_BOUND" if open_below else None
    return ("warn", None) if warn is not None and value is not None and value > warn else ("pass", None)


def as_floats(bounds: Bounds) -> Bounds:
    """Round bounds as figures are rounded that are compared as DOUBLE."""
    rounded = [None if part is None else Decimal(float(part)) for part in (bounds.max, bounds.min, bounds.warn_above)]
    return Bounds(rounded[0], rounded[1], rounded[2], bounds.stored, bounds.unit, bounds.scale)


def exact_bounds(bounds: Bounds) -> Bounds:
    """Round bounds as exact sums are rounded."""
    rounded = [None if part is None else exact(part) for part in (bounds.max, bounds.min, bounds.warn_above)]
    return Bounds(rounded[0], rounded[1], rounded[2], bounds.stored, bounds.unit, bounds.scale)
