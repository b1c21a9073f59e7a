"""A run record (`run.yaml`) and its parts, checked at the edge; nothing here is ever filled in.

Quantities are written with their unit and kept as (value, low, high) in the stored unit: W, kWh, s,
h, kgCO2e, L, USD. What a record does not say stays None, for unknown is not a default.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from green import spellings, units
from green.vocabulary import Kind, Status

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NAME = 500


# The largest quantity of one run that is not a slip of the pen: 1 GW, 1,000 TWh, 300 years, a million megatonnes.
_MOST = {
    "W": 1e9, "kWh": 1e12, "s": 1e10, "h": 1e10, "1": 1e3, "kgCO2e": 1e12, "GB": 1e12, "USD": 1e12, "USD/kWh": 1e5,
    "gCO2e/kWh": 1e5, "L/kWh": 1e5, "kg": 1e6, "mm2": 1e6, "cm2": 1e6, "GB/cm2": 1e5, "km": 1e5,
}  # fmt: skip


def _quantity(unit: str, spelled: Callable[[object], object] | None = None) -> Any:  # noqa: ANN401 -- an annotated type, which mypy takes from the alias below
    """Make the type of a quantity that is stored in `unit`; a bad one is the error BAD_UNIT.

    `spelled` rewrites what is another spelling of the same quantity.
    """

    def read(raw: object) -> units.Quantity:
        if isinstance(raw, units.Quantity):
            return raw
        if isinstance(raw, bool) or not isinstance(raw, str | int | float | dict):
            raise PydanticCustomError("bad_unit", "not a quantity")
        try:
            quantity = units.parse(spelled(raw) if spelled else raw, unit)
        except units.BadQuantity as error:
            raise PydanticCustomError("bad_unit", "{text}", {"text": str(error)}) from error
        if max(quantity.value, quantity.high or 0) > _MOST[unit]:
            most = f"{_MOST[unit]:g} {unit}".removesuffix(" 1")
            raise PydanticCustomError("bad_unit", "out of range: at most {most}", {"most": most})
        return quantity

    example: object = {"W": "330 W", "kWh": "27 kWh", "1": 1.2, "s": "12 h", "h": "6 y"}.get(unit, f"1.5 {unit}")
    schema = WithJsonSchema(
        {
            "type": ["string", "number", "object"],
            "description": f"a quantity in {unit}",
            "examples": [example],
        }
    )
    return Annotated[units.Quantity, BeforeValidator(read), schema, PlainSerializer(str, return_type=str)]


def _counted(read: Callable[[object], float]) -> Any:  # noqa: ANN401 -- an annotated type, as above
    """Make the type of a plain number that may be written with a prefix."""

    def checked(raw: object) -> float:
        try:
            return read(raw)
        except units.BadQuantity as error:
            raise PydanticCustomError("bad_unit", "{text}", {"text": str(error)}) from error

    return Annotated[float, BeforeValidator(checked), WithJsonSchema({"type": ["number", "string"]})]


def _name(raw: object) -> str:
    if isinstance(raw, float):  # 1.10 and 1.1 would be one name
        raise PydanticCustomError("bad_value", "a number with a point is no name: put it in quotes")
    if not isinstance(raw, str | int) or isinstance(raw, bool):
        raise PydanticCustomError("bad_value", "not a name")
    text = str(raw).strip()
    if not text or len(text) > MAX_NAME:
        raise PydanticCustomError("bad_value", "a name has 1 to {most} characters", {"most": MAX_NAME})
    return text


def _moment(raw: object) -> datetime:
    try:
        moment = raw if isinstance(raw, datetime) else datetime.fromisoformat(str(raw).strip())
    except ValueError as error:
        raise PydanticCustomError("bad_value", "not a time | write ISO 8601, as in 2026-10-01T08:00:00Z") from error
    if not 2000 <= moment.year < 2100:  # noqa: PLR2004 -- the years of the contract (docs/records.md)
        raise PydanticCustomError("bad_value", "outside the years 2000 to 2099")
    return moment


def _pue(raw: units.Quantity) -> units.Quantity:
    if raw.value < 1 or (raw.low is not None and raw.low < 1):
        raise PydanticCustomError("bad_value", "a PUE is at least 1 (ISO/IEC 30134-2)")
    return raw


def _share(raw: units.Quantity) -> units.Quantity:
    if not 0 < raw.value <= 1:
        raise PydanticCustomError("bad_value", "a share is above 0 and at most 1")
    return raw


if TYPE_CHECKING:  # to a type checker each is a Quantity; pydantic reads the unit from the annotation
    Power = units.Quantity
    Energy = units.Quantity
    Seconds = units.Quantity
    Hours = units.Quantity
    DeviceHours = units.Quantity
    Carbon = units.Quantity
    Ratio = units.Quantity
    Pue = units.Quantity
    Share = units.Quantity
    Price = units.Quantity
    Tariff = units.Quantity
    Intensity = units.Quantity
    WaterPerEnergy = units.Quantity
    Memory = units.Quantity
    Mass = units.Quantity
    DieArea = units.Quantity
    BoardArea = units.Quantity
    Density = units.Quantity
    Distance = units.Quantity
    Count = float
    Flops = float
else:
    Count = _counted(spellings.count)
    Flops = _counted(spellings.flops)
    Power = _quantity("W")
    Energy = _quantity("kWh")
    Seconds = _quantity("s")
    Hours = _quantity("h")
    DeviceHours = _quantity("h", spellings.device_hours)
    Carbon = _quantity("kgCO2e")
    Ratio = _quantity("1")
    Price = _quantity("USD", spellings.device_hour_price)
    Tariff = _quantity("USD/kWh")
    Intensity = _quantity("gCO2e/kWh")
    WaterPerEnergy = _quantity("L/kWh")
    Memory = _quantity("GB")
    Mass = _quantity("kg")
    DieArea = _quantity("mm2")
    BoardArea = _quantity("cm2")
    Density = _quantity("GB/cm2")
    Distance = _quantity("km")
    Pue = Annotated[Ratio, AfterValidator(_pue)]
    Share = Annotated[Ratio, AfterValidator(_share)]

Name = Annotated[str, BeforeValidator(_name)]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class Part(BaseModel):
    """The base of all parts of a record: unknown keys are mistakes, and nothing changes later."""

    # built where it is first used: most commands read no record
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Cost(Part):
    """What a run costs: a price of a device-hour, or else a tariff of electricity."""

    device_hour: Price | None = None
    tariff: Tariff | None = None


_ROUTE = ("mass", "boat", "truck", "plane")
PART_KEYS = {  # which attributes make the model of a kind of part; `device` and `embodied` are for all of them
    "cpu": ("die",),
    "gpu": ("casing", "heatsink", "pwb", "die", "memory", "memory_dies", *_ROUTE),
    "ram": ("capacity", "density"),
    "ssd": ("capacity", "density"),
    "psu": ("mass",),
    "transport": _ROUTE,
}


class BillItem(Part):
    """One line of a bill of materials: `count` equal parts of a device."""

    part: Literal[
        "cpu", "gpu", "ram", "ssd", "hdd", "board", "psu", "chassis", "blade", "assembly", "transport", "other"
    ]
    count: Annotated[int, Field(ge=1, le=10_000_000)] = 1
    device: Name | None = None
    embodied: Carbon | None = None
    die: DieArea | None = None
    capacity: Memory | None = None
    density: Density | None = None
    mass: Mass | None = None
    casing: Mass | None = None
    heatsink: Mass | None = None
    pwb: BoardArea | None = None
    memory: Memory | None = None
    memory_dies: Annotated[int, Field(ge=1, le=1_000)] | None = None
    boat: Distance | None = None
    truck: Distance | None = None
    plane: Distance | None = None

    @model_validator(mode="after")
    def _is_of_its_kind(self) -> BillItem:
        """Refuse what the model of this kind of part would silently leave out."""
        known = {"part", "count", "device", "embodied", *PART_KEYS.get(self.part, ())}
        for name in sorted(self.model_fields_set - known):
            raise PydanticCustomError("bad_value", "a {part} has no {name}", {"part": self.part, "name": name})
        return self


class Device(Part):
    """One entry of hardware: `count` equal devices."""

    device: Name
    component: Literal["gpu", "cpu", "memory", "rest", "host"] | None = None
    count: Annotated[int, Field(ge=1, le=10_000_000)] = 1
    average_power: Power | None = None
    rated_power: Power | None = None
    load: Share | None = None
    embodied: Carbon | None = None
    lifetime: Hours | None = None
    utilisation: Share | None = None
    share: Share | None = None
    serial: Name | None = None
    parts: tuple[BillItem, ...] = ()


class Site(Part):
    """Where a run happens: the grid, the building, its water, and whether what it did not meter is modelled."""

    name: Name | None = None
    region: Name | None = None
    timezone: Name | None = None
    pue: Pue | None = None
    intensity: Intensity | None = None
    market_intensity: Intensity | None = None
    wue: WaterPerEnergy | None = None
    ewif: WaterPerEnergy | None = None
    model_rest: bool | None = None


class ConfiguredSite(Site):
    """A site of config.yaml, which may also name its hardware and its prices."""

    hardware: tuple[Device, ...] = ()
    memory: Memory | None = None
    cost: Cost | None = None


class DeclaredEnergy(Part):
    """Energy measured or declared elsewhere: a total, or parts."""

    total: Energy | None = None
    gpu: Energy | None = None
    cpu: Energy | None = None
    memory: Energy | None = None
    rest: Energy | None = None
    basis: Literal["device", "host", "wall", "facility"] | None = None


class Record(Part):
    """`run.yaml`: what people say of a run."""

    run_id: Name | None = None
    project: Name | None = None
    team: Name | None = None
    model: Name | None = None
    parameters: Count | None = None
    dataset_size: Count | None = None
    iterations: Count | None = None
    precision: Name | None = None
    techniques: tuple[Name, ...] = ()
    flops: Flops | None = None
    kind: Kind | None = None
    parent: Name | None = None
    status: Status | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    duration: Seconds | None = None
    site: Site | None = None
    cost: Cost | None = None
    hardware: tuple[Device, ...] = ()
    memory: Memory | None = None
    storage: Memory | None = None
    network: Memory | None = None
    energy: DeclaredEnergy | None = None
    device_hours: DeviceHours | None = None
    reported_emissions: Carbon | None = None  # what a card or paper prints: shown and checked, never counted
    functional_units: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    labels: dict[str, Annotated[str, BeforeValidator(_name)]] = Field(default_factory=dict)


_CPU = re.compile(
    r"\b(cpu|xeon|epyc|ryzen|threadripper|opteron|core\(tm\)|i[3579]-\d|graviton|altra|grace)\b", re.IGNORECASE
)
_HOST = re.compile(r"\b(server|dgx|poweredge|proliant|node|host|workstation|laptop)\b", re.IGNORECASE)
_MEMORY = re.compile(r"\b(dram|ddr\d|dimm|memory|ram)\b", re.IGNORECASE)
_REST = re.compile(r"\b(ssd|hdd|nvme|disk|switch|nic|storage)\b", re.IGNORECASE)


def component_of(name: str) -> str:
    """Tell which component a device is from its name; an accelerator where nothing says otherwise."""
    for pattern, component in ((_HOST, "host"), (_CPU, "cpu"), (_MEMORY, "memory"), (_REST, "rest")):
        if pattern.search(name):
            return component
    return "gpu"
