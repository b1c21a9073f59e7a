"""`green plan`: what a run would use, emit and cost, what changes would make of it, and what policies would say."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from green import pipeline
from green.cli import Common, app
from green.cli.runner import configured, say, show, show_json
from green.errors import UsageError

if TYPE_CHECKING:
    from green.plan import Wish

Text = str | None
Many = list[str] | None


@app.command(
    epilog='Example: green plan --device "NVIDIA H100 SXM" --count 8 --hours 72 --load 0.8 --pue 1.2 --region DE,SE\n\n'
    "Exit: 0 compliant, 1 a policy would be broken, 3 usage or policy error, 4 input, 5 store."
)
def plan(  # noqa: PLR0913, PLR0917 -- one argument an option
    context: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="planned records, or folders of them")] = None,
    device: Annotated[
        Many, typer.Option(help="device; without a record the first is the plan, others what-ifs")
    ] = None,
    region: Annotated[Many, typer.Option(help="region, as in records; likewise")] = None,
    hours: Annotated[Many, typer.Option(help='hours, or a duration ("3 d"); likewise')] = None,
    start: Annotated[Text, typer.Option(help="a time; A..B or best: the greenest by the hourly series [now]")] = None,
    count: Annotated[int | None, typer.Option(help="how many devices [1]")] = None,
    load: Annotated[Text, typer.Option(help="share of the rated power that they draw")] = None,
    power: Annotated[Text, typer.Option(help='average power of each, "330 W", instead of load')] = None,
    pue: Annotated[Text, typer.Option(help="PUE of the building")] = None,
    site: Annotated[Text, typer.Option(help="site of config.yaml")] = None,
    memory: Annotated[Text, typer.Option(help='memory of the host, "512 GB"')] = None,
    precision: Annotated[
        Text, typer.Option(help="bf16 ...: another device then runs as long as the same work takes")
    ] = None,
    run_id: Annotated[Text, typer.Option(help="its run_id [plan]")] = None,
    team: Annotated[Text, typer.Option(help="team, whose budgets it uses")] = None,
    project: Annotated[Text, typer.Option(help="project")] = None,
    model: Annotated[Text, typer.Option(help="model")] = None,
    kind: Annotated[Text, typer.Option(help="training, tuning, evaluation, inference, other")] = None,
    calibration: Annotated[bool, typer.Option("--calibration", help="show what plans were worth until now")] = False,  # noqa: FBT002 -- a flag
    no_history: Annotated[bool, typer.Option("--no-history", help="budgets are unknown")] = False,  # noqa: FBT002 -- a flag
    write: Annotated[Path | None, typer.Option(help="write the plan as a record, to put into a pull request")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,  # noqa: FBT002 -- a flag
) -> None:
    """Price a run before it happens: records with `status: planned`, or one from these options."""
    common: Common = context.obj
    if calibration:
        _calibration(common, team, as_json=as_json)
        return
    said = {"count": count, "load": load, "power": power, "pue": pue, "site": site, "memory": memory}
    said |= {"run_id": run_id, "team": team, "project": project, "model": model, "kind": kind, "precision": precision}
    from green import plan as planning  # noqa: PLC0415 -- --help should not pay for DuckDB
    from green import planned  # noqa: PLC0415 -- likewise
    from green.policy.load import load as load_policies  # noqa: PLC0415 -- likewise

    config = configured(common)
    devices, regions, times = (planned.listed(texts or ()) for texts in (device, region, hours))
    wish = _wish(devices, regions, times, start)
    with TemporaryDirectory(prefix="green-plan-") as temp:
        folder = Path(temp) / "plans"
        if paths:
            _refuse(said, write)
            gathered = planned.gather(paths, Path(config.logs), folder)
        else:
            record = _record(said, devices[:1], regions[:1], times[:1], start, config.check.as_of)
            gathered = planned.write(record, folder)
            wish = planning.Wish(wish.regions[1:], wish.devices[1:], wish.hours[1:], wish.start)
            if write is not None:
                _write(write, planned.text_of(record))
            gathered.notes += _assumed(said, start, record)
        found = planning.plan(
            config,
            gathered,
            wish,
            policies=load_policies(Path(config.policies), shown="policies"),
            as_of=pipeline.resolved(config.check.as_of),
            no_history=no_history,
        )
    code = found.pop("exit_code")
    if as_json:
        show_json(found)
    else:
        from green.output import plain  # noqa: PLC0415 -- as above
        from green.output.plan import render  # noqa: PLC0415 -- rich, only for a table

        sys.stdout.write(render(found))
        for note in found["notes"]:
            say(f"note: {plain(note, 1000)}")
    raise typer.Exit(code)


def _wish(devices: list[str], regions: list[str], times: list[str], start: str | None) -> Wish:
    from green import units  # noqa: PLC0415 -- as above
    from green.plan import Wish  # noqa: PLC0415 -- as above
    from green.planned import HOURS_MEND, hours  # noqa: PLC0415 -- as above
    from green.start import read_start  # noqa: PLC0415 -- as above

    try:
        lengths = tuple(float(units.parse(hours(text), "h").value) for text in times)
    except units.BadQuantity as error:
        raise UsageError(f"--hours: {error.what}", mend=HOURS_MEND) from error
    return Wish(tuple(regions), tuple(devices), lengths, None if start is None else read_start(start))


def _refuse(said: dict[str, Any], write: Path | None) -> None:
    """Refuse options that a record states itself: which of the two holds would be anybody's guess."""
    given = [name for name, value in said.items() if value is not None] + (["write"] if write else [])
    if given:
        option = given[0].replace("_", "-")
        raise UsageError(f"--{option} with records: a record says it itself", mend="write it into the record")


def _record(
    said: dict[str, Any], devices: list[str], regions: list[str], times: list[str], start: str | None, as_of: str
) -> dict[str, Any]:
    """Make the record of a plan from what the command line says, and nothing else."""
    from green.planned import ASSUMED_LOAD, hours  # noqa: PLC0415 -- as above

    if not devices or not times:
        raise UsageError(
            "nothing to price", mend="name planned records, or a device and its hours: --device NAME --hours 72"
        )
    if said["power"] is not None and said["load"] is not None:
        raise UsageError("--power and --load both say what the devices draw", mend="leave one out")
    draws = {"average_power": said["power"]} if said["power"] is not None else {"load": said["load"] or ASSUMED_LOAD}
    place = {"name": said["site"], "region": regions[0] if regions else None, "pue": said["pue"]}
    record: dict[str, Any] = {"run_id": said["run_id"] or "plan", "status": "planned"}
    record |= {key: said[key] for key in ("team", "project", "model", "kind", "precision")}
    record["started_at"] = _started_at(start, as_of)
    record["duration"] = hours(times[0])
    record["site"] = {key: value for key, value in place.items() if value is not None} or None
    record["hardware"] = [{"device": devices[0], "count": 1 if said["count"] is None else said["count"], **draws}]
    record["memory"] = said["memory"]
    return {key: value for key, value in record.items() if value is not None}


def _started_at(start: str | None, as_of: str) -> str | None:
    """Return when a plan starts: as said, else at as-of where that is a time, else in this hour."""
    from green.start import Window, read_start  # noqa: PLC0415 -- as above

    if start is None:
        return as_of if as_of not in {"latest", "now"} else f"{datetime.now(UTC):%Y-%m-%dT%H:00:00Z}"
    return None if isinstance(read_start(start), Window) else start.strip()


def _assumed(said: dict[str, Any], start: str | None, record: dict[str, Any]) -> list[str]:
    """Say what the plan takes for granted because the command line did not say it."""
    notes = []
    if said["load"] is None and said["power"] is None:
        notes.append("no --load: all of the rated power is assumed, the interval reaches down to an idle device")
    if start is None:
        notes.append(f"no --start: it starts at {record['started_at']}")
    return notes


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", mend="name a file in a folder of yours") from error
    say(f"plan written to {path}")


def _calibration(common: Common, team: str | None, *, as_json: bool) -> None:
    """Show plan against actual, run by run and by team."""
    from green.cli.runner import store_of  # noqa: PLC0415 -- beside its one use
    from green.foresee import calibrated  # noqa: PLC0415 -- as above

    found = calibrated(store_of(common), team)
    if as_json:
        show_json(found)
        return
    from green.output.plan import render_calibration  # noqa: PLC0415 -- as above

    show(render_calibration(found).rstrip("\n"))
