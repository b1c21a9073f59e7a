"""Tables of no known tool: `readers:` of config.yaml says which column is the time, and which are power or energy."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from green.model import Name, Part

W_OF = {"uW": Decimal("1e-6"), "mW": Decimal("1e-3"), "W": Decimal(1), "kW": Decimal(1000)}
J_OF = {
    "uJ": Decimal("1e-6"),
    "mJ": Decimal("1e-3"),
    "J": Decimal(1),
    "kJ": Decimal(1000),
    "MJ": Decimal(10) ** 6,
    "mWh": Decimal("3.6"),
    "Wh": Decimal(3600),
    "kWh": Decimal(3_600_000),
}
US_OF = {"s": Decimal(10) ** 6, "ms": Decimal(1000), "us": Decimal(1), "ns": Decimal("1e-3")}

Power = Literal["uW", "mW", "W", "kW"]
Energy = Literal["uJ", "mJ", "J", "kJ", "MJ", "mWh", "Wh", "kWh"]


class TimeColumn(Part):
    """Where the time of a row stands."""

    column: Name
    unit: Literal["iso", "s", "ms", "us", "ns"] = "iso"  # iso: a date and time; else a number
    is_relative: bool = Field(default=False, alias="relative")  # counts from the start of the run, not from 1970

    @model_validator(mode="after")
    def _relative_is_a_number(self) -> TimeColumn:
        if self.is_relative and self.unit == "iso":
            raise PydanticCustomError("bad_value", "a relative time is a number: write its unit, s, ms, us or ns")
        return self


class Measured(Part):
    """A column of power or energy."""

    column: Name
    unit: Power | Energy
    component: Literal["gpu", "cpu", "memory", "rest", "host"] = "gpu"
    device: Name | None = None  # what it meters; by default the column itself
    each: Literal["total", "interval"] = (
        "total"  # energy: a counter that grows, or what a row used since the one before
    )


class Total(Part):
    """A column that holds the sum of the others: compared with it, never added to it."""

    column: Name
    unit: Power | Energy


class Mapping_(Part):  # noqa: N801 -- Mapping is a name of the standard library
    """One kind of table, and where it lies."""

    name: Name
    match: Name  # pattern of the path below logs, as in teams:
    format: Literal["csv", "jsonl", "parquet"] = "csv"
    separator: Literal[",", ";", "\t", "|", " "] = ","
    time: TimeColumn
    device: Name | None = None  # long tables: the column that says which device a row is about
    columns: tuple[Measured, ...] = Field(min_length=1)
    total: Total | None = None

    @model_validator(mode="after")
    def _columns_differ(self) -> Mapping_:
        names = [self.time.column, *(one.column for one in self.columns), *([self.total.column] if self.total else ())]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PydanticCustomError("bad_value", "column {name} is named twice", {"name": twice[0]})
        if self.total and (self.total.unit in W_OF) != all(one.unit in W_OF for one in self.columns):
            raise PydanticCustomError("bad_value", "total and its parts are both power, or both energy")
        return self
