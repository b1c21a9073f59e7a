"""The runs of the Monte Carlo test: their logs and records, and their figures computed again, one world at a time.

Nothing here is taken from the SQL: powers are integrated by hand, factors are read from the table that we ship, and a
world gives every input one value in its interval.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import duckdb

from green import factors
from tests.core.helper import START, Work, native

GPUS = 4
STEP_S, LENGTH_S, MARGIN_S = 10, 3600, 60
HOLE_S = (1000, 1600)  # of the second GPU: longer than ten intervals, so that it is uncovered
HOURS_A_YEAR = 8760
ENERGY = 3.6e6  # J a kWh

Quantile = Callable[[str], float]
World = dict[str, float]
# Of these inputs less is more: a figure is the largest where they are the least.
INVERSE = frozenset({"metered/lifetime", "declared/lifetime", "bill/lifetime", "bill/pue"})

RECORDS = {
    "metered": """\
project: p
parent: sweep
kind: training
status: completed
model: m
started_at: 2026-03-01T07:59:00Z
ended_at: 2026-03-01T09:01:00Z
site: {region: DE, pue: 1.2 ± 0.1, wue: 1.8 L/kWh ± 10 %, ewif: {value: 3.1 L/kWh, low: 2.0 L/kWh, high: 4.5 L/kWh}}
cost: {tariff: 0.12 USD/kWh ± 5 %}
hardware:
- {device: NVIDIA A100-SXM4-80GB, count: 4, embodied: {value: 150 kgCO2e, low: 127.6 kgCO2e, high: 570 kgCO2e},
   lifetime: 4 y ± 1 y}
""",
    "declared": """\
project: p
parent: sweep
kind: training
status: failed
model: m
device_hours: 10 GPU-hours ± 5 %
site: {pue: {value: 1.2, low: 1.1, high: 1.5}, intensity: 400 gCO2e/kWh ± 20 %, wue: 1 L/kWh, ewif: 2 L/kWh ± 1 L/kWh}
cost: {device_hour: 2 USD/h ± 10 %}
hardware:
- {device: some accelerator, average_power: 300 W ± 10 %, embodied: 200 kgCO2e ± 50 %, lifetime: 5 y ± 2 y}
- {device: some CPU, rated_power: 200 W ± 20 W, load: {value: 0.5, low: 0.3, high: 0.8}, embodied: 20 kgCO2e,
   lifetime: 5 y}
""",
    "bill": """\
project: p
parent: sweep
kind: inference
status: completed
model: m
duration: 100 h ± 5 h
functional_units: {requests: 1000}
site: {pue: 1.3 ± 0.2, intensity: 300 gCO2e/kWh ± 30 %, wue: 1.8 L/kWh ± 10 %, ewif: 3 L/kWh}
cost: {tariff: 0.2 USD/kWh ± 0.05 USD/kWh}
energy: {total: 5 kWh ± 10 %, basis: facility}
hardware:
- {device: some server, embodied: 1000 kgCO2e ± 10 %, lifetime: 6 y ± 1 y, utilisation: 0.85}
""",
}


def power_w(gpu: int, second: int) -> float | None:
    """Return what a GPU draws; nothing while its sensor is silent."""
    if gpu == 1 and HOLE_S[0] < second < HOLE_S[1]:
        return None
    return 250.0 + 10 * gpu + 5 * (second // STEP_S % 7)


def write(work: Work) -> None:
    """Write the logs and records of all runs."""
    sensors = [
        {"id": f"gpu{n}", "kind": "gpu", "name": "NVIDIA A100-SXM4-80GB", "uuid": f"GPU-{n}", "reads": "power_w"}
        for n in range(GPUS)
    ]
    readings = [
        {"t": second, **{f"gpu{n}": power_w(n, second) for n in range(GPUS)}}
        for second in range(0, LENGTH_S + 1, STEP_S)
    ]
    work.put("metered/power.green.jsonl", native(None, readings, sensors))
    for name, record in RECORDS.items():
        work.put(f"{name}/run.yaml", record)


@dataclass(frozen=True)
class Known:
    """What the factor tables say, and what the log holds."""

    rated_power_w: float
    sensor_error: float
    intensity: tuple[float, float]
    measured_kwh: tuple[float, ...]
    uncovered_s: tuple[float, ...]


def known() -> Known:
    """Read the factors and integrate the log by hand."""
    with duckdb.connect() as con:
        factors.load(con)
        key = factors.device_key("NVIDIA A100-SXM4-80GB")
        ((rated,),) = con.execute(
            "SELECT max(coalesce(high, value)) FROM factor WHERE quantity = 'rated_power' AND subject_key = ?", [key]
        ).fetchall()
        ((error,),) = con.execute("SELECT value FROM factor WHERE quantity = 'sensor_error'").fetchall()
        grid = con.execute(
            "SELECT year(valid_from), value, coalesce(low, value), coalesce(high, value) FROM factor"
            " WHERE quantity = 'grid_intensity' AND subject = 'DE' AND method NOT LIKE 'direct%' ORDER BY 1"
        ).fetchall()
    # the newest year before the run, widened by the largest change from one year to the next
    year, _, low, high = grid[-1]
    assert year == START.year - 1, "one row a year, the last one a year old"
    change = max(abs(after[1] - before[1]) for before, after in pairwise(grid))
    measured, uncovered = [], []
    for gpu in range(GPUS):
        points = [(s, p) for s in range(0, LENGTH_S + 1, STEP_S) if (p := power_w(gpu, s)) is not None]
        covered = [(b[0] - a[0], (a[1] + b[1]) / 2) for a, b in pairwise(points) if b[0] - a[0] <= 10 * STEP_S]
        measured.append(sum(seconds * watts for seconds, watts in covered) / ENERGY)
        uncovered.append(LENGTH_S + 2 * MARGIN_S - sum(seconds for seconds, _ in covered))
    return Known(float(rated), float(error), (low - change, high + change), tuple(measured), tuple(uncovered))


def intervals(facts: Known) -> dict[str, tuple[float, float]]:
    """List every uncertain input with its interval, as a record or a factor states it."""
    found = {f"metered/error/{n}": (-facts.sensor_error, facts.sensor_error) for n in range(GPUS)}
    found |= {f"metered/uncovered_w/{n}": (0.0, facts.rated_power_w) for n in range(GPUS)}
    return found | {
        "metered/pue": (1.1, 1.3),
        "metered/intensity": facts.intensity,
        "metered/wue": (1.62, 1.98),
        "metered/ewif": (2.0, 4.5),
        "metered/tariff": (0.114, 0.126),
        "metered/embodied": (127.6, 570.0),
        "metered/lifetime": (3.0, 5.0),
        "declared/hours": (9.5, 10.5),
        "declared/power": (270.0, 330.0),
        "declared/rated": (180.0, 220.0),
        "declared/load": (0.3, 0.8),
        "declared/pue": (1.1, 1.5),
        "declared/intensity": (320.0, 480.0),
        "declared/ewif": (1.0, 3.0),
        "declared/price": (1.8, 2.2),
        "declared/embodied": (100.0, 300.0),
        "declared/lifetime": (3.0, 7.0),
        "bill/hours": (95.0, 105.0),
        "bill/pue": (1.1, 1.5),
        "bill/intensity": (210.0, 390.0),
        "bill/wue": (1.62, 1.98),
        "bill/energy": (4.5, 5.5),
        "bill/tariff": (0.15, 0.25),
        "bill/embodied": (900.0, 1100.0),
        "bill/lifetime": (5.0, 7.0),
    }


def figures(facts: Known, x: World) -> dict[str, dict[str, float]]:
    """Compute the figures of each run in one world."""
    it = sum(
        kwh * (1 + x[f"metered/error/{n}"]) + x[f"metered/uncovered_w/{n}"] * facts.uncovered_s[n] / ENERGY
        for n, kwh in enumerate(facts.measured_kwh)
    )
    hours = (LENGTH_S + 2 * MARGIN_S) / 3600
    fe = it * x["metered/pue"]
    metered = _run(
        it, fe, x["metered/intensity"], x["metered/wue"], x["metered/ewif"],
        GPUS * hours * x["metered/embodied"] / (x["metered/lifetime"] * HOURS_A_YEAR), fe * x["metered/tariff"],
    )  # fmt: skip
    hours = x["declared/hours"]
    it = hours * (x["declared/power"] + x["declared/rated"] * x["declared/load"]) / 1000
    charge = hours / HOURS_A_YEAR * (x["declared/embodied"] / x["declared/lifetime"] + 20 / 5)
    declared = _run(
        it,
        it * x["declared/pue"],
        x["declared/intensity"],
        1.0,
        x["declared/ewif"],
        charge,
        hours * x["declared/price"],
    )
    fe = x["bill/energy"]
    charge = x["bill/embodied"] * x["bill/hours"] / (x["bill/lifetime"] * HOURS_A_YEAR * 0.85)
    bill = _run(fe / x["bill/pue"], fe, x["bill/intensity"], x["bill/wue"], 3.0, charge, fe * x["bill/tariff"])
    return {"metered": metered, "declared": declared, "bill": bill}


def _run(  # noqa: PLR0913, PLR0917 -- one argument a figure
    it: float, facility: float, intensity: float, wue: float, ewif: float, embodied: float, cost: float
) -> dict[str, float]:
    operational = facility * intensity / 1000
    return {
        "energy_kwh": it,
        "facility_energy_kwh": facility,
        "operational_kgco2e": operational,
        "embodied_kgco2e": embodied,
        "emissions_kgco2e": operational + embodied,
        "water_onsite_l": it * wue,
        "water_offsite_l": facility * ewif,
        "water_l": it * wue + facility * ewif,
        "cost_usd": cost,
    }


def world(inputs: dict[str, tuple[float, float]], quantile: Quantile) -> World:
    """Give every input the value at its quantile."""
    return {name: low + (high - low) * quantile(name) for name, (low, high) in inputs.items()}


def full(u: float) -> Quantile:
    """Let one cause move everything, each input in the direction that makes figures larger."""
    return lambda name: 1 - u if name in INVERSE else u


def independent(draw: random.Random) -> Quantile:
    """Let nothing have to do with anything."""
    return lambda _: draw.random()


def unknown(draw: random.Random) -> Quantile:
    """Let each input follow a common cause, go against it, or go its own way: nobody knows which."""
    u = draw.random()
    ways = (u, 1 - u)

    def quantile(_: str) -> float:
        way = draw.randrange(3)
        return ways[way] if way < len(ways) else draw.random()

    return quantile
