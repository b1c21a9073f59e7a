"""The closed catalogue of metrics that a policy may name, and the facts that it may select by."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

# Reason codes of a run that can explain why a metric of it is unknown. The first of the run's own
# reasons that concerns the metric is told; where none does, MISSING_METRIC.
_ENERGY = ("NO_SAMPLES", "NO_PUE", "BAD_UNIT", "MISSING_FIELD")
_OPERATIONAL = (*_ENERGY, "NO_FACTOR")
_EMBODIED = ("NO_HARDWARE", "UNKNOWN_DEVICE", "NO_FACTOR", "BAD_UNIT", "MISSING_FIELD")
_TOTAL = (*_ENERGY, "NO_FACTOR", "NO_HARDWARE", "UNKNOWN_DEVICE")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its column in `fact`, its stored unit, and how it may be used."""

    name: str
    column: str
    unit: str
    dimension: str
    is_additive: bool
    has_interval: bool
    reasons: tuple[str, ...]
    description: str

    @property
    def low(self) -> str | None:
        """Return the column of the lower bound."""
        return f"{self.column}_low" if self.has_interval else None

    @property
    def high(self) -> str | None:
        """Return the column of the upper bound."""
        return f"{self.column}_high" if self.has_interval else None


def _physical(name: str, column: str, unit: str, reasons: tuple[str, ...], description: str) -> Metric:
    dimension = {"kWh": "energy", "kgCO2e": "carbon", "L": "water", "USD": "money"}[unit]
    return Metric(
        name,
        column,
        unit,
        dimension,
        is_additive=True,
        has_interval=True,
        reasons=reasons,
        description=description,
    )


TIER = "quality.tier"
TIERS = ("declared", "modelled", "imported", "measured")  # the worst first

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _physical("energy.it", "energy_kwh", "kWh", _ENERGY, "energy of the devices, before PUE"),
        _physical("energy.facility", "facility_energy_kwh", "kWh", _ENERGY, "energy of the devices times the PUE"),
        _physical(
            "carbon.operational",
            "operational_kgco2e",
            "kgCO2e",
            _OPERATIONAL,
            "emissions of use, location-based",
        ),
        _physical(
            "carbon.operational_market",
            "operational_market_kgco2e",
            "kgCO2e",
            (*_ENERGY, "NO_MARKET_FACTOR"),
            "emissions of use, market-based",
        ),
        _physical("carbon.embodied", "embodied_kgco2e", "kgCO2e", _EMBODIED, "share of the hardware's manufacture"),
        _physical(
            "carbon.total",
            "emissions_kgco2e",
            "kgCO2e",
            _TOTAL,
            "operational (location-based) plus embodied",
        ),
        _physical("water.onsite", "water_onsite_l", "L", (*_ENERGY, "NO_WUE"), "water for cooling at the site"),
        _physical("water.offsite", "water_offsite_l", "L", (*_ENERGY, "NO_EWIF"), "water of electricity generation"),
        _physical("water.total", "water_l", "L", (*_ENERGY, "NO_EWIF", "NO_WUE"), "water on site and off site"),
        _physical("cost.total", "cost_usd", "USD", (*_ENERGY, "NO_TARIFF"), "device-hours or electricity, in USD"),
        Metric(
            "time.duration",
            "duration_s",
            "s",
            "time",
            is_additive=True,
            has_interval=False,
            reasons=("BAD_UNIT", "MISSING_FIELD"),
            description="from start to end",
        ),
        Metric(
            "coverage.energy",
            "coverage_ratio",
            "1",
            "share",
            is_additive=False,
            has_interval=False,
            reasons=("NO_SAMPLES", "MISSING_FIELD"),
            description="share of the run's time that was measured",
        ),
        Metric(
            TIER,
            "quality_tier",
            "",
            "rank",
            is_additive=False,
            has_interval=False,
            reasons=("NO_SAMPLES", "MISSING_FIELD"),
            description="measured > imported > modelled > declared",
        ),
    )
}

# What policies may name beside the figures of a run: shares of them, and how its site is run.
_RATIOS = (
    Metric(
        "site.pue",
        "pue",
        "1",
        "ratio",
        is_additive=False,
        has_interval=False,
        reasons=("NO_PUE", "BAD_UNIT", "MISSING_FIELD"),
        description="power usage effectiveness of the site, energy of the facility over energy of its IT",
    ),
    Metric(
        "share.embodied",
        "embodied_ratio",
        "1",
        "share",
        is_additive=False,
        has_interval=True,
        reasons=(*_TOTAL, "BAD_UNIT"),
        description="share of embodied carbon in the total",
    ),
    Metric(
        "share.idle",
        "idle_ratio",
        "1",
        "share",
        is_additive=False,
        has_interval=False,
        reasons=("NO_SAMPLES",),
        description="share of the measured time in which the devices did nothing",
    ),
    Metric(
        "quality.findings",
        "findings",
        "1",
        "ratio",
        is_additive=False,
        has_interval=False,
        reasons=_ENERGY,
        description="how many kinds of findings say that the run's figures cannot be right",
    ),
)
# The flags that quality.findings counts: a figure contradicts another, its hardware, its region or itself.
FINDINGS = (
    "ANSWERS_DISAGREE",
    "CLOCK_JUMPED",
    "FROZEN_SENSOR",
    "IMPLAUSIBLE_INTENSITY",
    "IMPLAUSIBLE_POWER",
    "PARTS_DISAGREE",
    "REPORTED_DISAGREES",
)
CATALOGUE: dict[str, Metric] = METRICS | {metric.name: metric for metric in _RATIOS}

SELECTABLE = ("run_id", "project", "team", "model", "kind", "parent", "status", "region", "site")
ALLOWABLE = (*SELECTABLE, "method", "quality_tier", "hardware")
DISCLOSABLE = (*SELECTABLE, "started_at", "ended_at", "duration_s", "method", "quality_tier", "hardware")


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return "did you mean …?", or the list of what is known."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"one of {', '.join(known)}"
