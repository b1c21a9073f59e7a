"""EU AI Act (Regulation (EU) 2024/1689), Annex XI section 1, point 2: compute, training time, energy consumption.

Point 2 (d) asks for the computational resources used to train the model and the training time, (e) for the known or
estimated energy consumption. What is not known has a line that says why; a person completes the document.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from green.export import because, total

if TYPE_CHECKING:
    from green.export import Facts, Row

TRAINED = ("training", "tuning")


def render(facts: Facts) -> str:
    """Return a section of Markdown for each model."""
    from green.output.markdown import escape as markdown  # noqa: PLC0415 -- names are made harmless there

    models: dict[str, list[Row]] = {}
    for run in facts.runs:
        if run["kind"] in TRAINED:
            models.setdefault(run["model"] or "unknown model", []).append(run)
    parts = ["# Technical documentation, Annex XI, section 1, point 2 (d) and (e)\n"]
    for model, runs in sorted(models.items()):
        lines = [f"## {markdown(model)}\n", "| point | what | value | how it is known |", "| --- | --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in _lines(runs)]
        names = ", ".join(markdown(run["run_id"]) for run in runs)
        parts.append("\n".join([*lines, "", f"Runs: {names}.", ""]))
    if not models:
        parts.append("No run of kind training or tuning is chosen: nothing is known about training.\n")
    parts.append(
        f"Made by {facts.tool} from a ledger of {facts.events} events with the head `{facts.head}`."
        " Methodology: docs/method.md; intervals: docs/uncertainty.md.\n"
    )
    return "\n".join(parts)


def _lines(runs: list[Row]) -> list[tuple[str, str, str, str]]:
    flops = [json.loads(run["facts"] or "{}").get("flops") for run in runs]
    known = [float(value) for value in flops if value is not None]
    lacking = f"missing because {len(flops) - len(known)} of {len(runs)} runs do not state their operations"
    methods = ", ".join(sorted({run["method"] or "unknown" for run in runs}))
    return [
        ("2 (d)", "floating-point operations", f"{sum(known):g}", "declared")
        if len(known) == len(runs)
        else ("2 (d)", "floating-point operations", "unknown", lacking),
        _figure("2 (d)", "training time (sum of runs)", runs, "duration_s", "s", "records and logs"),
        _figure("2 (d)", "device-hours", runs, "device_hours_h", "h", "records and logs"),
        _figure("2 (e)", "energy of the computing equipment", runs, "energy_kwh", "kWh", methods),
        _figure("2 (e)", "energy at the facility's meter", runs, "facility_energy_kwh", "kWh", methods),
    ]


def _figure(point: str, what: str, runs: list[Row], name: str, unit: str, how: str) -> tuple[str, str, str, str]:
    value = total(runs, name)
    if value is None:
        return (point, what, "unknown", f"missing because {because(runs, name)}")
    ends = [total(runs, f"{name}{end}") if f"{name}{end}" in runs[0] else None for end in ("_low", "_high")]
    interval = "" if None in ends else f" ({ends[0]:g} to {ends[1]:g})"
    return (point, what, f"{value:g} {unit}{interval}", how)
