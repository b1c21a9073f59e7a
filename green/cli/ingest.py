"""`green ingest PATH...`: what would be read, as what, and what would be refused and why."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from green.cli import Common, app
from green.cli.runner import configured, progress, show, show_json
from green.errors import InputError, Where

if TYPE_CHECKING:
    from green.config import Config
    from green.index import Scan

MOST_SHOWN = 5  # refusals of a file in the table


@app.command(epilog="Example: green ingest logs/ more-logs/")
def ingest(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="folders of logs, or single logs and records")],
    strict: Annotated[bool, typer.Option("--strict", help="end 4 where something is refused")] = False,  # noqa: FBT002 -- a flag
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Read logs without writing anything, and show what each file is to us."""
    common: Common = context.obj
    config = configured(common)
    found = [_one(config, path) for path in paths]
    if as_json:
        show_json(found)
    else:
        _print(found)
    if strict and any(file["refused"] for result in found for file in result["files"]):
        raise typer.Exit(InputError.exit_code)


def _print(found: list[dict[str, Any]]) -> None:
    from green.output.text import table  # noqa: PLC0415 -- rich, only for a table

    for result in found:
        read = sum(file["reader"] is not None for file in result["files"])
        left = len(result["files"]) - read
        show(f"{result['path']}: {len(result['runs'])} runs, {read} files read" + (f", {left} not" if left else ""))
        rows = [[f["file"], f["reader"] or "-", str(len(f["runs"])), _short(f["refused"])] for f in result["files"]]
        show(table(["file", "read as", "runs", "refused"], rows).rstrip("\n"))
        for ending, count in sorted(result["not_opened"].items()):
            show(f"not opened: {count} x {ending}")


def _short(refused: list[str]) -> str:
    """Return the first refusals: a log may have one for each of its lines."""
    more = len(refused) - MOST_SHOWN
    return ", ".join(refused[:MOST_SHOWN] + ([f"and {more} more (--json has them all)"] if more > 0 else [])) or "-"


def _alone(path: Path) -> Scan:
    """Return a scan of one file: of a record, the logs beside it are not read."""
    from green.index import NATIVE, RECORDS, Scan, installed, opened  # noqa: PLC0415 -- as below

    if not opened(path.name, path.parent.name, installed()):
        return Scan(skipped=Counter([path.suffix or "(none)"]))
    stat = path.stat()
    source = "." if path.name in RECORDS or path.name.endswith(NATIVE) else path.name
    return Scan({source: [(path.name, stat.st_size, stat.st_mtime_ns)]})


def _one(config: Config, path: Path) -> dict[str, Any]:
    """Ingest one folder into a temporary place and say what came of each file."""
    from green import ingest as reading  # noqa: PLC0415 -- --help should not pay for DuckDB
    from green import stages  # noqa: PLC0415 -- likewise
    from green.index import scan  # noqa: PLC0415 -- likewise

    if not path.exists():
        raise InputError(f"no such folder: {path}", where=Where(str(path)), mend="check the path")
    root = path if path.is_dir() else path.parent
    scanned = scan(root) if path.is_dir() else _alone(path)
    sources = scanned.sources
    with (
        tempfile.TemporaryDirectory(prefix="green-") as folder,
        progress(f"reading {path}", len(sources)) as tick,
    ):
        out = Path(folder)
        own = config.model_copy(update={"logs": str(root.resolve())})
        reading.ingest(own, sources, settings="", out=out / "ingest" / "all", cache=out / "cache", progress=tick)
        with stages.connect() as con:
            for name in ("run", "inputs", "rejects", "run_inputs"):
                stages.bind(con, name, stages.files_of(name, out, ["all"]))
            runs = [row[0] for row in con.execute("SELECT run_id FROM run ORDER BY 1").fetchall()]
            files = con.execute(
                "WITH refused AS (SELECT file, reason, detail, min(line) AS line, sum(lines) AS lines FROM rejects"
                " GROUP BY file, reason, detail),"
                " owned AS (SELECT file, list(run_id ORDER BY run_id) AS runs FROM run_inputs GROUP BY file)"
                " SELECT coalesce(i.file, r.file), i.reader, any_value(o.runs),"
                " list(r.reason || CASE WHEN r.line IS NULL THEN '' WHEN r.lines > 1"
                " THEN format(' ({} lines from line {})', r.lines, r.line) ELSE format(' (line {})', r.line) END"
                " || ': ' || r.detail ORDER BY r.line NULLS FIRST, r.reason, r.detail)"
                " FILTER (WHERE r.file IS NOT NULL)"
                " FROM inputs i FULL JOIN refused r ON i.file = r.file LEFT JOIN owned o ON i.file = o.file"
                " GROUP BY coalesce(i.file, r.file), i.reader ORDER BY 1"
            ).fetchall()
    rows = [
        {"file": file, "reader": reader, "runs": list(own or []), "refused": list(refused or [])}
        for file, reader, own, refused in files
    ]
    return {"path": str(path), "runs": runs, "files": rows, "not_opened": dict(scanned.skipped)}
