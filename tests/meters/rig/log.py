"""A native power log of sensors, as the meter writes it, over the clock of a test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from green.meters import About, Sight

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def described(about: About) -> dict[str, Any]:
    """Return what a header says of a sensor."""
    own = {name: getattr(about, name) for name in ("id", "kind", "reads", "method", "name", "uuid", "wraps_at_j")}
    own = {name: value for name, value in own.items() if value is not None}
    return {**own, **about.extra, **({} if about.is_ours else {"is_ours": False})}


def log_of(
    sights: Iterable[Sight], times_s: Iterable[float], at: Callable[[float], None], run_id: str = "metered"
) -> str:
    """Read all sensors at each time, to which `at` moves the world first; return the log."""
    seen = list(sights)
    sensors = [sensor for sight in seen for sensor in sight.sensors]
    header = {
        "format": "green/1",
        "run_id": run_id,
        "clock": "utc",
        "sensors": [described(sensor.about) for sensor in sensors],
        "flags": sorted({blind.code for sight in seen for blind in sight.blind if blind.code}),
        "facts": {name: value for sight in seen for name, value in sight.facts.items()},
    }
    lines: list[dict[str, Any]] = [header]
    for t_s in times_s:
        at(t_s)
        lines.append({"t": START.timestamp() + t_s, **{sensor.about.id: sensor.read() for sensor in sensors}})
    ended_at = datetime.fromtimestamp(float(lines[-1]["t"]), tz=UTC).isoformat()
    lines.append({"ended_at": ended_at, "status": "completed", "exit_code": 0})
    return "".join(f"{json.dumps(line)}\n" for line in lines)
