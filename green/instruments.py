"""Contractual instruments of config.yaml: electricity that an organisation bought apart from the grid's mix.

Certificates (REC, GO), purchase agreements and green tariffs count in market-based figures only. Offsets are
none of them and have no place here.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from green import units
from green.model import Energy, Intensity, Name, Part

FIRST, LAST = 2000, 2099  # the years of the contract (docs/records.md)
EnergySource = Literal[
    "solar",
    "wind",
    "hydropower",
    "geothermal",
    "biofuel",
    "renewable",
    "nuclear",
    "coal",
    "oil",
    "natural_gas",
    "fossil",
]


def _day(raw: object) -> date:
    try:
        day = raw if isinstance(raw, date) else date.fromisoformat(str(raw))
    except ValueError as error:
        raise PydanticCustomError("bad_value", "not a day | write 2026-01-31") from error
    if not FIRST <= day.year <= LAST:
        raise PydanticCustomError("bad_value", "outside the years 2000 to 2099")
    return day


Day = Annotated[date, BeforeValidator(_day)]


class Period(Part):
    """A vintage: its first and its last day."""

    from_: Day = Field(alias="from")
    to: Day

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to < self.from_:
            raise PydanticCustomError("bad_value", "the vintage ends before it begins")
        return self


def _period(raw: object) -> object:
    """Take a year as the period from its first day to its last."""
    if isinstance(raw, bool) or not isinstance(raw, int):
        return raw
    if not FIRST <= raw <= LAST:
        raise PydanticCustomError("bad_value", "outside the years 2000 to 2099")
    return Period.model_validate({"from": date(raw, 1, 1), "to": date(raw, 12, 31)})


Vintage = Annotated[Period, BeforeValidator(_period, json_schema_input_type=int | Period)]


class Instrument(Part):
    """A quantity of electricity of one market and vintage, with the intensity that its contract states."""

    id: Name
    kind: Literal["rec", "ppa", "go", "green_tariff"]
    zone: Name | None = None
    site: Name | None = None
    vintage: Vintage
    quantity: Energy
    intensity: Intensity = units.parse("0 gCO2e/kWh", "gCO2e/kWh")
    energy_source: EnergySource | None = None
    source: Name

    @model_validator(mode="after")
    def _of_one_market(self) -> Self:
        if (self.zone is None) == (self.site is None):
            raise PydanticCustomError("bad_value", "an instrument has either a zone or a site")
        return self

    def row(self, zone: str | None) -> dict[str, Any]:
        """Return the row of the table `instrument`; `zone` is its zone as runs name it."""
        low, high = self.intensity.low, self.intensity.high
        return {
            "instrument_id": self.id,
            "kind": self.kind,
            "zone": zone,
            "site": self.site,
            "from_at": _midnight(self.vintage.from_),
            "to_at": _midnight(self.vintage.to + timedelta(days=1)),
            "quantity_kwh": float(self.quantity.value),
            "intensity_gco2e_per_kwh": float(self.intensity.value),
            "intensity_low_gco2e_per_kwh": None if low is None else float(low),
            "intensity_high_gco2e_per_kwh": None if high is None else float(high),
            "energy_source": self.energy_source,
            "source": self.source,
        }


def _midnight(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
