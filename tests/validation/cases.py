"""The published results beside this file: each is a run record and the figure that its paper prints."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from green import units, yaml

HERE = Path(__file__).parent
ANOMALIES = "anomalies.yaml"
NOT_A_RUN = "not_a_run.yaml"
FACTORS = HERE / "factors.csv"  # of comparisons that only one source makes

# The views that show published figures: what kind of view, the column that holds the id of a case, and the columns
# that sources publish, with the unit in which the store keeps them.
RUNS = {
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


class View(NamedTuple):
    """A view of the store, and which of its columns a source may publish."""

    label: Literal["runs", "aggregate", "equivalent"]
    key: str | None
    metrics: dict[str, str]


VIEWS = {
    "runs": View("runs", "run_id", RUNS),
    "run_intensity": View(
        "aggregate", "run_id", {"facility_energy_kwh_per_unit": "kWh", "amount_per_facility_kwh": "1"}
    ),
    "performance": View("aggregate", "run_id", {"tflops": "1"}),
    "family": View("aggregate", "parent", {"energy_kwh": "kWh", "operational_kgco2e": "kgCO2e", "cost_usd": "USD"}),
    "break_even": View("aggregate", None, {"energy_break_even_amount": "1"}),
    "equivalents": View("equivalent", "run_id", {"operational_amount": "1"}),
}


def _exact(raw: object) -> object:
    """Take a float by its shortest text: 0.056 is 0.056, not the binary number beside it."""
    return Decimal(repr(raw)) if isinstance(raw, float) else raw


def _metric(name: str) -> str:
    if name not in RUNS:
        raise ValueError(f"unknown metric | one of {', '.join(RUNS)}")
    return name


class Part(BaseModel):
    """The base of all parts of a case file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Published(Part):
    """A figure as it is printed, in its own unit, which view shows it, and how far a right answer may be from it."""

    view: Annotated[str, Field(pattern=f"^({'|'.join(VIEWS)})$")] = "runs"
    row: dict[str, str] = Field(default_factory=dict)  # which row of the view, beside the id of the case
    metric: str
    value: Annotated[Decimal, BeforeValidator(_exact)]
    unit: str
    tolerance: str
    because: str
    derived: bool = False  # not printed itself, but the product of two printed figures

    @model_validator(mode="after")
    def _is_in_units_of_its_metric(self) -> Published:
        if self.metric not in VIEWS[self.view].metrics:
            raise ValueError(f"unknown metric | one of {', '.join(VIEWS[self.view].metrics)}")
        self.agrees(0.0)  # raises where a unit does not fit the metric
        return self

    @property
    def shown_by(self) -> str:
        """The label of the case: runs, aggregate or equivalent."""
        return VIEWS[self.view].label

    @property
    def margin(self) -> Decimal:
        """The tolerance in the published unit."""
        if self.tolerance.endswith("%"):
            return abs(self.value) * units.parse(self.tolerance, "1").value
        return units.parse(self.tolerance, self.unit).value

    def in_own_unit(self, stored: float) -> Decimal:
        """Convert what the store holds to the published unit."""
        return units.convert(stored, VIEWS[self.view].metrics[self.metric], self.unit)

    def agrees(self, stored: float | None) -> bool:
        """Tell whether what the store holds is the published figure; unknown never is."""
        return stored is not None and abs(self.in_own_unit(stored) - self.value) <= self.margin

    def against(self, stored: float | None) -> str:
        """Say both figures, for the message of a failing test."""
        got = "unknown" if stored is None else f"{self.in_own_unit(stored):.9g} {self.unit}"
        due = f"published {self.value} {self.unit} ± {self.tolerance} ({self.because})"
        return f"{self.metric}: {due}, got {got}"


class Place(Part):
    """Where and when a source says that it happened, so that our own factors can stand beside its."""

    regions: tuple[str, ...] = Field(min_length=1)  # as stated, then the country
    at: str


class Result(Part):
    """A published figure and the record of its run, or the records of its runs by name."""

    id: str
    citation: str
    further: bool = False  # not in the list that the validation began with
    record: dict[str, Any] | None = None
    records: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_records(self) -> Self:
        if (self.record is None) != bool(self.records):
            raise ValueError("a result has either one record or several")
        return self

    @property
    def by_run(self) -> dict[str, dict[str, Any]]:
        """The records by run_id."""
        if self.record is not None:
            return {self.id: self.record}
        return {f"{self.id}/{name}": record for name, record in self.records.items()}


class Case(Result):
    """A published result that the pipeline has to reproduce from its inputs.

    `confirmed: read` was read in the source, a copy of it or a work that quotes it; `arithmetic` was not read
    again, and is confirmed by this alone: the inputs of the source give its figure.
    """

    confirmed: Literal["read", "arithmetic"]
    note: str = ""
    place: Place | None = None
    expect: Published
    unknown: tuple[Annotated[str, BeforeValidator(_metric)], ...] = ()


class Anomaly(Result):
    """A published result that is wrong: the pipeline has to differ from it and to be right."""

    published: Published
    right: Published
    flags: tuple[str, ...] = ()
    lesson: str

    @model_validator(mode="after")
    def _is_flagged(self) -> Self:
        if self.right.view == "runs" and not self.flags:  # a sum or a comparison has no run that could be flagged
            raise ValueError("a figure of a run that is wrong has a flag")
        return self


class NotARun(Part):
    """A published result that no view shows, and so is not counted."""

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
