"""`green report`: the verdicts and the page, from what the pipeline left."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from green.cli import Common, app
from green.cli.runner import configured, say, show
from green.errors import InputError, Where
from green.handover import RESULTS


class Form(StrEnum):
    """What to make."""

    HTML = "html"
    TEXT = "text"
    JSON = "json"


@app.command(epilog="Example: green report --format text")
def report(
    context: typer.Context,
    form: Annotated[
        Form, typer.Option("--format", help="the page, or the verdicts for a terminal or a program")
    ] = Form.HTML,
    output: Annotated[Path, typer.Option(help="where the page goes")] = RESULTS / "report.html",
) -> None:
    """Show the verdicts that the pipeline left, or write the page anew."""
    common: Common = context.obj
    verdicts = RESULTS / "verdicts.json"
    if not verdicts.exists():
        raise InputError("no verdicts here", where=Where(str(verdicts)), mend="run `snakemake` first")
    if form is Form.HTML:
        from green.report import write  # noqa: PLC0415 -- draws pictures

        config = configured(common)
        write(Path(config.store), RESULTS, output, config.report)
        say(f"report written to {output}")
        return
    text = verdicts.read_text(encoding="utf-8")
    if form is Form.JSON:
        show(text.rstrip("\n"))
        return
    from green.output.text import render_record  # noqa: PLC0415 -- rich, only for a table
    from green.report import rejected  # noqa: PLC0415 -- DuckDB, only here

    sys.stdout.write(render_record(json.loads(text), rejected(RESULTS)))
