"""What the page of the report says, as plain values: gathered by green/report.py, written by green/output/html.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity with its interval; without a value, the reason code that says why."""

    value: float | None
    low: float | None
    high: float | None
    unit: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the page lists it."""

    run_id: str
    energy: Figure
    facility: Figure
    operational: Figure
    embodied: Figure
    emissions: Figure
    facts: Row  # project, team, region, status, day, coverage_ratio, method, is_counted, error, flags


@dataclass(frozen=True, slots=True)
class Group:
    """Totals of some runs; energy and the parts of emissions are sums of what is known."""

    names: tuple[str | None, ...]
    runs: int
    unknown: int
    energy: Figure
    operational: Figure
    embodied: Figure
    emissions: Figure


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a budget is used; `used`, `low`, `high` and `warn` are percent of the limit."""

    policy: str
    title: str
    subject: str
    verdict: str
    used: float | None
    low: float | None
    high: float | None
    warn: float | None
    limit: float | None
    unit: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the page says."""

    title: str
    record: Row  # of verdicts.json; its summary counts also the verdicts that are left out here
    most_rows: int
    budgets: list[Budget]
    total: Group
    stored: int  # runs in the store, counted or not
    runs: list[Run]
    projects: list[Group]
    project_months: list[Group]
    team_months: list[Group]
    quality: dict[str, list[tuple[str | None, int]]]  # method, scope, unknown_reasons, flags -> runs
    coverage: Row
    plans: tuple[list[Row], list[Row]]  # of teams, of runs: plan against actual
    rejects: list[Row]
    factors: list[Row]
    ledger: Row
