"""`green meter`: record what a run draws while it runs. The installed command goes there without this file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from green.cli import Common, app
from green.meters import itself

EXAMPLES = (
    "Example: green meter --project nlp --region DE -- python train.py\n\n"
    "Example: green meter --budget GRN-E001 --stop -- torchrun --nproc-per-node 8 train.py\n\n"
    "Exit: that of the command, its signals too; 3 usage, 4 the log cannot be written or a budget cannot be watched."
)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": False, "allow_interspersed_args": False},
    epilog=EXAMPLES,
)
def meter(  # noqa: PLR0913, PLR0917 -- one argument an option
    context: typer.Context,
    command: Annotated[list[str] | None, typer.Argument(help="what to run, after --")] = None,
    pid: Annotated[int | None, typer.Option(help="meter a process that runs already")] = None,
    out: Annotated[Path | None, typer.Option(help="folder of logs; the run gets a folder in it [logs]")] = None,
    run_id: Annotated[str | None, typer.Option(help="name of the run [of its job, else a new one]")] = None,
    project: Annotated[str | None, typer.Option(help="for the run's record")] = None,
    team: Annotated[str | None, typer.Option(help="likewise")] = None,
    model: Annotated[str | None, typer.Option(help="likewise")] = None,
    kind: Annotated[str | None, typer.Option(help="training, tuning, evaluation, inference, other")] = None,
    site: Annotated[str | None, typer.Option(help="a site of config.yaml")] = None,
    region: Annotated[str | None, typer.Option(help="ISO 3166, a grid zone, or provider:region")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="may be given again")] = None,
    work: Annotated[
        list[str] | None, typer.Option(metavar="UNIT=AMOUNT", help="work to be done, such as epochs=10: for a forecast")
    ] = None,
    every: Annotated[float | None, typer.Option(metavar="SECONDS", help="one reading in each [1]")] = None,
    fsync: Annotated[float | None, typer.Option(metavar="SECONDS", help="to the disk; 0 at the end only [60]")] = None,
    seed: Annotated[int | None, typer.Option(help="of the instants of readings [drawn, and recorded]")] = None,
    sensors: Annotated[
        list[str] | None, typer.Option(metavar="NAMES", help="families, with commas; your own as module:object [all]")
    ] = None,
    budget: Annotated[list[str] | None, typer.Option(metavar="POLICY", help="watch it: an id, or all")] = None,
    warn_at: Annotated[str | None, typer.Option(metavar="SHARE", help="of its limit [as the policy says]")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="end the run when a budget is used up")] = False,  # noqa: FBT002 -- a flag
    grace: Annotated[float | None, typer.Option(metavar="SECONDS", help="between SIGTERM and SIGKILL [30]")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="until all that the command started has ended")] = False,  # noqa: FBT002 -- a flag
    pipe: Annotated[Path | None, typer.Option(help="the pipe for events [GREEN_METER_PIPE, in a new folder]")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no live view")] = False,  # noqa: FBT002 -- a flag
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what can be seen here, and what cannot")] = False,  # noqa: FBT002 -- a flag
    as_json: Annotated[bool, typer.Option("--json", help="of a dry run, for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Record what a command draws while it runs, in a log that the pipeline reads.

    Nothing is guessed: `green meter --dry-run` says what this machine can tell. A run tells phases, counts and epochs
    with `green.meter()` of Python, or by lines on the pipe that GREEN_METER_PIPE names.
    """
    del command, pid, out, run_id, project, team, model, kind, site, region, label, work, every, fsync, seed
    del sensors, budget, warn_at, stop, grace, follow, pipe, quiet, dry_run, as_json
    sys.stdout.flush()
    words = itself.words("green.meters", *rebuilt(context), *_common(context.obj), *_command(context))
    os.execve(words[0], words, itself.environ())  # noqa: S606 -- ourselves, without what this command line loaded


def rebuilt(context: typer.Context) -> list[str]:
    """Write the options as they were given, for the small program that reads them itself."""
    words: list[str] = []
    for name, value in context.params.items():
        option = "--json" if name == "as_json" else f"--{name.replace('_', '-')}"
        if name == "command" or value in (None, False):
            continue
        if value is True:
            words.append(option)
        else:
            words += [f"{option}={one}" for one in (value if isinstance(value, list | tuple) else [value])]
    return words


def _common(common: Common) -> list[str]:
    given = {"--store": common.store, "--policies": common.policies, "--as-of": common.as_of}
    words = [f"--config={file}" for file in common.config]
    return [*words, *(f"{option}={value}" for option, value in given.items() if value is not None)]


def _command(context: typer.Context) -> list[str]:
    command = list(context.params["command"] or ())
    return ["--", *command] if command else []
