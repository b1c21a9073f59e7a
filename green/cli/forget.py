"""`green forget`: take what the ledger says about a run, project or team away, and say so in the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from green.cli import Common, app
from green.cli.runner import configured, say, show, show_json, store_of
from green.errors import UsageError


@app.command(
    epilog='Example: green forget --project ana-thesis --reason "erasure request 2026-14"\n\n'
    "Exit: 0, 3 nothing is known about it, 5 the store is not what was committed."
)
def forget(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="why; it stays in the ledger, so name no person")],
    subject: Annotated[str | None, typer.Argument(help="run_id, as `runs` has it")] = None,
    project: Annotated[str | None, typer.Option(help="all runs that ever were of this project")] = None,
    team: Annotated[str | None, typer.Option(help="all runs that ever were of this team")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Put tombstones in the place of payloads; the chain stays whole, and their number and reason are on record."""
    common: Common = context.obj
    given = {"subject": subject, "project": project, "team": team}
    named = [(scope, name) for scope, name in given.items() if name is not None]
    if len(named) != 1:
        raise UsageError("name one of SUBJECT, --project, --team", mend="green forget RUN --reason TEXT")
    from green.audit.forget import forget as forgetting  # noqa: PLC0415 -- --help should not pay for DuckDB

    (scope, name) = named[0]
    done = forgetting(store_of(common), scope, name, reason=reason, actor=configured(common).audit.actor)
    if as_json:
        show_json({"events": done.events, "seq": done.seq, "elsewhere": done.elsewhere})
    elif done.seq is None:
        show("nothing to forget: all events about it are forgotten already")
    else:
        show(f"{done.events} events forgotten, by event {done.seq}")
    for path in done.elsewhere:
        say(f"note: {path} is an older copy and may still hold it")
    if done.seq is not None:
        say("note: names of runs stay in the ledger, and logs, results, backups and git are not touched")
