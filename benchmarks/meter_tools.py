"""One tool of energy metering on the truth rig: `python -m benchmarks.meter_tools TOOL BEGIN_S FOR_S FOLDER`.

It runs in the environment of the other tools, or in ours for ours, with the rig's library where the linker looks for
NVML's. Every tool is set up before the common begin, measures at 1 Hz, and prints what it took for the joules between
the return of its call that begins and its call that ends; a PUE that it multiplies by is left out.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

KWH_J = 3.6e6


def wait(until_s: float) -> float:
    """Sleep to a moment and return the time."""
    time.sleep(max(0.0, until_s - time.time()))
    return time.time()


def zeus(begin_s: float, end_s: float, _folder: Path) -> dict[str, Any]:
    """Measure a window of Zeus."""
    from zeus.monitor import ZeusMonitor  # type: ignore[import-not-found]  # noqa: PLC0415 -- only the environment of the peers has it

    monitor = ZeusMonitor()
    wait(begin_s)
    monitor.begin_window("rig", sync_execution=False)  # nothing computes here
    begin = time.time()
    end = wait(end_s)
    found = monitor.end_window("rig", sync_execution=False)
    return {"begin_s": begin, "end_s": end, "joules": sum(found.gpu_energy.values()), "devices": len(found.gpu_energy)}


def codecarbon(begin_s: float, end_s: float, folder: Path) -> dict[str, Any]:
    """Measure with CodeCarbon's offline tracker."""
    from codecarbon import OfflineEmissionsTracker  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above

    tracker = OfflineEmissionsTracker(
        country_iso_code="DEU",
        measure_power_secs=1,
        output_dir=str(folder),
        log_level="error",
        allow_multiple_runs=True,
    )
    wait(begin_s)
    tracker.start()
    begin = time.time()
    end = wait(end_s)
    tracker.stop()
    data = tracker.final_emissions_data
    return {"begin_s": begin, "end_s": end, "joules": data.gpu_energy * KWH_J, "devices": data.gpu_count}


def carbontracker(begin_s: float, end_s: float, folder: Path) -> dict[str, Any]:
    """Measure an epoch with carbontracker."""
    from carbontracker.tracker import CarbonTracker  # type: ignore[import-not-found]  # noqa: PLC0415 -- as above

    tracker = CarbonTracker(
        epochs=2, monitor_epochs=2, update_interval=1, components="gpu", log_dir=str(folder), verbose=0
    )
    wait(begin_s)
    tracker.epoch_start()
    begin = time.time()
    end = wait(end_s)
    tracker.epoch_end()
    inner = tracker.tracker
    joules = [float(part.energy_usage(inner.epoch_times)[0]) * KWH_J for part in inner.components]
    devices = sum(len(part.devices()) for part in inner.components)
    found = {"begin_s": begin, "end_s": end, "joules": sum(joules), "devices": devices}
    tracker.stop()
    return found


def green(begin_s: float, end_s: float, folder: Path) -> dict[str, Any]:
    """Read our sensors at a random instant of each second, as the meter does, into a log that the pipeline reads."""
    draw = random.Random(7)
    return metered(begin_s, end_s, folder, [begin_s + n + draw.random() for n in range(int(end_s - begin_s))])


def green_even(begin_s: float, end_s: float, folder: Path) -> dict[str, Any]:
    """Read them at even instants, which a power that is averaged over a second deserves."""
    return metered(begin_s, end_s, folder, [begin_s + n for n in range(1, int(end_s - begin_s))])


def metered(begin_s: float, end_s: float, folder: Path, instants: list[float]) -> dict[str, Any]:
    """Read our sensors at the begin, at some instants and at the end."""
    from green.meters import Asked  # noqa: PLC0415 -- only our environment has it
    from green.meters.nvml import Nvml  # noqa: PLC0415 -- as above

    family = Nvml()
    sensors = family.look(Asked(environ=dict(os.environ))).sensors
    abouts = [described(sensor.about) for sensor in sensors]
    header: dict[str, Any] = {"format": "green/1", "run_id": "rig", "clock": "utc"}
    lines: list[dict[str, Any]] = [header]

    def sample(at_s: float) -> float:
        t = wait(at_s)
        lines.append({"t": t, **{sensor.about.id: sensor.read() for sensor in sensors}})
        return t

    begin = sample(begin_s)
    for at_s in instants:
        sample(at_s)
    end = sample(end_s)
    family.close()
    lines.append({"ended_at": end, "status": "completed", "exit_code": 0})
    for name, left_out in (("counter", "power_w"), ("power", "energy_j")):  # the same readings, by each way alone
        kept = [one for one in abouts if one["reads"] != left_out]
        ids = {one["id"] for one in kept} | {"t", "ended_at", "status", "exit_code"}
        log = folder / name / "rig" / "0.green.jsonl"
        log.parent.mkdir(parents=True, exist_ok=True)
        rows = [{**header, "sensors": kept}, *({k: v for k, v in line.items() if k in ids} for line in lines[1:])]
        log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {"begin_s": begin, "end_s": end, "devices": len({one.about.uuid for one in sensors})}


def described(about: Any) -> dict[str, Any]:  # noqa: ANN401 -- green.meters.About, which the peers' environment lacks
    """Return what the header of a log says of a sensor."""
    names = ("id", "kind", "reads", "method", "name", "uuid")
    return {name: getattr(about, name) for name in names}


TOOLS = {function.__name__: function for function in (green, green_even, zeus, codecarbon, carbontracker)}

if __name__ == "__main__":
    _, tool, begins, lasts, where = sys.argv
    result = TOOLS[tool](float(begins), float(begins) + float(lasts), Path(where))
    print("RESULT " + json.dumps(result))
    sys.stdout.flush()
    os._exit(0)  # threads of a tool that go on measuring are not waited for
