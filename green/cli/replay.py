"""`green replay`: compute an assessment of the ledger again from its recorded inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from green.cli import Common, app
from green.cli.runner import configured, progress, show, show_json

OTHER_EXIT, INPUT_EXIT = 1, 4


@app.command(
    epilog="Example: green replay latest --json\n\n"
    "Exit: 0 the same digests, 1 others, 3 no such assessment, 4 a recorded input is gone or changed."
)
def replay(
    context: typer.Context,
    assessment: Annotated[str, typer.Argument(help="number of its event, or latest")] = "latest",
    logs: Annotated[Path | None, typer.Option(help="folder of the logs, where it is not the configured one")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Recompute an assessment from the recorded inputs: the same digests, or the first difference by name."""
    common: Common = context.obj
    from green.output import plain  # noqa: PLC0415 -- --help should not pay for what follows
    from green.replay import replay as again  # noqa: PLC0415 -- likewise

    config = configured(common)
    if logs is not None:
        config = config.model_copy(update={"logs": str(logs)})
    with progress("replaying", None):
        found = again(Path(config.store), config, assessment)
    if as_json:
        show_json(
            {
                "ok": bool(found),
                "assessment": found.seq,
                "recorded_at": found.recorded_at,
                "facts_sha256": {"then": found.then, "now": found.now},
                "same": found.same,
                "inputs": found.inputs,
                "other": found.other,
                "run": found.run,
                "first": found.first,
            }
        )
    else:
        show(f"assessment {found.seq}, recorded {found.recorded_at}")
        if found.same:
            show(f"same   {', '.join(found.same)}")
        lines = [*found.inputs, *found.other, *([found.run] if found.run and not found else [])]
        show("\n".join(f"other  {plain(line, 500)}" for line in lines)) if lines else None
        show(f"facts  {found.then} then")
        show(f"facts  {found.now or 'not computed: an input is not as it was'}{' now' if found.now else ''}")
        show("the same digest" if found else f"NOT the same; first difference: {plain(found.first or '', 500)}")
    if not found:
        raise typer.Exit(INPUT_EXIT if found.inputs else OTHER_EXIT)
