"""`green stage NAME`: the plumbing that the pipeline's rules call, one stage at a time."""

from __future__ import annotations

from typing import Annotated

import typer

from green import handover, jobs
from green.cli import Common, app
from green.cli.runner import progress
from green.errors import UsageError

NAMES = (*jobs.NAMES, "gate")


@app.command(epilog="Example: green stage energy --shard 3")
def stage(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="ingest, energy, embodied, emissions, audit, check, report or gate")],
    shard: Annotated[str, typer.Option(help="shard, for ingest and energy")] = "",
) -> None:
    """Run one stage of the pipeline in this folder, as its rule does."""
    common: Common = context.obj
    del common  # the stages take the configuration that the pipeline's main process left here
    if name not in NAMES:
        raise UsageError(f'no stage "{name}"', mend=f"one of: {', '.join(NAMES)}")
    if name in jobs.OF_SHARD and not shard:
        raise UsageError(f"{name} works on one shard", mend="add --shard, as in results/index/shards.txt")
    if name == "gate":
        _gate()
    jobs.run(name, shard if name in jobs.OF_SHARD else "", progress)


def _gate() -> None:
    from green.cli.check import conclude  # noqa: PLC0415 -- only the gate prints verdicts

    raise typer.Exit(conclude(handover.left(), as_of=handover.planned_as_of()))
