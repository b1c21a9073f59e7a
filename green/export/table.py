"""A view of the store as CSV, JSON or Parquet: its columns as they are, its rows in one order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from green.audit.schema import VIEWS
from green.errors import UsageError
from green.tables import quote

if TYPE_CHECKING:
    import duckdb

OPTIONS = {
    "csv": "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'",
    "json": "FORMAT json, ARRAY, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


def render(con: duckdb.DuckDBPyConnection, form: str, view: str) -> bytes:
    """Return a view in a form; NULL is an empty field, null, or a null of Parquet."""
    if view not in VIEWS:
        raise UsageError(f'no view "{view}"', mend=f"one of: {', '.join(VIEWS)}")
    con.execute("SET threads = 1")  # the same row groups on every machine
    with tempfile.TemporaryDirectory(prefix="green-export-") as folder:
        out = Path(folder) / "out"
        con.execute(f"COPY (SELECT * FROM {view} ORDER BY ALL) TO {quote(out)} ({OPTIONS[form]})")
        return out.read_bytes()
