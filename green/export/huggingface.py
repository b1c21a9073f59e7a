"""Hugging Face model card: the front matter with `co2_eq_emissions`, in grams.

The figure is operational, location-based: what the field is used for. Where it is unknown there is none; the block
`green` says why, and holds what the field has no place for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from green.export import because, text_of, total

if TYPE_CHECKING:
    from green.export import Facts

G_PER_KG = 1000
TYPES = {"training": "pre-training", "tuning": "fine-tuning"}
FIGURES = (
    "energy_kwh",
    "facility_energy_kwh",
    "operational_kgco2e",
    "operational_market_kgco2e",
    "embodied_kgco2e",
    "emissions_kgco2e",
    "water_l",
)


def render(facts: Facts) -> str:
    """Return the front matter, with its fences."""
    runs = facts.runs
    operational = total(runs, "operational_kgco2e")
    lines = ["---"]
    if operational is not None:
        lines.append("co2_eq_emissions:")
        fields: dict[str, Any] = {
            "emissions": operational * G_PER_KG,
            "source": f"{facts.tool}, ledger head {facts.head}; operational, location-based",
            "training_type": " + ".join(sorted({TYPES[run["kind"]] for run in runs if run["kind"] in TYPES})) or None,
            "geographical_location": ", ".join(sorted({run["region"] for run in runs if run["region"]})) or None,
            "hardware_used": ", ".join(sorted({name for run in runs for name in run["hardware"] or []})) or None,
        }
        lines += [f"  {key}: {_scalar(value)}" for key, value in fields.items() if value is not None]
    lines.append("green:")
    lines.append(f"  runs: {_scalar([run['run_id'] for run in runs])}")
    for name in FIGURES:
        value = total(runs, name)
        if value is None:
            lines.append(f"  {name}_missing_because: {_scalar(because(runs, name))}")
            continue
        lines.append(f"  {name}: {_scalar(value)}")
        for end in ("_low", "_high"):
            bound = total(runs, f"{name}{end}")
            if bound is not None:
                lines.append(f"  {name}{end}: {_scalar(bound)}")
    lines.append(f"  quality_tiers: {_scalar(sorted({run['quality_tier'] or 'unknown' for run in runs}))}")
    return "\n".join([*lines, "---", ""])


def _scalar(value: Any) -> str:  # noqa: ANN401 -- a text, number or list
    """Return a value in the part of YAML that is JSON: a name of a run cannot be anything else."""
    if isinstance(value, float):
        return text_of(value)
    return json.dumps(value, ensure_ascii=True)
