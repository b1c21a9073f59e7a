"""`green query "SQL"`: read the store with plain SQL, or with a saved query, safely."""

from __future__ import annotations

import csv
import sys
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

import typer

from green.cli import Common, app
from green.cli.runner import show, show_json, store_of
from green.errors import UsageError, is_damage

if TYPE_CHECKING:
    import duckdb


@app.command(
    epilog='Example: green query "SELECT run_id, energy_kwh FROM runs ORDER BY energy_kwh DESC"\n\n'
    "Example: green query top-emitters --csv"
)
def query(
    context: typer.Context,
    sql: Annotated[
        str,
        typer.Argument(help="a SELECT over the views (runs, by_project, lineage ...), or the name of a saved query"),
    ] = "",
    is_list: Annotated[bool, typer.Option("--list", help="list the saved queries")] = False,  # noqa: FBT002 -- a flag
    as_json: Annotated[bool, typer.Option("--json", help="one array, an object a row")] = False,  # noqa: FBT002 -- a flag
    as_csv: Annotated[bool, typer.Option("--csv", help="RFC 4180 with a header")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Run one read-only query on the store; no file and no network can be reached from it."""
    common: Common = context.obj
    if is_list or not sql:
        _list(as_json=as_json, is_asked=is_list)
        return
    from green.audit import store  # noqa: PLC0415 -- --help should not pay for DuckDB

    sql = _saved().get(sql, sql)
    with store.reader(store_of(common)) as con:
        con.execute("SET autoinstall_known_extensions = false")
        con.execute("SET autoload_known_extensions = false")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        names, rows = _run(con, sql)
    if as_json:
        show_json([dict(zip(names, map(_plain, row), strict=True)) for row in rows])
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")  # of lines that a shell reads
        writer.writerow(names)
        writer.writerows([["" if value is None else _plain(value) for value in row] for row in rows])
    else:
        from green.output.text import table  # noqa: PLC0415 -- rich, only for a table

        show(
            table(names, [["" if value is None else str(_plain(value)) for value in row] for row in rows]).rstrip("\n")
        )


def _saved() -> dict[str, str]:
    """Return the saved queries by name."""
    from green.pipeline import repository  # noqa: PLC0415 -- likewise

    folder = repository() / "docs" / "queries"
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}


def _list(*, as_json: bool, is_asked: bool) -> None:
    titles = {name: text.partition("\n")[0].removeprefix("-- ") for name, text in _saved().items()}
    if not is_asked:
        raise UsageError("no query given", mend=f"SQL in quotes, or one of: {', '.join(titles)}")
    if as_json:
        show_json([{"name": name, "title": title} for name, title in titles.items()])
    for name, title in titles.items() if not as_json else ():
        show(f"{name:<20} {title}")


def _run(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    from green.engine import duckdb  # noqa: PLC0415 -- as above

    try:
        statements = con.extract_statements(sql)
        if len(statements) != 1:
            raise UsageError(f"{len(statements)} statements given", mend="one SELECT a query")
        if not _is_read(statements[0]):
            raise UsageError("this is no SELECT", mend="one SELECT a query: the store is only read")
        result = con.execute(statements[0])
        names = [column[0] for column in result.description or []]
        return names, result.fetchall()
    except duckdb.Error as error:
        if is_damage(error):
            raise
        raise UsageError(
            str(error).strip().splitlines()[0],
            mend="`SELECT * FROM duckdb_columns()` lists tables and columns",
        ) from error


def _is_read(statement: Any) -> bool:  # noqa: ANN401 -- a statement of DuckDB, which names no type for it
    from green.engine import duckdb  # noqa: PLC0415 -- as above

    try:
        return statement.type in {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    except ValueError:  # a kind that the package has no name for: UPDATE EXTENSIONS
        return False


def _plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 -- any value of DuckDB, one line a type
    """Make a value JSON: times ISO 8601 UTC, decimals numbers, not-finite numbers null."""
    from datetime import date, datetime  # noqa: PLC0415 -- beside their one use
    from decimal import Decimal  # noqa: PLC0415 -- likewise
    from math import isfinite  # noqa: PLC0415 -- likewise

    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        utc = value.astimezone(UTC)
        return utc.strftime("%Y-%m-%dT%H:%M:%S" + (".%f" if utc.microsecond else "") + "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | str) else str(value)
