"""`green verify`: prove the store, and say exactly what could and could not be established."""

from __future__ import annotations

from typing import Annotated

import typer

from green.cli import Common, app
from green.cli.runner import progress, show, show_json, store_of

STORE_EXIT = 5


@app.command(epilog="Example: green verify --store audit/green.duckdb --json")
def verify(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Walk the hash chain, recompute the projections, compare the published copy; exit 5 if anything differs."""
    common: Common = context.obj
    from green.audit.verify import verify as prove  # noqa: PLC0415 -- --help should not pay for DuckDB

    with progress("verifying", None):
        proof = prove(store_of(common))
    if as_json:
        show_json(
            {
                "ok": bool(proof),
                "events": proof.events,
                "head": proof.head,
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
