"""`green export`: what the store knows, in a form that others ask for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from green.cli import Common, app
from green.cli.runner import say, show, show_json, store_of
from green.errors import InputError, UsageError, Where

if TYPE_CHECKING:
    import duckdb


@app.command(
    epilog="Example: green export cyclonedx --model bert-large --output bom.json\n\n"
    "Example: green export csv --view by_project\n\n"
    "Exit: 0, 3 no such form, view or run, 4 nothing to export."
)
def export(  # noqa: PLR0913, PLR0917 -- one argument an option
    context: typer.Context,
    form: Annotated[str, typer.Argument(help="a form, as --list names them")] = "",
    run: Annotated[list[str] | None, typer.Option(help="only this run; may be given again")] = None,
    project: Annotated[str | None, typer.Option(help="only runs of this project")] = None,
    team: Annotated[str | None, typer.Option(help="only runs of this team")] = None,
    model: Annotated[str | None, typer.Option(help="only runs of this model")] = None,
    view: Annotated[str, typer.Option(help="for csv, json and parquet: the view")] = "runs",
    output: Annotated[Path | None, typer.Option(help="where it goes [standard output]")] = None,
    is_list: Annotated[bool, typer.Option("--list", help="list the forms")] = False,  # noqa: FBT002 -- a flag
    as_json: Annotated[bool, typer.Option("--json", help="with --list: for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Write runs of the store in another form; the same facts give the same bytes, and unknown stays unknown."""
    common: Common = context.obj
    from green import export as exporting  # noqa: PLC0415 -- --help should not pay for DuckDB
    from green.audit import store  # noqa: PLC0415 -- likewise
    from green.output import plain  # noqa: PLC0415 -- likewise

    titles = {**exporting.FORMS, **exporting.TABLES}
    if is_list:
        if as_json:
            show_json([{"form": name, "title": title} for name, title in titles.items()])
        for name, title in titles.items() if not as_json else ():
            show(f"{name:<14} {title}")
        return
    if form not in titles:
        raise UsageError(f'no form "{form}"', mend=f"one of: {', '.join(titles)}")
    with store.reader(store_of(common)) as con:
        if form in exporting.TABLES:
            content = _table(con, form, view)
        else:
            facts = exporting.collect(con, exporting.Choice(run or (), project, team, model))
            for words in exporting.left_out(form, facts):
                say(f"note: {plain(words, 500)}")
            content = exporting.render(form, facts).encode()
    _write(content, output)


def _table(con: duckdb.DuckDBPyConnection, form: str, view: str) -> bytes:
    from green.export.table import render  # noqa: PLC0415 -- likewise

    return render(con, form, view)


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InputError(
            f"it cannot be written: {error.strerror}", where=Where(str(output)), mend="--output FILE"
        ) from error
    say(f"written to {output}")
