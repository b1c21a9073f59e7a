"""Factor tables: one fact a line with its source, read into the table `factor` that every stage joins.

The files beside this one share a header. A device is joined by `subject_key`, the normal form of its name;
each other name of it gives a further row with the same `factor_id`, so that (quantity, subject_key) is all
that a join needs.
"""

from __future__ import annotations

import csv
import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING

from green.errors import UsageError, Where
from green.factors.names import HERE, aliases, device_key, nearest, nearest_zones, zone_of
from green.tables import FACTOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from duckdb import DuckDBPyConnection

__all__ = [
    "COMPONENTS",
    "QUANTITIES",
    "catalogue",
    "device_key",
    "faults",
    "files",
    "load",
    "nearest",
    "nearest_zones",
    "subject_key",
    "zone_of",
]

PRECISIONS = ("bf16", "fp16", "fp32", "fp64", "fp8", "int8", "tf32")
# Quantity → the units that it may be written in.
QUANTITIES = {
    "bill": ("1",),
    "cores": ("1",),
    "cpu_load_power": ("1",),  # of the rated power, at a load
    "die_area": ("mm2",),
    "cfe": ("1",),
    "embodied": ("kgCO2e",),
    "embodied_adp": ("kgSbeq",),
    "embodied_end_of_life": ("kgCO2e",),
    "embodied_part": ("kgCO2e", "kgCO2e/cm2", "kgCO2e/GB", "kgCO2e/kg", "kgCO2e/mm2", "kgCO2e/tkm"),
    "embodied_part_adp": ("kgSbeq", "kgSbeq/cm2", "kgSbeq/kg", "kgSbeq/mm2", "kgSbeq/tkm"),
    "embodied_part_primary_energy": ("MJ", "MJ/cm2", "MJ/kg", "MJ/mm2", "MJ/tkm"),
    "embodied_part_water": ("L", "L/cm2", "L/kg", "L/mm2", "L/tkm"),
    "embodied_primary_energy": ("MJ",),
    "embodied_transport": ("kgCO2e",),
    "embodied_water": ("L",),
    "end_of_life_share": ("1",),
    "equivalent": ("kgCO2e",),
    "ewif": ("L/kWh",),
    "grid_intensity": ("gCO2e/kWh",),
    "lifetime": ("h",),
    "market_intensity": ("gCO2e/kWh",),
    "memory_capacity": ("GB",),
    "part_attribute": ("1", "1/cm2", "GB/cm2", "kg", "km"),  # what a part has where its bill does not say
    **{f"peak_flops_{precision}": ("TFLOPS",) for precision in PRECISIONS},
    "power_model": ("1", "W", "W/GB", "kWh/GB"),
    "pue": ("1",),
    "rated_power": ("W",),
    "region_zone": ("1",),
    "sensor_error": ("1",),
    "transport_distance": ("km",),
    "tariff": ("USD/kWh",),
    "vcpu_power": ("W",),
    "wue": ("L/kWh",),
    "zone": ("1",),
}
_FOOTPRINT = ("bottom-up", "maker", "published")
METHODS = {  # where the method decides how a stage uses the value
    **{q: _FOOTPRINT for q in QUANTITIES if q.startswith("embodied") and "part" not in q},
    "grid_intensity": ("direct", "lifecycle"),
    "market_intensity": ("contract", "residual-mix"),
}
# What a value can be at all: a PUE of 0.9 or a share of 95 is a slip of the pen.
RANGES = {"cfe": (0.0, 1.0), "pue": (1.0, math.inf)}
COMPONENTS = ("cpu", "gpu", "host", "memory", "rest")  # subjects of `lifetime` that are no device
COLUMNS = {name: kind for name, kind in FACTOR.items() if name != "subject_key"}
_OF_DEVICES = (
    *("bill", "cores", "die_area", "embodied", "embodied_adp", "embodied_end_of_life", "embodied_primary_energy"),
    *("embodied_transport", "embodied_water", "lifetime", "memory_capacity", "rated_power", "sensor_error"),
    *(f"peak_flops_{precision}" for precision in PRECISIONS),
)
# A stage takes one value of a place and time: an organisation's own hides ours, whatever its id. Ours without a
# period is what remains for the years that no other row covers.
OF_PLACES = ("cfe", "ewif", "grid_intensity", "market_intensity", "pue", "tariff", "wue")
_HIDE = """
    delete from factor_row as ours using factor_row as own
    where own.file_number > ours.file_number and list_contains($1, own.quantity)
    and own.quantity = ours.quantity and own.subject = ours.subject
    and (own.method = ours.method or not list_contains($2, own.quantity))
    and (own.valid_from is null or ours.valid_to is null or own.valid_from <= ours.valid_to)
    and (own.valid_to is null or ours.valid_from is null or ours.valid_from <= own.valid_to)
    and (coalesce(ours.valid_from, ours.valid_to) is not null or coalesce(own.valid_from, own.valid_to) is null)
"""


def files() -> list[Path]:
    """Return our own tables in order; the names of devices are no facts and stay out."""
    return sorted(path for path in HERE.glob("*.csv") if path.name != "aliases.csv")


def subject_key(quantity: str, subject: str) -> str:
    """Return what a stage joins a factor by."""
    return device_key(subject) if quantity in _OF_DEVICES and subject not in COMPONENTS else subject


def shipped() -> list[Path]:
    """Return all of ours that the table is made of: our own tables, the other names of devices, and what reads them."""
    return [path for path in sorted(HERE.iterdir()) if path.suffix in {".csv", ".py"}]


def load(connection: DuckDBPyConnection, extra: Sequence[Path] = ()) -> str:
    """Create the table `factor` from the files, of which the last row of a `factor_id` wins; return its digest."""
    _fill(connection, extra)
    text = " || chr(31) || ".join(f"coalesce(cast({name} as varchar), '')" for name in FACTOR)
    digest = connection.execute(
        f"select sha256(string_agg({text}, chr(30) order by factor_id, subject_key)) from factor",
    ).fetchone()
    return str(digest[0]) if digest else ""


def _fill(connection: DuckDBPyConnection, extra: Sequence[Path]) -> None:
    for path in extra:
        _check(path)
    scans = [_scan([str(path) for path in files()], 0)]
    scans += [_scan([str(path)], number) for number, path in enumerate(extra, start=1)]
    last = "qualify row_number() over (partition by factor_id order by file_number desc) = 1" if extra else ""
    union = " union all by name ".join(scans)
    connection.execute(f"create or replace temp table factor_row as from ({union}) select * {last}")
    if extra:
        connection.execute(_HIDE, [list(OF_PLACES), list(METHODS)])
    devices = connection.execute(
        "select distinct quantity, subject from factor_row where quantity in (select unnest($1))",
        [list(_OF_DEVICES)],
    ).fetchall()
    capacity = connection.execute(
        "select subject, value from factor_row where quantity = 'memory_capacity'",
    ).fetchall()
    keys = list(_keys(devices, capacity))
    connection.execute(
        f"""
        create or replace table factor as
        select {", ".join(f"cast({name} as {kind}) as {name}" for name, kind in FACTOR.items())}
        from (
            select factor_row.*, coalesce(key.subject_key, factor_row.subject) as subject_key
            from factor_row
            left join (select unnest($1) as quantity, unnest($2) as subject, unnest($3) as subject_key) as key
                using (quantity, subject)
        )
        order by factor_id, subject_key
        """,
        [list(column) for column in zip(*keys, strict=True)] if keys else [[""], [""], [""]],
    )
    connection.execute("drop table factor_row")


def _scan(paths: Sequence[str], number: int) -> str:
    """Return the SQL that reads some tables with the columns that we say, so that nothing is sniffed."""
    names = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    return (
        f"select *, {number} as file_number from read_csv([{names}], columns = {{{columns}}}, header = true, "
        "auto_detect = false, delim = ',', quote = '\"', escape = '\"')"
    )


def _keys(
    devices: Iterable[tuple[str, str]],
    capacity: Iterable[tuple[str, float]],
) -> Iterable[tuple[str, str, str]]:
    """Yield each (quantity, subject) of a device with its key, and with the key of each of its other names.

    A name that adds the memory that the device has is another name of it: `RTX 4090 24GB`.
    """
    others: dict[str, list[str]] = {}
    for alias, key in aliases().items():
        others.setdefault(key, []).append(alias)
    for subject, memory_gb in capacity:
        key = device_key(subject)
        if not key.endswith("gb"):
            others.setdefault(key, []).append(f"{key} {memory_gb:g}gb")
    for quantity, subject in devices:
        key = subject_key(quantity, subject)
        yield quantity, subject, key
        if key != subject:
            for other in sorted(set(others.get(key, ()))):
                yield quantity, subject, other


def catalogue(
    words: Sequence[str] = (),
    quantity: str | None = None,
    extra: Sequence[Path] = (),
) -> list[dict[str, object]]:
    """Return the factors whose id, subject or note hold all the words, in the order of their ids."""
    from green.engine import duckdb  # noqa: PLC0415 - 120 ms that `green --help` need not pay

    with duckdb.connect() as connection:
        load(connection, extra)
        cursor = connection.execute(
            f"select distinct {', '.join(COLUMNS)} from factor "
            "where quantity = coalesce($1, quantity) and list_bool_and(list_transform($2, lambda word: "
            "contains(lower(concat_ws(' ', factor_id, subject, subject_key, note)), lower(word)))) "
            "is not false order by factor_id",
            [quantity, list(words)],
        )
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _check(path: Path) -> None:
    """Refuse a table of an organisation's own that a stage could misread, with the place and the mending."""
    header = list(COLUMNS)
    try:
        stream = path.open(encoding="utf-8", newline="")
    except OSError as error:
        what = f"cannot read factors: {error.strerror}"
        raise UsageError(what, where=Where(str(path)), mend="name a CSV file") from error
    with stream:
        reader = csv.reader(stream)
        if next(reader, None) != header:
            raise UsageError("wrong header", where=Where(str(path), 1), mend=f"write `{','.join(header)}`")
        seen: dict[str, int] = {}
        for cells in reader:
            where = Where(str(path), reader.line_num, text=",".join(cells))
            if len(cells) != len(header):
                what = f"{len(cells)} cells instead of {len(header)}"
                raise UsageError(what, where=where, mend="quote a cell that holds a comma")
            for what, mend in faults(dict(zip(header, cells, strict=True))):
                raise UsageError(what, where=where, mend=mend)
            if first := seen.get(cells[0]):
                what = f"factor_id `{cells[0]}` stands in line {first}, too"
                raise UsageError(what, where=where, mend="rename one")
            seen[cells[0]] = reader.line_num


def faults(row: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with a row and how to mend it."""
    for name in ("factor_id", "quantity", "subject", "value", "unit", "method", "source", "licence"):
        if not row[name].strip():
            yield f"`{name}` is empty", "every factor says what it is and where it comes from"
    units = QUANTITIES.get(row["quantity"])
    if units is None:
        yield f"unknown quantity `{row['quantity']}`", f"one of {', '.join(QUANTITIES)}"
    elif row["unit"] not in units:
        yield f"`{row['unit']}` is no unit of {row['quantity']}", f"write it in {' or '.join(units)}"
    methods = METHODS.get(row["quantity"])
    if methods is not None and row["method"] not in methods:
        yield f"`{row['method']}` is no method of {row['quantity']}", f"one of {', '.join(methods)}"
    numbers = [_number(row[name]) for name in ("low", "value", "high") if row[name] or name == "value"]
    if not all(number >= 0 for number in numbers):
        yield "value, low and high are numbers from 0 up", "write 12.5, without a unit"
    elif numbers != sorted(numbers):
        yield "low, value and high are not in order", "low ≤ value ≤ high"
    least, most = RANGES.get(row["quantity"], (0.0, math.inf))
    if any(number < least or number > most for number in numbers if number >= 0):
        yield f"no {row['quantity']}: it lies from {least:g} to {most:g}", "a share is written 0.95, never 95"
    days = [row[name] for name in ("valid_from", "valid_to") if row[name]]
    if not all(_is_day(day) for day in days) or days != sorted(days):
        yield "valid_from and valid_to are no period", "write days in order, as 2026-01-31, or none"


def _number(text: str) -> float:
    """Return the number, NaN for anything that is none."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
