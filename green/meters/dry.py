"""`green meter --dry-run`: what can be seen on this machine, what cannot, and how to let the meter see more."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from green.meters import Asked, begin

if TYPE_CHECKING:
    from green.meters import Sensor
    from green.meters.options import Options

UNITS = {"power_w": "W", "energy_j": "J"}


def show(options: Options) -> int:
    """Look, read each sensor twice, print what came of it, and start nothing."""
    # as if this process were the run: what is shared by process shows as it would
    found = begin.look(begin.chosen(options.sensors), Asked(pid=options.pid or os.getpid(), environ=dict(os.environ)))
    host = os.uname().nodename
    seen = [_read(sensor, host) for sensor in found.sensors]
    found.close()
    blind = [{"what": one.what, "why": one.why, "mend": one.mend, "code": one.code or None} for one in found.blind]
    facts = {key: value for key, value in found.facts.items() if value is not None}
    if options.json:
        text = json.dumps({"host": host, "sees": seen, "cannot_see": blind, "facts": facts}, indent=2)
    else:
        text = "\n".join([*_sees(seen), *_cannot(blind), *_facts(facts)])
    sys.stdout.write(f"{text}\n")
    return 0


def _read(sensor: Sensor, host: str) -> dict[str, Any]:
    """Return what the header would say of a sensor, what it reads now, and what a reading costs."""
    sensor.read()
    started_s = time.thread_time()
    reading = sensor.read()
    cost_us = (time.thread_time() - started_s) * 1e6
    about = begin.described(sensor.about, host)
    return {**about, "reading": reading, "cost_us": round(cost_us, 1), "is_ours": sensor.about.is_ours}


def _sees(seen: list[dict[str, Any]]) -> list[str]:
    if not seen:
        return ["sees nothing: the energy of a run would be unknown"]
    ends = {one.get(key) for one in seen for key in ("low_is", "high_is")}
    rows = [
        (
            str(one["id"]),
            str(one.get("name") or one["kind"]),
            f"{one['reading']:.6g} {UNITS[one['reads']]}" if one["reading"] is not None else "no reading now",
            _how(one, is_end=one["id"] in ends),
        )
        for one in seen
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["sees", *("  " + "  ".join([*map(str.ljust, row[:3], widths), row[3]]).rstrip() for row in rows)]


def _how(one: dict[str, Any], *, is_end: bool) -> str:
    """Say how a sensor comes to its readings, and whom they count for."""
    said = {"counter": "energy counter", "sampled": "power"}.get(one["method"], "a model")
    if is_end:
        return "an end of its interval"
    return said if one["is_ours"] else f"{said}, not ours: recorded beside the run"


def _cannot(blind: list[dict[str, Any]]) -> list[str]:
    lines = ["cannot see"] if blind else []
    for one in blind:
        lines.append(f"  {one['what']}: {one['why']}" + (f" ({one['code']})" if one["code"] else ""))
        lines += [f"    mend: {one['mend']}"] if one["mend"] else []
    return lines


def _facts(facts: dict[str, Any]) -> list[str]:
    return ["knows", *(f"  {key}: {value}" for key, value in sorted(facts.items()))] if facts else []
