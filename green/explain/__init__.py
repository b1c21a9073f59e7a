"""Unfold the figures of a run: value, formula, inputs, factors, files, event; read from the store alone."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from green.errors import UsageError
from green.explain.facts import Row, facts_of
from green.policy.metrics import METRICS
from green.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

USUAL = (
    "energy.it",
    "energy.facility",
    "carbon.operational",
    "carbon.operational_market",
    "carbon.embodied",
    "carbon.total",
    "water.total",
    "cost.total",
)
_HEAD = [
    "project",
    "team",
    "model",
    "kind",
    "parent",
    "status",
    "site",
    "region",
    "started_at",
    "ended_at",
    "duration_s",
    "method",
    "quality_tier",
    "scope",
]


def explain(con: duckdb.DuckDBPyConnection, run_id: str, metric: str | None = None) -> Row:
    """Return the explanation of a run's figures as a JSON object; `metric` is a policy's name or a column."""
    from green.explain.figures import figure  # noqa: PLC0415 -- pulls pydantic in; a report needs the formulas alone

    names = USUAL if metric is None else (metric_named(metric),)
    facts = facts_of(con, run_id)
    shown: set[str] = set()
    found = [figure(facts, name, shown) for name in names]
    wrong = [text for one in found for text in disagreements(one)]
    return {
        "run_id": facts.run["run_id"],
        **{name: facts.run[name] for name in _HEAD},
        "state": facts.run["state"],
        "is_counted": facts.run["is_counted"],
        "duplicate_of": facts.run["duplicate_of"],
        "error": _words([facts.run["error"]] if facts.run["error"] else []),
        "flags": _words(facts.run["flags"]),
        "figures": found,
        "files": list(facts.files),
        "event": facts.event,
        "history": list(facts.history),
        "agrees": not wrong,
        "disagreements": wrong,
    }


def _words(codes: list[str]) -> list[Row]:
    return [{"code": code, **reason(code)._asdict()} for code in codes]


def metric_named(name: str) -> str:
    """Return the policy's name of a metric that is given by its name or by its column."""
    by_column = {metric.column: metric.name for metric in METRICS.values()}
    ends = [one.partition(".")[2] for one in METRICS]
    by_column |= {one.partition(".")[2]: one for one in METRICS if ends.count(one.partition(".")[2]) == 1}
    if name in METRICS or name in by_column:
        return by_column.get(name, name)
    near = get_close_matches(name, [*METRICS, *by_column], n=1)
    mend = f"did you mean {near[0]}?" if near else f"one of {', '.join(METRICS)}"
    raise UsageError(f"unknown metric {name!r}", mend=mend)


def disagreements(record: Row) -> Iterator[str]:
    """Give what does not agree in a figure and in the figures below it, each with its name."""
    for text in record.get("disagreements", ()):
        yield f"{record['metric']}: {text}"
    for part in record.get("inputs", ()):
        if part["input"] == "figure":
            yield from disagreements(part)
