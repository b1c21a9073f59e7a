"""BoaviztAPI, served on loopback: embodied carbon with the parts that it was computed from, and use.

It runs in the environment of the other tools (`benchmarks.peer_accounting`). What the API took as the parts of a
device comes back in the form of our record, so that ours is computed from the same inputs.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Post = Callable[[str, Any], dict[str, Any]]

Answer = dict[str, Any]
START_S = 60.0


@contextmanager
def server() -> Iterator[Post]:
    """Serve BoaviztAPI on loopback while the block runs, and give the function that posts to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # it prints four digits where one asks for no more; a figure with an interval it rounds all the same
    serve = [sys.executable, "-m", "uvicorn", "boaviztapi.main:app", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [*serve, "--log-level", "error"], env={**os.environ, "BOAVIZTA_MAX_SIG_FIG": "15"}, stdout=sys.stderr
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def post(path: str, body: Any) -> Answer:  # noqa: ANN401 -- any JSON
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with opener.open(request, timeout=START_S) as answer:
            return dict(json.load(answer))

    try:
        _await(process, port)
        yield post
    finally:
        process.terminate()
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server listens; its end or a minute without it ends us."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f"BoaviztAPI ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit(f"BoaviztAPI did not listen within {START_S:g} s")


def boavizta_gpu(post: Post, *, name: str, die_mm2: float, duration_h: float = 0.0) -> Answer:
    """Ask for the embodied carbon of an accelerator, and for the parts that it was computed from."""
    done = post("/v1/component/gpu?criteria=gwp", {"name": name})
    whole = value = done["impacts"]["gwp"]["embedded"]["value"]
    if duration_h:  # a share of it: its lifetime is not among what it prints
        part = post(f"/v1/component/gpu?criteria=gwp&duration={duration_h}", {"name": name})
        value = part["impacts"]["gwp"]["embedded"]["value"]
    lifetime_h = duration_h * whole / value
    return {"value": value, "whole": whole, "parts": [gpu_part(done["verbose"], die_mm2)], "lifetime_h": lifetime_h}


def boavizta_cpu(post: Post, *, name: str) -> Answer:
    """Ask for the embodied carbon of a processor."""
    done = post("/v1/component/cpu?criteria=gwp", {"name": name})
    return {
        "value": done["impacts"]["gwp"]["embedded"]["value"],
        "parts": [{"part": "cpu", "die": f"{done['verbose']['die_size']['value']} mm2"}],
    }


def boavizta_server(post: Post, *, die_mm2: float, archetype: str = "", configuration: Answer | None = None) -> Answer:
    """Ask for the embodied carbon of a server as it prints it, and once more with each part's mean spelled out.

    What it prints for a part with an interval is rounded to a tenth of that interval; with the same mean as a
    declared input there is no interval, and so no rounding.
    """
    path = "/v1/server/?criteria=gwp" + (f"&archetype={archetype}" if archetype else "")
    body: Answer = {"model": {"type": "rack"}}
    done = post(path, {**body, "configuration": configuration} if configuration else body)
    verbose, printed = done["verbose"], done["impacts"]["gwp"]["embedded"]
    ram, ssd, psu = verbose["RAM-1"], verbose["SSD-1"], verbose["POWER_SUPPLY-1"]
    mean = {
        "cpu": {"units": verbose["CPU-1"]["units"]["value"], "die_size": verbose["CPU-1"]["die_size"]["value"]},
        "gpu": {"units": verbose["GPU-1"]["units"]["value"], "name": verbose["GPU-1"]["name"]["value"]},
        "ram": [{name: ram[name]["value"] for name in ("units", "capacity", "density")}],
        "disk": [{"type": "ssd", **{name: ssd[name]["value"] for name in ("units", "capacity", "density")}}],
        "power_supply": {name: psu[name]["value"] for name in ("units", "unit_weight")},
    }
    exact = post(path, {**body, "configuration": mean})["impacts"]["gwp"]["embedded"]
    return {
        "value": exact["value"],
        "printed": printed["value"],
        "low": printed["min"],
        "high": printed["max"],
        "parts": bill(verbose, die_mm2),
    }


def boavizta_use(post: Post, *, power_w: float, duration_h: float, country: str) -> Answer:
    """Ask for the emissions of a server in use, at a given power."""
    usage = {"avg_power": power_w, "usage_location": country, "use_time_ratio": 1}
    done = post(f"/v1/server/?criteria=gwp&duration={duration_h}", {"usage": usage})
    factor = done["verbose"]["gwp_factor"]["value"] * 1000
    return {"value": done["impacts"]["gwp"]["use"]["value"], "intensity_gco2e_per_kwh": factor}


def gpu_part(verbose: Answer, die_mm2: float) -> Answer:
    """Write an accelerator as a part of ours; its table holds the effective area of the die, ours the die."""
    value = {name: entry["value"] for name, entry in verbose.items() if isinstance(entry, dict) and "value" in entry}
    return {
        "part": "gpu",
        "count": int(value.get("units", 1)),
        "casing": f"{value['casing_weight']} kg",
        "heatsink": f"{value['heatsink_weight']} kg",
        "mass": f"{value['weight']} kg",
        "pwb": f"{value['pwb_surface']} cm2",
        "die": f"{die_mm2} mm2",
        "memory": f"{value['vram']} GB",
        "memory_dies": int(value["vram_dies"]),
        "boat": f"{value['transport_boat']} km",
        "truck": f"{value['transport_truck']} km",
        "plane": f"{value['transport_plane']} km",
    }


def bill(verbose: Answer, die_mm2: float) -> list[Answer]:
    """Write the parts of a server as our record spells them."""

    def spread(entry: Answer, unit: str) -> Answer | str:
        value, low, high = (entry.get(name) for name in ("value", "min", "max"))
        if low in (None, value) and high in (None, value):
            return f"{value} {unit}"
        return {"value": f"{value} {unit}", "low": f"{low} {unit}", "high": f"{high} {unit}"}

    parts: list[Answer] = [{"part": "chassis"}, {"part": "board"}, {"part": "assembly"}]
    for key, part in (("CPU-1", "cpu"), ("RAM-1", "ram"), ("SSD-1", "ssd"), ("POWER_SUPPLY-1", "psu")):
        entry = verbose[key]
        made: Answer = {"part": part, "count": int(entry["units"]["value"])}
        for theirs, ours, unit in (
            ("die_size", "die", "mm2"),
            ("capacity", "capacity", "GB"),
            ("density", "density", "GB/cm2"),
            ("unit_weight", "mass", "kg"),
        ):
            if theirs in entry:
                made[ours] = spread(entry[theirs], unit)
        parts.append(made)
    parts.append(gpu_part(verbose["GPU-1"], die_mm2))
    return parts


CALLS: dict[str, Callable[..., Answer]] = {
    function.__name__: function for function in (boavizta_gpu, boavizta_cpu, boavizta_server, boavizta_use)
}
