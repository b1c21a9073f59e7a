"""The report: what the page shows, gathered from the store and from what the pipeline left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from green.index import write_text
from green.output.text import render_record

if TYPE_CHECKING:
    from pathlib import Path

    from green.config import ReportSettings


def write(store: Path, results: Path, out: Path, settings: ReportSettings) -> None:
    """Write the page atomically."""
    record = json.loads((results / "verdicts.json").read_text(encoding="utf-8"))
    write_text(out, f"{settings.title}\n{render_record(record, rejected(results), is_terminal=False)}")


def rejected(results: Path) -> list[dict[str, Any]]:
    """Return what was not read, by file and line."""
    import duckdb  # noqa: PLC0415 -- 120 ms, only where the file is opened

    file = results / "rejects.parquet"
    if not file.exists():
        return []
    with duckdb.connect() as con:
        result = con.execute(
            "SELECT file, line, lines, reason, detail, run_id FROM read_parquet([$file])"
            " ORDER BY file, line NULLS FIRST, reason, detail",
            {"file": str(file)},
        )
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
