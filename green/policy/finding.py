"""What an evaluator finds for one subject of a policy, before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

Number = float | Decimal


class Finding(NamedTuple):  # made by the ten thousand: three times faster than a frozen dataclass
    """One row of an evaluator; numbers are in the unit of the policy's bounds."""

    subject: str
    verdict: str
    reason: str | None = None
    value: Number | None = None
    low: Number | None = None
    high: Number | None = None
    points: int = 0  # runs without an interval, judged as a point
    runs: int = 1
    unknown_runs: int = 0
    named: str = ""  # what the sentence names: missing fields, values that are not allowed, unknown runs
    where_file: str | None = None
    where_line: int | None = None
    planned: Number | None = None  # of a budget: the part of its value that is planned, once and not as a pace


class Mend(NamedTuple):
    """A change to a run under which a finding would pass: it was priced and judged, so that it is no guess."""

    change: str  # hours, region or device
    value: str | float
    unit: str | None  # of a number
    run_id: str
    becomes: str  # what the policy would say then: pass or warn
    result: float  # the figure then, in the unit of the policy
    high: float | None


@dataclass(frozen=True, slots=True)
class Moment:
    """When a judgement is made, in microseconds since 1970 (UTC); None where no fact has a time."""

    as_of_us: int | None
    since_us: int | None = None
    no_history: bool = False


UNATTRIBUTED = "(unattributed)"
LONGEST_S = 1e10  # 317 years: a longer duration is no duration
LEAST_AMOUNT = 1e-12  # functional units below this or above the next are out of range
MOST_AMOUNT = 1e30
NAMED_RUNS = 3  # how many unknown runs a budget names


def escaped(name: str) -> str:
    """Write a name inside a subject, so that `team=a,project=b` has one meaning."""
    return name.replace("\\", "\\\\").replace(",", "\\,")
