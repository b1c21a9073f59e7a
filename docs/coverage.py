"""What is known of each accelerator, and what is not, as docs/hardware.md shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.keys import table
from green.factors import PRECISIONS
from green.factors.names import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

# The accelerators that people train on and that no table holds: the name, and what we looked for in vain.
ABSENT = {
    "AMD Instinct MI300X VF": "a slice of a module; its share is not in its name",
    "AWS Inferentia": "rated power, memory and peak FLOPS",
    "Apple M1 Max": "rated power of the package; of the M1 family only the M1 is known",
    "Apple M1 Pro": "rated power of the package",
    "Apple M1 Ultra": "rated power of the package",
    "Cerebras WSE-2": "rated power, memory and peak FLOPS",
    "Graphcore Bow IPU": "rated power, memory and peak FLOPS",
    "Graphcore C600": "rated power, memory and peak FLOPS",
    "Graphcore GC200 IPU": "rated power, memory and peak FLOPS",
    "NVIDIA A100-SXM-64GB": "rated power of the version of one computing centre",
    "NVIDIA GH200 144G HBM3e": "rated power",
    "NVIDIA GeForce RTX 2060": "the name leaves open 6 or 12 GB, 160 or 184 W",
    "NVIDIA GeForce RTX 3050": "the name leaves open 6 or 8 GB, 70 to 130 W",
    "NVIDIA GeForce RTX 3080": "the name leaves open 10 or 12 GB, 320 or 350 W",
    "NVIDIA GeForce RTX 4090 Laptop GPU": "the maker of each laptop sets its power",
    "NVIDIA H20-3e": "rated power and peak FLOPS",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "rated power",
    "SambaNova SN40L": "rated power, memory and peak FLOPS",
}
_BEST = {"maker": 0, "bottom-up": 1, "published": 2}  # as green/sql/embodied.sql prefers them
_HEAD = ["accelerator", "power, W", "memory, GB", "BF16, TFLOPS", "FP8", "die, mm2", "embodied, kgCO2e", "sources"]
Row = dict[str, str]


def accelerators() -> dict[str, dict[str, list[Row]]]:
    """Return the rows of each accelerator by their quantity."""
    known: dict[str, dict[str, list[Row]]] = {}
    for row in rows("devices.csv"):
        known.setdefault(row["subject"], {}).setdefault(row["quantity"], []).append(row)
    return dict(sorted(known.items(), key=lambda item: item[0].casefold()))


def missing(facts: dict[str, list[Row]]) -> list[str]:
    """Return what is not known of an accelerator."""
    words = {
        "rated_power": "rated power",
        "memory_capacity": "memory",
        "die_area": "die",
        "embodied": "embodied carbon",
    }
    gaps = [word for quantity, word in words.items() if quantity not in facts]
    if not any(f"peak_flops_{precision}" in facts for precision in PRECISIONS):
        gaps.append("peak FLOPS")
    return gaps


def best(found: list[Row]) -> Row:
    """Return the row of several sources that counts."""
    return min(found, key=lambda row: (_BEST.get(row["method"], 0), row["factor_id"]))


def _span(found: list[Row]) -> str:
    """Write the value that counts, and the interval that spans all sources."""
    if not found:
        return ""
    low = min((row["low"] or row["value"] for row in found), key=float)
    high = max((row["high"] or row["value"] for row in found), key=float)
    value = best(found)["value"]
    return value if low == high else f"{value} ({low} to {high})"


def _line(name: str, facts: dict[str, list[Row]]) -> list[str]:
    half = facts.get("peak_flops_bf16") or facts.get("peak_flops_fp16", [])
    shown = [facts.get("rated_power", []), facts.get("memory_capacity", []), half, facts.get("peak_flops_fp8", [])]
    shown += [facts.get("die_area", []), facts.get("embodied", [])]
    return [name, *map(_span, shown), str(len(facts.get("embodied", [])) or "")]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) + "."


def hardware() -> str:
    """Show each accelerator with what is known of it, and the gaps."""
    known = accelerators()
    whole = sum(not missing(facts) for facts in known.values())
    parts = [f"{len(known)} accelerators; of {whole} of them every column is known.\n"]
    parts.append(table(_HEAD, [_line(name, facts) for name, facts in known.items()]))
    parts.append("### Gaps\n")
    for gap in ("rated power", "memory", "peak FLOPS", "die", "embodied carbon"):
        lacking = [name for name, facts in known.items() if gap in missing(facts)]
        parts.append(f"- **No {gap}** ({len(lacking)}): {_listed(lacking)}")
    parts.append("\n### In no table\n")
    parts.append(table(["name", "what no source that we read says"], [[name, why] for name, why in ABSENT.items()]))
    return "\n".join(parts)
