"""What a log begins with: the sensors that were found here, its place, its header, and the run's record beside it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from green import __version__
from green.errors import InputError, UsageError, Where
from green.meters import Blind
from green.meters.log import Log
from green.meters.loop import iso
from green.meters.options import log_name, rank_of, record_of
from green.meters.pipe import RESERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from green.meters import About, Asked, Family, Note, Sensor
    from green.meters.clock import Clock, Strata
    from green.meters.options import Options

MEASURED = frozenset({"counter", "sampled"})
MOST_LOGS = 10_000  # of one rank of one run, each a restart


@dataclass(slots=True)
class Found:
    """All that the families of sensors see on this machine."""

    families: list[Family] = field(default_factory=list)
    sensors: list[Sensor] = field(default_factory=list)
    blind: list[Blind] = field(default_factory=list)
    facts: dict[str, str | float | None] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def close(self) -> None:
        """Give the drivers back."""
        for family in self.families:
            family.close()


def chosen(names: Sequence[str]) -> list[Family]:
    """Return the families of sensors by their names, all where none is named; `module:object` is one of your own."""
    shipped: list[Family] = []
    if not names or any(":" not in name for name in names):
        from green.meters.families import families  # noqa: PLC0415 -- a run with a sensor of its own needs none of ours

        shipped = families()
    if not names:
        return shipped
    by_name = {family.name: family for family in shipped}
    found: list[Family] = []
    for name in names:
        module, sign, attribute = name.partition(":")
        try:
            found.append(getattr(import_module(module), attribute) if sign else by_name[name])
        except (KeyError, ImportError, AttributeError) as error:
            known = ", ".join([*by_name, "or module:object"])
            raise UsageError(f"--sensors: no family {name!r}", mend=f"one of {known}") from error
    return found


def look(families: Sequence[Family], asked: Asked) -> Found:
    """Let every family look once; of two sensors with one id the first counts."""
    found = Found(list(families))
    taken = set(RESERVED)
    for family in families:
        sight = family.look(asked)
        for sensor in sight.sensors:
            if sensor.about.id in taken:
                found.blind.append(Blind(f"{family.name}: {sensor.about.id}", "its id is taken", "give it another id"))
                continue
            taken.add(sensor.about.id)
            found.sensors.append(sensor)
        found.blind += sight.blind
        found.facts.update(sight.facts)
        found.notes += sight.notes
    return found


def described(about: About, host: str) -> dict[str, Any]:
    """Return what the header says of a sensor.

    A meter without a uuid gets one of its host, so that two logs of one machine count it once. A model has none:
    it is of the process that it was asked about.
    """
    own = about.uuid or (f"{host}/{about.id}" if about.method in MEASURED else None)
    said = {
        "id": about.id,
        "kind": about.kind,
        "name": about.name,
        "uuid": own,
        "reads": about.reads,
        "wraps_at_j": about.wraps_at_j,
        "method": about.method,
        **about.extra,
        **({} if about.is_ours else {"is_ours": False}),
    }
    return {key: value for key, value in said.items() if value is not None}


def averages(sensors: Sequence[Sensor], every_s: float) -> bool:
    """Tell whether all sampled power of the run is the mean of an interval or longer, so that none can be missed."""
    own = [one.about for one in sensors if one.about.is_ours]
    sampled = [about for about in own if about.reads == "power_w" and about.method == "sampled"]
    return bool(sampled) and all(float(about.extra.get("averages_s", 0)) >= every_s for about in sampled)


def header(  # noqa: PLR0913 -- what a header is made of, each by name
    found: Found,
    options: Options,
    *,
    run_id: str,
    host: str,
    clock: Clock,
    strata: Strata,
    environ: Mapping[str, str],
    pid: int | None,
) -> dict[str, Any]:
    """Return the first line of the log; of the command only its name, for its arguments may hold secrets."""
    command = os.path.basename(options.command[0]) if options.command else None  # noqa: PTH119 -- a text
    said = {
        "format": "green/1",
        "run_id": run_id,
        "host": host,
        "started_at": iso(clock.started_at),
        "clock": "utc",
        "sensors": [described(sensor.about, host) for sensor in found.sensors],
        "flags": sorted({one.code for one in found.blind if one.code}) or None,
        "facts": {key: value for key, value in found.facts.items() if value is not None} or None,
        "meter": f"green {__version__}",
        "every_s": strata.every_s,
        "jitter": "none" if strata.is_even else "strata",
        "seed": None if strata.is_even else strata.seed,
        "rank": rank_of(environ),
        "command": command,
        "pid": pid,
        "project": options.project,
        "work": options.work or None,
    }
    return {key: value for key, value in said.items() if value is not None}


def open_log(options: Options, run_id: str, host: str, environ: Mapping[str, str], say: Callable[[str], None]) -> Log:
    """Make the run's folder, and in it a log that was not there before."""
    folder = os.path.join(options.out, run_id)  # noqa: PTH118 -- pathlib costs 10 ms to load
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 -- likewise
        for number in range(1, MOST_LOGS):
            try:
                return Log(os.path.join(folder, log_name(environ, host, number)), say)  # noqa: PTH118 -- likewise
            except FileExistsError:
                continue
    except OSError as error:
        raise InputError(
            f"the log cannot be written: {error.strerror}",
            where=Where(folder),
            mend="name another folder with --out",
        ) from error
    raise InputError(f"{MOST_LOGS} logs are there already", where=Where(folder), mend="take another --run-id")


def write(log: Log, head: Mapping[str, Any], options: Options, run_id: str) -> None:
    """Write the header, and the run's record beside it; a disk that is full already is told before the run starts."""
    folder = os.path.dirname(log.path)  # noqa: PTH120 -- a text
    try:
        is_written = log.record(head)
        if is_written:
            write_record(options, run_id, folder)
    except OSError:
        is_written = False
    if not is_written:
        os.unlink(log.path)  # noqa: PTH108 -- pathlib costs 10 ms to load
        raise InputError(
            "the log cannot be written: the disk is full, or a file must not grow",
            where=Where(folder),
            mend="make room, raise `ulimit -f`, or name another folder with --out",
        )


def write_record(options: Options, run_id: str, folder: str) -> None:
    """Write `run.yaml` from the options, unless the run has a record: that of its owner counts."""
    path = os.path.join(folder, "run.yaml")  # noqa: PTH118 -- as above
    said = record_of(options, run_id)
    if not said or os.path.exists(os.path.join(folder, "run.json")):  # noqa: PTH110, PTH118 -- as above
        return
    text = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in said.items())
    data = text.encode("utf-8", "backslashreplace")
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return
    try:
        while data:  # a disk that takes a part says why with the rest
            data = data[os.write(fd, data) :]
    except OSError:
        os.unlink(path)  # noqa: PTH108 -- half a record would say something else
        raise
    finally:
        os.close(fd)
