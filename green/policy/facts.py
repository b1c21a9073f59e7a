"""The relations that policies judge, `fact` and `unit`: their columns, and rows for cases and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from green.policy.metrics import CATALOGUE, DISCLOSABLE, FINDINGS, SELECTABLE
from green.tables import quote
from green.vocabulary import Kind, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from duckdb import DuckDBPyConnection

Row = dict[str, Any]  # a row of `fact` in Python; times are microseconds since 1970, UTC

FACT: dict[str, str] = {
    **dict.fromkeys(SELECTABLE, "VARCHAR"),
    "labels": "MAP(VARCHAR, VARCHAR)",
    "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    **{
        column: "DOUBLE"
        for metric in CATALOGUE.values()
        if metric.unit
        for column in (metric.column, metric.low, metric.high)
        if column is not None
    },
    "method": "VARCHAR",
    "quality_tier": "VARCHAR",
    "unknown_reasons": "VARCHAR[]",
    "flags": "VARCHAR[]",
    "hardware": "VARCHAR[]",
    "is_current": "BOOLEAN",
    "is_counted": "BOOLEAN",
    "error": "VARCHAR",
    "where_file": "VARCHAR",
    "where_line": "INTEGER",
}
DERIVED = {  # from the columns of `runs`; the ends of a share are where one part is low and the other high
    "embodied_ratio": "embodied_kgco2e / nullif(emissions_kgco2e, 0)",
    "embodied_ratio_low": "embodied_kgco2e_low / nullif(embodied_kgco2e_low + operational_kgco2e_high, 0)",
    "embodied_ratio_high": "embodied_kgco2e_high / nullif(embodied_kgco2e_high + operational_kgco2e_low, 0)",
    "findings": "CASE WHEN coalesce(energy_kwh, facility_energy_kwh) IS NOT NULL THEN"
    f" len(list_intersect(flags, [{', '.join(map(quote, FINDINGS))}])) END",
}
UNIT: dict[str, str] = {"run_id": "VARCHAR", "unit": "VARCHAR", "amount": "DOUBLE"}
_FAULTY = """CREATE OR REPLACE TEMP TABLE faulty AS
SELECT run_id, 'current' AS among
FROM fact
WHERE is_current AND (is_counted OR error IS NOT NULL) AND status IS DISTINCT FROM 'planned'
GROUP BY run_id HAVING count(*) > 1 OR any_value(error) IS NOT NULL
UNION ALL
SELECT run_id, CASE WHEN coalesce(status = 'planned', FALSE) THEN 'planned' ELSE 'counted' END AS among
FROM fact
WHERE is_counted OR (is_current AND error IS NOT NULL)
GROUP BY ALL HAVING count(*) > 1 OR any_value(error) IS NOT NULL
UNION ALL
SELECT run_id, 'unit ' || unit AS among FROM unit GROUP BY ALL HAVING count(*) > 1"""
_NAMES = (*SELECTABLE, "method", "quality_tier")  # of spaces only they are no names, and `fact` has NULL for them
_CLOSED = {"kind": tuple(Kind), "status": tuple(Status)}  # another word is a slip, and no selector may pass it over
_TIMES = frozenset({"started_at", "ended_at"})


def create(connection: DuckDBPyConnection) -> None:
    """Create empty tables `fact` and `unit`."""
    for table, columns in (("fact", FACT), ("unit", UNIT)):
        listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"CREATE OR REPLACE TABLE {table} ({listed})")


def select(columns: Collection[str], said: str | None = None) -> str:
    """Write the row of `fact` from a relation with these columns; what it does not have is NULL, and so unknown.

    With the text of all policies, metrics that it does not name are NULL, too.
    """
    cells = {name: DERIVED.get(name, name if name in columns else "NULL") for name in FACT}
    for metric in CATALOGUE.values():
        if said is not None and metric.unit and f'"{metric.name}"' not in said:
            columns_of = (metric.column, metric.low, metric.high)
            cells |= {name: "NULL" for name in columns_of if name is not None and name not in DISCLOSABLE}
    cells |= {name: f"CASE WHEN trim({name}) <> '' THEN {name} END" for name in _NAMES if name in columns}
    for name, words in _CLOSED.items():
        cells[name] = f"CASE WHEN {name} IN ({', '.join(map(quote, words))}) THEN {name} END"
    if "hardware" in columns:
        cells["hardware"] = "list_transform(hardware, lambda item: CASE WHEN trim(item) <> '' THEN item END)"
    return ", ".join(f'CAST({cells[name]} AS {kind}) AS "{name}"' for name, kind in FACT.items())


def prepare(connection: DuckDBPyConnection) -> None:
    """Make the relation `faulty`: run_ids that are errors or stand twice, found once and not by every policy."""
    connection.execute(_FAULTY)


def insert(
    connection: DuckDBPyConnection,
    facts: Iterable[Mapping[str, Any]],
    *,
    units: Iterable[tuple[str, str, Any]] = (),
) -> None:
    """Insert rows; a column that a row lacks is NULL, except that runs are current and counted."""
    slots = ", ".join("make_timestamptz(?)" if name in _TIMES else f"CAST(? AS {kind})" for name, kind in FACT.items())
    for fact in facts:
        row = {"is_current": True, "is_counted": True, **fact}
        named = {name: row[name] for name in _NAMES if (row.get(name) or "").strip(" ")}
        named = {name: word for name, word in named.items() if word in _CLOSED.get(name, (word,))}
        row = {**row, **dict.fromkeys(_NAMES), **named}
        if row.get("hardware"):
            row["hardware"] = [item if item and item.strip(" ") else None for item in row["hardware"]]
        connection.execute(f"INSERT INTO fact VALUES ({slots})", [row.get(name) for name in FACT])
    for unit in units:
        connection.execute("INSERT INTO unit VALUES (?, ?, ?)", list(unit))


def fetch(connection: DuckDBPyConnection) -> tuple[list[Row], list[tuple[str, str, float | None]]]:
    """Read both relations as the reference evaluator takes them."""
    listed = ", ".join(
        f"CASE WHEN isfinite({name}) THEN epoch_us({name}) END" if name in _TIMES else name for name in FACT
    )
    rows = connection.execute(f"SELECT {listed} FROM fact").fetchall()
    amounts = connection.execute("SELECT run_id, unit, amount FROM unit").fetchall()
    return [dict(zip(FACT, row, strict=True)) for row in rows], [(str(r), str(u), a) for r, u, a in amounts]
