"""`green readers`: the formats of logs that are read."""

from __future__ import annotations

from typing import Annotated

import typer

from green.cli import app
from green.cli.runner import show, show_json


@app.command(epilog="Example: green readers --json")
def readers(
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """List the log formats that are recognised, in the order that they are tried."""
    from green.readers import readers as installed  # noqa: PLC0415 -- loads every reader

    found = [
        {"name": reader.name, "title": reader.title, "holds_many_runs": reader.holds_many} for reader in installed()
    ]
    if as_json:
        show_json(found)
    else:
        width = max((len(str(row["name"])) for row in found), default=0)
        for row in found:
            show(f"{row['name']:<{width}} {row['title']}")
