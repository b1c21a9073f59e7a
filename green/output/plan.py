"""Plans for a terminal: figures with their interval, what-ifs from the best on, verdicts, what is left of budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from green.output import WORST_FIRST, plain, would
from green.output.text import table
from green.policy.metrics import METRICS
from green.units import format_quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]
NAMES = {
    "energy_kwh": "energy (IT)",
    "facility_energy_kwh": "energy at the facility",
    "operational_kgco2e": "operational",
    "embodied_kgco2e": "embodied",
    "emissions_kgco2e": "emissions",
    "water_l": "water",
    "cost_usd": "cost",
}
_REASONS = {metric.column: metric.reasons for metric in METRICS.values()}
_BESIDE = ("emissions_kgco2e", "operational_kgco2e", "energy_kwh", "cost_usd")
_RATIOS = ("emissions_ratio", "operational_ratio", "energy_ratio")


def render(found: Row, *, is_terminal: bool | None = None) -> str:
    """Return the text of what `green plan` found."""
    parts = [part for one in found["plans"] for part in _plan(one, is_terminal)]
    if found["verdicts"]:
        verdicts = sorted(found["verdicts"], key=lambda one: WORST_FIRST.index(one["verdict"]))
        rows = [[one["verdict"], one["policy"], one["subject"], one["message"], _would(one)] for one in verdicts]
        columns = ["verdict", "policy", "subject", "what it would say", "would pass"]
        parts.append(table(columns, rows, is_terminal=is_terminal))
    if found["budgets"]:
        columns = ["budget", "group", "limit", "used", "this", "left"]
        parts.append(table(columns, [_budget(one) for one in found["budgets"]], is_terminal=is_terminal))
    parts += [f"{_worth(one)}\n" for one in found["calibration"]]
    if found["not_judged"]:
        parts.append(f"not judged, for they ask for a measurement: {', '.join(map(plain, found['not_judged']))}\n")
    return "\n".join(parts)


def _would(one: Row) -> str:
    return would(one.get("would_pass") or (), one["subject"])


def _plan(one: Row, is_terminal: bool | None) -> Iterator[str]:  # noqa: FBT001 -- as `table` has it
    hours = None if one["duration_s"] is None else format_quantity(one["duration_s"], "s")
    devices = [f"{device['count']:g} x {device['device']}" for device in one["hardware"]]
    words = [*devices, hours, one["region"], one["started_at"] and f"from {one['started_at']}"]
    yield f"{plain(one['run_id'])}: {plain(', '.join(filter(None, words)))}\n"
    rows = [[NAMES[name], *_cells(name, figure, one)] for name, figure in one["figures"].items()]
    yield table(["figure", "value", "low", "high"], rows, is_terminal=is_terminal)
    if one["what_if"]:
        columns = ["what if", "emissions", "change", "operational", "energy (IT)", "cost", "takes"]
        yield table(columns, [_what_if(other) for other in one["what_if"]], is_terminal=is_terminal)


def _cells(name: str, figure: Row, run: Row) -> list[str]:
    if figure["value"] is None:
        codes = [code for code in _REASONS[name] if code in run["unknown_reasons"]]
        most = "" if figure["high"] is None else format_quantity(figure["high"], figure["unit"])
        return [f"unknown ({codes[0] if codes else 'MISSING_METRIC'})", "", most]
    low, high = (
        "no bound" if figure[end] is None else format_quantity(figure[end], figure["unit"]) for end in ("low", "high")
    )
    return [format_quantity(figure["value"], figure["unit"]), low, high]


def _what_if(one: Row) -> list[str]:
    ratio = next((one[name] for name in _RATIOS if one[name] is not None), None)
    shown = {name: _cells(name, one["figures"][name], one)[0] for name in _BESIDE}
    value = f"{one['value']:g} h" if one["change"] == "hours" else str(one["value"])
    takes = "unknown" if one["duration_s"] is None else format_quantity(one["duration_s"], "s")
    return [
        f"{one['change']} {value}",
        shown["emissions_kgco2e"],
        "unknown" if ratio is None else changed(ratio),
        shown["operational_kgco2e"],
        shown["energy_kwh"],
        shown["cost_usd"],
        takes,
    ]


def changed(ratio: float) -> str:
    """Write a ratio as the change that it is."""
    if ratio == 1:
        return "same"
    return f"{'+' if ratio > 1 else '-'}{format_quantity(abs(ratio - 1) * 100, '%')}"


def _budget(one: Row) -> list[str]:
    def shown(name: str) -> str:
        if one[name] is None:
            return f"unknown ({one['reason']})" if one["reason"] else "unknown"
        return format_quantity(one[name], one["unit"] or "1")

    left = shown("left") if one["left"] is None or one["left"] >= 0 else f"{shown('left').removeprefix('-')} over"
    return [f"{one['policy']} {one['title']}", one["subject"], shown("limit"), shown("used"), shown("plans"), left]


def _worth(one: Row) -> str:
    """Say what plans of a team were worth until now."""
    if one["energy_ratio"] is None:
        return f"plans of {plain(one['team'])}: {one['runs']} ran, and of none is the energy known both ways"
    return (
        f"plans of {plain(one['team'])} used {one['energy_ratio']:.3g} times the energy that they said (median of"
        f" {one['energy_runs']}, {one['runs_within']} within their interval)"
    )


def render_calibration(found: Row, *, is_terminal: bool | None = None) -> str:
    """Return plan against actual, by team and run by run."""
    if not found["runs"]:
        return "no plan has run yet: a plan is recorded, then a run of the same run_id\n"
    columns = ["team", "runs", "within", "energy", "smallest", "largest", "operational", "emissions"]
    teams = [
        [
            one["team"] or "(none)",
            str(one["runs"]),
            str(one["runs_within"]),
            *(_times(one[name]) for name in ("energy_ratio", "energy_ratio_low", "energy_ratio_high")),
            *(_times(one[name]) for name in ("operational_ratio", "emissions_ratio")),
        ]
        for one in found["teams"]
    ]
    runs = [
        [
            one["run_id"],
            one["team"] or "(none)",
            *(_quantity(one[name], "kWh") for name in ("planned_energy_kwh", "energy_kwh")),
            _times(one["energy_ratio"]),
            *(_quantity(one[name], "kgCO2e") for name in ("planned_emissions_kgco2e", "emissions_kgco2e")),
            _times(one["emissions_ratio"]),
        ]
        for one in found["runs"]
    ]
    named = ["run", "team", "planned", "used", "ratio", "planned", "emitted", "ratio"]
    return "\n".join(table(head, rows, is_terminal=is_terminal) for head, rows in ((columns, teams), (named, runs)))


def _times(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{ratio:.3g}"


def _quantity(value: float | None, unit: str) -> str:
    return "unknown" if value is None else format_quantity(value, unit)
