"""`green checkpoint`: sign the state of the ledger, for a place that the store's owner cannot change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from green.cli import Common, app
from green.cli.runner import configured, say, show, show_json, store_of


@app.command(
    epilog="Example: green checkpoint && git add -f audit/checkpoint.txt audit/checkpoint.pub && git commit\n\n"
    "Exit: 0, 5 the store does not verify, or is not the one that was signed before."
)
def checkpoint(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option(help="where the note goes [checkpoint.txt beside the store]")] = None,
    key: Annotated[
        Path | None, typer.Option(help="private key, made at first use [green/checkpoint.pem below ~/.config]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Verify the store, sign size and head of its ledger with Ed25519, and write the note for git."""
    common: Common = context.obj
    from green.audit import checkpoint as making  # noqa: PLC0415 -- --help should not pay for DuckDB
    from green.audit.note import own_key  # noqa: PLC0415 -- likewise

    store = store_of(common)
    out = output or store.with_name(making.FILE)
    signed = making.make(store, out, key or own_key(), actor=configured(common).audit.actor)
    for words in signed.notes:
        say(f"note: {words}")
    if as_json:
        show_json({"size": signed.size, "head": signed.head, "note": signed.note, "key": signed.key, "file": str(out)})
        return
    show(signed.note.rstrip("\n"))
    say(f"written to {out}; {out.with_name(making.PUBLIC)} holds the key that checks it. Commit both elsewhere.")
