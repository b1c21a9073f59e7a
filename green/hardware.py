"""The hardware of a run: what a record or a site declares, what logs meter, what they only name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from green.draft import Draft, Row, Rows, spread
from green.factors.names import device_key
from green.model import BillItem, Device, Record, component_of
from green.readers.intervals import merged
from green.sink import UNSORTED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from green.readers.intervals import Asked, Intervals
    from green.units import Quantity


WHOLE = frozenset({(), ("device",), ("component",), ("count",), ("share",)})
FOOTPRINT = frozenset({("embodied",), ("lifetime",), ("utilisation",)})
UNREADABLE = "unreadable;count=1"  # a bill that is written and unknown: no kind of part, so no sum


@cache
def silent() -> Record:
    """Return the record of a run of which nobody says anything: made once, for most runs of many have none."""
    return Record()


def devices(draft: Draft, site_hardware: Sequence[Device], rows: Rows) -> list[tuple[int, str, str, int | None]]:
    """Add the devices of a run: declared ones, metered ones, and those that logs only name."""
    record = draft.record.record if draft.record else silent()
    wrong = {path[0] for path in (draft.record.dropped if draft.record else ())}
    if "device_hours" in wrong:  # hours that are written and unknown: count × duration must not take their place
        record = record.model_copy(update={"hardware": ()})
    declared = record.hardware or (() if wrong & {"hardware", "device_hours"} else site_hardware)
    origin = "hardware" if record.hardware else "site"
    for number, device in enumerate(declared):
        _declared(draft, device, number, origin, rows)
    sole = {c: [d for d in declared if (d.component or component_of(d.device)) == c] for c in ("gpu", "cpu", "host")}
    series_rows: dict[str, Row] = {}
    gaps: dict[str, list[Intervals | Asked]] = {}
    unsorted: set[str] = set()
    mapping: list[tuple[int, str]] = []
    several = len({log.file for log, _ in draft.parts}) > 1
    for log, own in draft.parts:
        for item in log.sink.all_series:
            if item.run != own:
                continue
            device_id = item.uuid or (f"{log.file}:{item.device}" if several else item.device)
            mapping.append((item.number, device_id))
            gaps.setdefault(device_id, []).append(item.asked or item.intervals)
            if not item.is_ordered:
                unsorted.add(device_id)
            known = sole.get(item.component, [])
            twin = known[0] if len(known) == 1 else None
            row = series_rows.setdefault(device_id, _log_device(draft, device_id, item.component, log.file, twin))
            row["name"] = row["name"] or item.name or (twin.device if twin else None)
            row["device_key"] = device_key(row["name"]) if row["name"] else None
            row["uuid"] = row["uuid"] or item.uuid
            row["sensor_method"] = row["sensor_method"] or item.method
            row["tool"] = row["tool"] or log.reader
            row["is_embodied"] = not declared
            _bound(row, item.low_ratio, item.high_ratio)
            _widen(row, item.first_us, item.last_us)
    metered = {row["component"] for row in series_rows.values() if row["name"]}
    rows.tables.setdefault("device", []).extend(series_rows.values())
    for log, own in draft.parts:
        for number, hardware in enumerate(item for item in log.sink.hardware if item.run == own):
            row = _log_device(draft, f"{log.file}:{hardware.device}:{number}", hardware.component, log.file, None)
            row.update(name=hardware.name, count=hardware.count, line=hardware.line)
            row["device_key"] = device_key(hardware.name) if hardware.name else None
            row["tool"] = log.reader
            row["is_embodied"] = not declared and hardware.component not in metered
            rows.tables["device"].append(row)
    max_gap = {device_id: merged(intervals).max_gap_us() for device_id, intervals in gaps.items()}
    max_gap.update(dict.fromkeys(unsorted, UNSORTED))
    return [(number, draft.run_id, device_id, max_gap[device_id]) for number, device_id in mapping]


def _bound(row: Row, low_ratio: float | None, high_ratio: float | None) -> None:
    """Take the widest of what the logs of one device say of their model."""
    for key, ratio, widest in (("sensor_low_ratio", low_ratio, min), ("sensor_high_ratio", high_ratio, max)):
        if ratio is not None:
            row[key] = ratio if row[key] is None else widest(row[key], ratio)


def _widen(row: Row, first_us: int | None, last_us: int | None) -> None:
    if first_us is not None and last_us is not None:
        row["first_at"] = first_us if row["first_at"] is None else min(row["first_at"], first_us)
        row["last_at"] = last_us if row["last_at"] is None else max(row["last_at"], last_us)


def _blank(draft: Draft, device_id: str, component: str) -> Row:
    row: Row = {
        "run_id": draft.run_id,
        "device_id": device_id,
        "component": component,
        "count": 1.0,
        "share": 1.0,
    }
    row.update(uuid=None, sensor_method=None, first_at=None, last_at=None, utilisation=None, is_embodied=True)
    row.update(bill=None, serial=None, tool=None, sensor_low_ratio=None, sensor_high_ratio=None)
    return row


def _log_device(draft: Draft, device_id: str, component: str, file: str, twin: Device | None) -> Row:
    row = _blank(draft, device_id, component)
    row.update(origin="log", file=file, line=1, name=None, device_key=None)
    for key, unit in _QUANTITIES:
        spread(row, key, getattr(twin, key) if twin and key == "rated_power" else None, unit)
    return row


_QUANTITIES = (
    ("average_power", "w"),
    ("rated_power", "w"),
    ("load", ""),
    ("embodied", "kgco2e"),
    ("lifetime", "h"),
)


def _declared(draft: Draft, device: Device, number: int, origin: str, rows: Rows) -> None:
    row = _blank(draft, f"{origin}[{number}]", device.component or component_of(device.device))
    row.update(origin=origin, name=device.device, device_key=device_key(device.device), count=float(device.count))
    read = draft.record
    row["file"] = read.file if read and origin == "hardware" else "config.yaml"
    row["line"] = read.line_of.get(f"hardware[{number}]", 1) if read and origin == "hardware" else 1
    row["share"] = float(device.share.value) if device.share else 1.0
    row["utilisation"] = float(device.utilisation.value) if device.utilisation else None
    row.update(serial=device.serial, bill=bill(device))
    for key, unit in _QUANTITIES:
        spread(row, key, getattr(device, key), unit)
    wrong = {path[2:3] for path in (read.dropped if read else ()) if path[:2] == ("hardware", number)}
    if origin == "hardware" and wrong & WHOLE:
        for key, unit in _QUANTITIES:
            spread(row, key, None, unit)
    if origin == "hardware" and ("parts",) in wrong:
        row["bill"] = UNREADABLE
    if origin == "hardware" and wrong & (WHOLE | FOOTPRINT):  # written and unknown: the catalogue must not answer
        spread(row, "embodied", None, "kgco2e")
        row["device_key"] = row["bill"] = None
    if draft.is_child:  # the record's power was declared for the folder, not for each row of a file in it
        for key, unit in (("average_power", "w"), ("load", "")):
            spread(row, key, None, unit)
    rows.tables.setdefault("device", []).append(row)


ATTRIBUTES = {  # key of a part → its name with the unit that formulas.sql knows it by
    "embodied": "embodied_kgco2e",
    "die": "die_mm2",
    "capacity": "capacity_gb",
    "density": "density_gb_per_cm2",
    "mass": "mass_kg",
    "casing": "casing_kg",
    "heatsink": "heatsink_kg",
    "pwb": "pwb_cm2",
    "memory": "memory_gb",
    "boat": "boat_km",
    "truck": "truck_km",
    "plane": "plane_km",
}


def bill(device: Device) -> str | None:
    """Write the parts of a device in the form of formulas.sql, in order: the order of a record must not matter."""
    return "|".join(sorted(_written(item) for item in device.parts)) or None


def _written(item: BillItem) -> str:
    cells = [f"count={item.count}"]
    if item.device is not None:
        cells.append(f"device={device_key(item.device)}")  # a key holds nothing but letters, digits, points and spaces
    if item.memory_dies is not None:
        cells.append(f"memory_dies={item.memory_dies}")
    for key, name in ATTRIBUTES.items():
        value: Quantity | None = getattr(item, key)
        if value is not None:
            ends = "" if value.low is value.high is None else f",{_number(value.low)},{_number(value.high)}"
            cells.append(f"{name}={_number(value.value)}{ends}")
    return ";".join([item.part, *sorted(cells)])


def _number(value: Decimal | None) -> str:
    return "" if value is None else f"{float(value)!r}".removesuffix(".0")
