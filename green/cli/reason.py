"""`green reason`: say why an assessment was made, for whoever asks later why a figure changed."""

from __future__ import annotations

from typing import Annotated

import typer

from green.cli import Common, app
from green.cli.runner import configured, say, show, show_json, store_of


@app.command(
    epilog='Example: green reason "the PUE of eu-dc-1 was that of 2024"\n\n'
    "Exit: 0, 3 no such assessment, or no reason, 5 there is no store, or it cannot be written."
)
def reason(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="why; it stays in the ledger, so name no person")],
    assessment: Annotated[str, typer.Option(help="number of its event, or latest")] = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Record why an assessment superseded the one before; what changed is known without, and why it did is not."""
    common: Common = context.obj
    from green.audit.reason import give  # noqa: PLC0415 -- --help should not pay for DuckDB

    given = give(store_of(common), text, assessment, actor=configured(common).audit.actor)
    for words in given.notes:
        say(f"note: {words}")
    if as_json:
        show_json({"assessment": given.assessment, "is_new": given.is_new})
    else:
        show(f"assessment {given.assessment}: {'recorded' if given.is_new else 'the ledger says so already'}")
