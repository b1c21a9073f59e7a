"""What the store says of one run: its newest facts, and everything that they lead back to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import SequenceMatcher
from math import isfinite
from typing import TYPE_CHECKING, Any

from green.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

Row = dict[str, Any]
MOST_NEAR = 3
LEAST_LIKE = 0.4  # below it two run ids have nothing in common but letters


@dataclass(frozen=True)
class Facts:
    """The rows of one run; `con` is there for the formulas that are stored beside them."""

    con: duckdb.DuckDBPyConnection
    run: Row
    answers: Sequence[Row]
    devices: Sequence[Row]
    factors: Mapping[str, Row]
    files: Sequence[Row]
    event: Row
    history: Sequence[Row]  # its earlier assessments, the first one first

    def used(self, factor_ids: Sequence[str], quantity: str) -> list[Row]:
        """Return the factor rows of a quantity among those that a result names, in the order of their ids."""
        rows = (self.factors[factor_id] for factor_id in sorted(factor_ids) if factor_id in self.factors)
        return [row for row in rows if row["quantity"] == quantity]

    def of(self, quantity: str) -> list[Row]:
        """Return all factor rows of a quantity, in the order of their ids: those of a model, which no result names."""
        return [row for _, row in sorted(self.factors.items()) if row["quantity"] == quantity]


def facts_of(con: duckdb.DuckDBPyConnection, run_id: str) -> Facts:
    """Read the newest facts of a run; an unknown run_id is an error that names its neighbours."""
    runs = rows(con, "SELECT * FROM current_run WHERE run_id = $key", key=run_id)
    if not runs:
        raise UsageError(f"no run {run_id!r} in the store", mend=_near(con, run_id))
    run = runs[0]
    key = run["seq"]
    return Facts(
        con,
        run,
        rows(
            con,
            "SELECT * EXCLUDE (seq, run_id), coverage_ratio(covered_s, uncovered_s) AS coverage_ratio"
            " FROM energy WHERE seq = $key ORDER BY is_counted DESC, answer",
            key=key,
        ),
        rows(con, "SELECT * EXCLUDE (seq, run_id) FROM embodied WHERE seq = $key ORDER BY device_id", key=key),
        _factors(con, key),
        rows(
            con,
            "SELECT file, sha256, bytes, reader, has_readings FROM input_file WHERE seq = $key ORDER BY file",
            key=key,
        ),
        rows(
            con,
            "SELECT seq, hash, prev_hash, payload_sha256, recorded_at, actor, tool_version"
            " FROM ledger WHERE seq = $key",
            key=key,
        )[0],
        rows(
            con,
            "SELECT seq, recorded_at, superseded_by, superseded_because, superseded_reason FROM run_history"
            " WHERE run_id = $key AND superseded_by IS NOT NULL ORDER BY seq",
            key=run_id,
        ),
    )


def _factors(con: duckdb.DuckDBPyConnection, key: int) -> dict[str, Row]:
    """Return the factor rows as they stood when the run was recorded: an assessment ends each commit of facts."""
    found = rows(
        con,
        "SELECT * FROM factor WHERE seq <= coalesce((SELECT min(seq) FROM assessment WHERE seq > $key), $key)"
        " QUALIFY row_number() OVER (PARTITION BY factor_id ORDER BY seq DESC) = 1 ORDER BY factor_id",
        key=key,
    )
    return {row["factor_id"]: row for row in found}


def rows(con: duckdb.DuckDBPyConnection, sql: str, **values: object) -> list[Row]:
    """Run a query and return its rows as plain values, keyed by column."""
    result = con.execute(sql, values)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in result.fetchall()]


def _plain(value: Any) -> Any:  # noqa: ANN401 -- any value of DuckDB
    """Make a value what JSON knows: numbers, ISO 8601 times in UTC, and None for what is not finite."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return None if isinstance(value, float) and not isfinite(value) else value


def _near(con: duckdb.DuckDBPyConnection, run_id: str) -> str:
    """Name the run ids that look most like a mistaken one."""
    known = [str(row["run_id"]) for row in rows(con, "SELECT DISTINCT run_id FROM run ORDER BY 1")]
    wanted = run_id.casefold()

    def likeness(name: str) -> float:
        folded = name.casefold()
        return SequenceMatcher(None, wanted, folded).ratio() + (0.5 if wanted in folded else 0.0)

    near = [name for name in sorted(known, key=likeness, reverse=True) if likeness(name) > LEAST_LIKE][:MOST_NEAR]
    if near:
        return f"did you mean {', '.join(map(repr, near))}?"
    return f"the store has {len(known)} runs; `green query 'SELECT run_id FROM runs'` lists them"
