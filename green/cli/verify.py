"""`green verify`: prove the store, and say exactly what could and could not be established."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from green.cli import Common, app
from green.cli.runner import progress, show, show_json, store_of
from green.errors import UsageError, Where

STORE_EXIT = 5


@app.command(
    epilog="Example: green verify --checkpoint audit/checkpoint.txt --key audit/checkpoint.pub --json\n\n"
    "Exit: 0 all that could be checked agrees, 5 something differs."
)
def verify(
    context: typer.Context,
    checkpoint: Annotated[
        Path | None, typer.Option(help="signed note to hold the ledger to [checkpoint.txt beside the store, if there]")
    ] = None,
    key: Annotated[str | None, typer.Option(help="public key NAME+ID+KEY that must have signed, or its file")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Walk the hash chain, recompute the projections, compare published copy and checkpoint; say what holds."""
    common: Common = context.obj
    from green.audit import checkpoint as signed  # noqa: PLC0415 -- --help should not pay for DuckDB
    from green.audit.note import own_key  # noqa: PLC0415 -- likewise
    from green.audit.verify import verify as prove  # noqa: PLC0415 -- likewise

    store = store_of(common)
    file = checkpoint or store.with_name(signed.FILE)
    if checkpoint is not None and not checkpoint.exists():
        raise UsageError(
            "there is no such checkpoint", where=Where(str(checkpoint)), mend="`green checkpoint` makes one"
        )
    if key is not None and not file.exists():
        raise UsageError("a key is given, and no checkpoint that it could have signed", mend="--checkpoint FILE")
    with progress("verifying", None):
        proof = prove(store, witness=signed.read(file, key, own=own_key()) if file.exists() else None)
    if as_json:
        show_json(
            {
                "ok": bool(proof),
                "events": proof.events,
                "head": proof.head,
                "forgotten": proof.forgotten,
                "established": proof.established,
                "not_established": proof.open,
                "wrong": proof.wrong,
            }
        )
    else:
        for mark, lines in (("ok   ", proof.established), ("wrong", proof.wrong), ("open ", proof.open)):
            for line in lines:
                show(f"{mark}  {line}")
        show("the store is whole" if proof else "the store is NOT what was committed")
    raise typer.Exit(0 if proof else STORE_EXIT)
