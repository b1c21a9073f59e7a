"""The published results beside this file: each is a run record and the figure that its paper prints."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from green import units, yaml

HERE = Path(__file__).parent
ANOMALIES = "anomalies.yaml"
NOT_A_RUN = "not_a_run.yaml"

# The columns of view `runs` that papers publish, with the unit in which the store keeps them.
METRICS = {
    "energy_kwh": "kWh",
    "facility_energy_kwh": "kWh",
    "operational_kgco2e": "kgCO2e",
    "operational_market_kgco2e": "kgCO2e",
    "embodied_kgco2e": "kgCO2e",
    "emissions_kgco2e": "kgCO2e",
    "water_onsite_l": "L",
    "water_offsite_l": "L",
    "water_l": "L",
    "cost_usd": "USD",
}


def _exact(raw: object) -> object:
    """Take a float by its shortest text: 0.056 is 0.056, not the binary number beside it."""
    return Decimal(repr(raw)) if isinstance(raw, float) else raw


def _metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"unknown metric | one of {', '.join(METRICS)}")
    return name


class Part(BaseModel):
    """The base of all parts of a case file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(Part):
    """A figure as it is printed, in its own unit, and how far a right answer may be from it."""

    metric: Annotated[str, BeforeValidator(_metric)]
    value: Annotated[Decimal, BeforeValidator(_exact)]
    unit: str
    tolerance: str
    because: str
    derived: bool = False  # not printed itself, but the product of two printed figures

    @model_validator(mode="after")
    def _is_in_units_of_its_metric(self) -> Published:
        self.agrees(0.0)  # raises where a unit does not fit the metric
        return self

    @property
    def margin(self) -> Decimal:
        """The tolerance in the published unit."""
        if self.tolerance.endswith("%"):
            return abs(self.value) * units.parse(self.tolerance, "1").value
        return units.parse(self.tolerance, self.unit).value

    def in_own_unit(self, stored: float) -> Decimal:
        """Convert what the store holds to the published unit."""
        return units.convert(stored, METRICS[self.metric], self.unit)

    def agrees(self, stored: float | None) -> bool:
        """Tell whether what the store holds is the published figure; unknown never is."""
        return stored is not None and abs(self.in_own_unit(stored) - self.value) <= self.margin

    def against(self, stored: float | None) -> str:
        """Say both figures, for the message of a failing test."""
        got = "unknown" if stored is None else f"{self.in_own_unit(stored):.9g} {self.unit}"
        due = f"published {self.value} {self.unit} ± {self.tolerance} ({self.because})"
        return f"{self.metric}: {due}, got {got}"


class Case(Part):
    """A published result that the pipeline has to reproduce from its inputs.

    `confirmed: read` was read in the source, a copy of it or a work that quotes it; `arithmetic` was not read
    again, and is confirmed by this alone: the inputs of the source give its figure.
    """

    id: str
    citation: str
    confirmed: Literal["read", "arithmetic"]
    note: str = ""
    record: dict[str, Any]
    expect: Published
    unknown: tuple[Annotated[str, BeforeValidator(_metric)], ...] = ()


class Anomaly(Part):
    """A published result that is wrong: the pipeline has to differ from it and to be right."""

    id: str
    citation: str
    record: dict[str, Any]
    published: Published
    right: Published
    flags: tuple[str, ...] = Field(min_length=1)
    lesson: str


class NotARun(Part):
    """A published result that is no figure of one run, and so is not counted."""

    id: str
    why: Annotated[str, Field(min_length=1)]


def published() -> dict[str, list[Case]]:
    """Read the counted cases, by the name of their file (one paper each)."""
    files = sorted(path for path in HERE.glob("*.yaml") if path.name not in {ANOMALIES, NOT_A_RUN})
    return {path.stem: yaml.validate(RootModel[list[Case]], yaml.load(path)).root for path in files}


def counted() -> list[Case]:
    """Read the counted cases of all papers."""
    return [case for cases in published().values() for case in cases]


def anomalies() -> list[Anomaly]:
    """Read the results that do not reproduce."""
    return yaml.validate(RootModel[list[Anomaly]], yaml.load(HERE / ANOMALIES)).root


def not_a_run() -> list[NotARun]:
    """Read the results that are left out, and why."""
    return yaml.validate(RootModel[list[NotARun]], yaml.load(HERE / NOT_A_RUN)).root
