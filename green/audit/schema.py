"""The store's tables of facts, generated from the columns of the stages, and a comment for every column.

A fact travels as JSON in the ledger (quantities as decimal strings) and comes back by its type, so
one list of columns makes the payload, the projection and its comment.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

from green.sql import text_of
from green.tables import EMBODIED, EMISSIONS, ENERGY, EXACT, INPUTS, INSTRUMENT, METRICS, NAMES, UNITS, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

SCHEMA_VERSION = 2
_INPUT = {key: kind for key, kind in INPUTS.items() if key != "source"}


def _without_run(columns: Mapping[str, str]) -> dict[str, str]:
    return {name: kind for name, kind in columns.items() if name != "run_id"}


# Key in the payload, projection, columns: the lists of a run's facts.
LISTS = (
    ("embodied", "embodied", _without_run(EMBODIED)),
    ("energy", "energy", _without_run(ENERGY)),
    ("inputs", "input_file", _INPUT),
    ("metrics", "quality_metric", _without_run(METRICS)),
    ("units", "functional_unit", _without_run(UNITS)),
)


def _as_json(name: str, kind: str) -> str:
    """Return the expression that puts a column into a payload: exact, and the same on every machine."""
    column = f'"{name}"'
    if kind in {EXACT, "DOUBLE"}:
        return f"CAST({column} AS VARCHAR)"
    if kind == "TIMESTAMPTZ":
        return f"strftime({column} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind == NAMES:
        return f"coalesce({column}, [])"
    return column


def struct(columns: Mapping[str, str]) -> str:
    """Return a struct of columns with its keys in the order of canonical JSON."""
    return "{" + ", ".join(f"'{name}': {_as_json(name, columns[name])}" for name in sorted(columns)) + "}"


def changes(emissions: str, parts: Mapping[str, tuple[str, str]], recent: str) -> str:
    """Return SQL that gives the `run_id` in `recent` whose facts are not what the store holds of its newest event.

    It reads the relation `newest(run_id, seq)`. Comparing columns costs a quarter of what it costs to write and hash
    the payloads of all runs. A list has no row twice: it is the same where no row is new and the number of rows is
    the same.
    """

    def rows(columns: Iterable[str]) -> str:
        return ", ".join(f'"{name}"' for name in ("run_id", *columns))

    own = rows(_without_run(EMISSIONS))
    only = f"SEMI JOIN {recent} USING (run_id)"
    held = f"SEMI JOIN newest USING (run_id, seq) {only}"
    found = [f"SELECT run_id FROM (SELECT {own} FROM {emissions} {only} EXCEPT SELECT {own} FROM run {held})"]
    for key, table, columns in LISTS:
        kept = f"(SELECT {rows(columns)} FROM {table} {held})"
        counted = "(SELECT run_id, count(*) AS n FROM {} GROUP BY run_id)"
        found.append(f"SELECT run_id FROM (SELECT {rows(columns)} FROM {parts[key][0]} EXCEPT FROM {kept})")
        found.append(
            f"SELECT run_id FROM {counted.format(parts[key][0])} AS f FULL JOIN {counted.format(kept)} AS k"
            " USING (run_id) WHERE f.n IS DISTINCT FROM k.n"
        )
    return " UNION ".join(found)


def payloads(emissions: str, parts: Mapping[str, tuple[str, str]], only: str) -> str:
    """Return SQL that gives (run_id, payload) of the runs in `only`, a relation with a `run_id`.

    It reads the relation `emissions`, and (relation, order) of each list.
    """
    # Lists are joined as texts: sorting structs and making JSON of lists of them costs twice as much.
    lists = "".join(
        f" LEFT JOIN (SELECT run_id, string_agg(to_json({struct(columns)})::VARCHAR, ',' ORDER BY {parts[key][1]})"
        f" AS {key} FROM {parts[key][0]} SEMI JOIN {only} USING (run_id) GROUP BY run_id) USING (run_id)"
        for key, _, columns in LISTS
    )
    keys = sorted([key for key, _, _ in LISTS] + ["emissions"])
    texts = (
        f"to_json({struct(EMISSIONS)})::VARCHAR" if key == "emissions" else f"'[' || coalesce({key}, '') || ']'"
        for key in keys
    )
    body = " || ',".join(f'"{key}":\' || {text}' for key, text in zip(keys, texts, strict=True))
    return f"SELECT run_id, '{{{body} || '}}' AS payload FROM (FROM {emissions} SEMI JOIN {only} USING (run_id)){lists}"


def _transform(columns: Mapping[str, str]) -> str:
    kinds = (f'"{name}":' + ('["VARCHAR"]' if kind == NAMES else f'"{kind}"') for name, kind in columns.items())
    return "{" + ",".join(kinds) + "}"


def typed_facts() -> str:
    """Return SQL of the view `fact(seq, p)`: the payloads of `run` events as one typed struct."""
    shape = f'{{"emissions":{_transform(EMISSIONS)}'
    shape += "".join(f',"{key}":[{_transform(columns)}]' for key, _, columns in LISTS) + "}"
    return f"SELECT seq, json_transform(payload, {quote(shape)}) AS p FROM event WHERE kind = 'run'"


def fact_inserts() -> Iterable[str]:
    """Give the statements that fill the projections of facts from the view `fact`."""
    columns = ", ".join(f'"{name}"' for name in EMISSIONS)
    picked = ", ".join(f'p.emissions."{name}"' for name in EMISSIONS)
    yield f"INSERT INTO run (seq, {columns}) SELECT seq, {picked} FROM fact ORDER BY seq"
    for key, table, kinds in LISTS:
        columns = ", ".join(f'"{name}"' for name in kinds)
        picked = ", ".join(f'x."{name}"' for name in kinds)
        yield (
            f"INSERT INTO {table} (seq, run_id, {columns}) SELECT seq, run_id, {picked} FROM"
            f" (SELECT seq, p.emissions.run_id AS run_id, unnest(p.{key}) AS x FROM fact) ORDER BY seq"
        )


def instrument_insert() -> str:
    """Return the statement that fills the projection `instrument`: the whole configured list at each change of it."""
    columns = ", ".join(f'"{name}"' for name in INSTRUMENT)
    picked = ", ".join(f'x."{name}"' for name in INSTRUMENT)
    return (
        f"INSERT INTO instrument (seq, {columns}) SELECT seq, {picked} FROM (SELECT seq, unnest(json_transform("
        f"payload -> '$.instruments', {quote(f'[{_transform(INSTRUMENT)}]')})) AS x FROM event"
        " WHERE kind = 'instruments') ORDER BY seq, x.instrument_id"
    )


def projections() -> dict[str, str]:
    """Return the statements that fill the other projections, by the kind of event that each is about."""
    statements = text_of("projections").strip().removesuffix(";").split(";\n")
    return {re.findall(r"kind = '(\w+)'", statement)[0]: statement for statement in statements}


def create_projections(con: duckdb.DuckDBPyConnection) -> None:
    """Create the ledger, the projections and nothing else."""
    con.execute(text_of("schema"))
    for table, columns in (
        ("run", _without_run(EMISSIONS)),
        *((t, c) for _, t, c in LISTS if t != "input_file"),
    ):
        typed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        con.execute(f"CREATE TABLE {table} (seq BIGINT NOT NULL, run_id VARCHAR NOT NULL, {typed})")
    typed = ", ".join(f'"{name}" {kind}' for name, kind in INSTRUMENT.items())
    con.execute(f"CREATE TABLE instrument (seq BIGINT NOT NULL, {typed})")


def create(con: duckdb.DuckDBPyConnection) -> None:
    """Create the whole store: formulas, tables, views, and a comment with its unit for every column."""
    con.execute(text_of("formulas"))
    create_projections(con)
    con.execute(text_of("views"))
    con.execute(text_of("views_units"))
    con.execute("INSERT INTO store VALUES ($version, $checksum)", {"version": SCHEMA_VERSION, "checksum": checksum()})
    comment(con)


def checksum() -> str:
    """Return the digest of all that a store is made of beside its ledger; a store of another one is upgraded."""
    from green.audit.comments import COLUMNS, TABLES  # noqa: PLC0415 -- beside its one use

    names = ("schema", "formulas", "views", "views_units", "projections")
    texts = [text_of(name) for name in names]
    return sha256(repr((texts, LISTS, EMISSIONS, INSTRUMENT, TABLES, COLUMNS)).encode()).hexdigest()


def comment(con: duckdb.DuckDBPyConnection) -> None:
    """Write the comments; a column without one is a bug, found by a test."""
    from green.audit.comments import COLUMNS, TABLES  # noqa: PLC0415 -- words that only a new store needs

    for table, text in TABLES.items():
        kind = "VIEW" if table in VIEWS else "TABLE"
        con.execute(f"COMMENT ON {kind} {table} IS {quote(text)}")
    rows = con.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    ).fetchall()
    for table, column in rows:
        if column in COLUMNS:
            con.execute(f'COMMENT ON COLUMN {table}."{column}" IS {quote(COLUMNS[column])}')


VIEWS = [
    "newest_run",
    "newest_state",
    "current_run",
    "runs",
    "run_units",
    "run_metrics",
    "by_project",
    "by_team_month",
    "newest_verdict",
    "violations",
    "budget_status",
    "waivers_active",
    "scope2",
    "data_quality",
    "lineage",
    "footprint",
    "life_cycle",
    "criteria",
    "fleet",
    "run_quality",
    "measured_share",
    "run_intensity",
    "metric_intensity",
    "performance",
    "counted_run",
    "family_member",
    "family",
    "model_lifetime",
    "break_even",
    "equivalents",
    "instruments",
    "plan_actual",
    "calibration",
    "run_history",
    "forgotten",
]
PROJECTIONS = [
    "run",
    "energy",
    "embodied",
    "functional_unit",
    "quality_metric",
    "input_file",
    "state",
    "factor",
    "policy",
    "waiver",
    "check_run",
    "verdict",
    "assessment",
    "checkpoint",
    "instrument",
]
