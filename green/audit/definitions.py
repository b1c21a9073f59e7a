"""Compare the tables, views and formulas of a store with those that this version of green makes.

Each DuckDB prints a definition in its own way, also one that another DuckDB wrote into the file. So where two
texts differ, both are made anew in an empty database of the running engine, and compare as that one prints them.
"""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green.audit import schema, store

if TYPE_CHECKING:
    import duckdb

Texts = dict[tuple[str, str], str]  # (kind, name) -> the statement that makes it

_HOME = "CASE schema_name WHEN 'main' THEN '' ELSE schema_name || '.' END"
_QUERIES = {
    "table": f"SELECT {_HOME} || table_name, sql FROM duckdb_tables() WHERE NOT internal AND NOT temporary",
    "view": f"SELECT {_HOME} || view_name, sql FROM duckdb_views() WHERE NOT internal AND NOT temporary",
    # the order of parameters is part of a formula: swapped names would leave its text as it was
    "macro": f"SELECT name, string_agg(text, ' ; ' ORDER BY text) FROM (SELECT {_HOME} || function_name AS name,"
    " 'CREATE MACRO \"' || function_name || '\"(' || array_to_string(list_transform(parameters,"
    " LAMBDA one: '\"' || one || '\"'), ', ') || ') AS ' || CASE function_type WHEN 'table_macro' THEN 'TABLE '"
    " ELSE '' END || macro_definition AS text FROM duckdb_functions()"
    " WHERE NOT internal AND function_type IN ('macro', 'table_macro')) GROUP BY name",
    "type": f"SELECT {_HOME} || type_name, logical_type FROM duckdb_types() WHERE NOT internal",
    "index": "SELECT index_name, coalesce(sql, '') FROM duckdb_indexes()",
    "sequence": "SELECT sequence_name, coalesce(sql, '') FROM duckdb_sequences() WHERE NOT temporary",
    "unit": "SELECT table_name || '.' || column_name, comment FROM duckdb_columns()"
    " WHERE NOT internal AND schema_name = 'main' AND comment IS NOT NULL",
}
_PRINTED = ("table", "view", "macro")
# What DuckDB 1.5 and 2.0 still print in two ways for one meaning. A name of another schema is found by itself.
_SPELLINGS = (
    (re.compile(r"CAST\('t' AS BOOLEAN\)"), "true"),
    (re.compile(r"CAST\('f' AS BOOLEAN\)"), "false"),
    (re.compile(r"\bmain\.(?=(?:list_value|struct_pack)\()"), ""),
    (re.compile(r'CAST\((\d+\.\d+) AS "?DOUBLE"?\)'), r"\1"),
)


def differences(con: duckdb.DuckDBPyConnection, *, units: bool = True) -> list[str]:
    """Name the definitions of a store that are changed, missing or not ours; with `units`, comments too."""
    here, ours = (
        {key: text for key, text in texts.items() if units or key[0] != "unit"} for texts in (_texts(con), _ours())
    )
    differing = {key for key in here.keys() & ours.keys() if here[key] != ours[key]}
    if any(kind in _PRINTED for kind, _ in differing):
        one, other = _reprinted(here), _reprinted(ours)
        differing = {key for key in differing if key[0] not in _PRINTED or one.get(key) != other[key]}
    return [
        *(f"{kind} {name} was changed" for kind, name in sorted(differing)),
        *(f"{kind} {name} is missing" for kind, name in sorted(ours.keys() - here.keys())),
        *(f"{kind} {name} is not ours" for kind, name in sorted(here.keys() - ours.keys())),
    ]


@cache
def _ours() -> Texts:
    """Return the definitions of this version, as the running engine prints them from a file."""
    with tempfile.TemporaryDirectory(prefix="green-") as folder:
        path = Path(folder) / "green.duckdb"
        with store.connect(path, read_only=False) as own:
            schema.create(own)
        with store.connect(path, read_only=True) as own:
            return _texts(own)


def _texts(con: duckdb.DuckDBPyConnection) -> Texts:
    rows: list[tuple[Any, ...]] = []
    for kind, query in _QUERIES.items():
        rows += [(kind, *row) for row in con.execute(query).fetchall()]
    return {(kind, str(name)): str(text) for kind, name, text in rows}


def _reprinted(texts: Texts) -> Texts:
    """Return the texts as the running engine prints what it makes of them; what it cannot make is left out."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where the store is opened

    left = {key: text for key, text in texts.items() if key[0] in _PRINTED}
    with duckdb.connect() as own:
        own.execute("SET enable_external_access = false")  # the definitions of others are read, not trusted
        while left:
            made = [key for key, text in left.items() if _makes(own, text)]
            if not made:
                break
            for key in made:  # a view needs those that it reads from: they come in one of the next rounds
                del left[key]
        return {key: meant(text) for key, text in _texts(own).items()}


def _makes(con: duckdb.DuckDBPyConnection, text: str) -> bool:
    from green.engine import duckdb  # noqa: PLC0415 -- as above

    try:
        for statement in con.extract_statements(text):
            con.execute(statement)
    except duckdb.Error:
        return False
    return True


def meant(text: str) -> str:
    """Return a printed definition with the spellings of one meaning made one."""
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return text
