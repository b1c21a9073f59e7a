"""The figures of models, for a meter: rows of the factor tables, read without the libraries of the ledger."""

from __future__ import annotations

import csv
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from green.factors.names import HERE, aliases, device_key, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Interval(NamedTuple):
    """A value between its bounds."""

    low: float
    value: float
    high: float

    def times(self, other: Interval) -> Interval:
        """Return the product, each end with its own."""
        return Interval(self.low * other.low, self.value * other.value, self.high * other.high)


Curve = tuple[tuple[float, float, float, float, float, float, float], ...]
"""Parts of a line in order: up to a load, and for low, value and high the watts at no load and those a load adds."""


class Processor(NamedTuple):
    """What the tables know of a processor."""

    rated_w: Interval
    cores: int | None


def processor(name: str) -> Processor | None:
    """Return a processor by its name, None where no table has it."""
    key = device_key(name)
    return _of_key(key) or _of_key(aliases().get(key, ""))


def _of_key(key: str) -> Processor | None:
    powers: list[Interval] = []
    cores = None
    for row in _likely(key):
        if device_key(row["subject"]) != key:
            continue
        if row["quantity"] == "rated_power":
            powers.append(_interval(row))
        elif row["quantity"] == "cores":
            cores = int(float(row["value"]))
    if not powers:
        return None
    # as energy.sql takes it: the highest of several sources, within all of them
    lows, values, highs = zip(*powers, strict=True)
    return Processor(Interval(min(lows), max(values), max(highs)), cores)


def _likely(key: str) -> Iterator[dict[str, str]]:
    """Yield the rows of processors whose line holds the word with a number of a key: a name without one is no model.

    To make the keys of all rows would cost a start too much.
    """
    numbered = [word for word in key.split() if any(map(str.isdigit, word))]
    if numbered:
        needle = max(numbered, key=len).removesuffix("plus")
        head, *lines = (HERE / "cpus.csv").read_text(encoding="utf-8").splitlines()
        yield from csv.DictReader([head, *(line for line in lines if needle in line.lower())])


def _interval(row: dict[str, str]) -> Interval:
    value = float(row["value"])
    return Interval(float(row["low"] or value), value, float(row["high"] or value))


class Model(NamedTuple):
    """The models of power that power.csv holds."""

    loads: tuple[tuple[float, Interval], ...]  # load → share of the rated power, in order
    idle_w: Interval  # of a virtual processor whose model nobody knows
    full_w: Interval
    memory_w_per_gb: Interval
    storage_w_per_gb: Interval


def curve(points: Iterable[tuple[float, Interval]], times: Interval) -> Curve:
    """Return what a model draws by its load, linear between points that are in order, times an interval."""
    scaled = [(load, share.times(times)) for load, share in points]
    parts = []
    for (at0, first), (at1, last) in pairwise(scaled):
        slopes = [(b - a) / (at1 - at0) for a, b in zip(first, last, strict=True)]
        low_w, value_w, high_w = (a - slope * at0 for a, slope in zip(first, slopes, strict=True))
        parts.append((at1, low_w, slopes[0], value_w, slopes[1], high_w, slopes[2]))
    return tuple(parts)


def model() -> Model:
    """Read the models."""
    loads: list[tuple[float, Interval]] = []
    other: dict[tuple[str, str], Interval] = {}
    for row in rows("power.csv"):
        if row["quantity"] == "cpu_load_power":
            loads.append((float(row["subject"].removesuffix("%")) / 100, _interval(row)))
        else:
            other[row["quantity"], row["subject"]] = _interval(row)
    return Model(
        tuple(sorted(loads)),
        other["vcpu_power", "idle"],
        other["vcpu_power", "full"],
        other["power_model", "memory"],
        other["power_model", "storage"],
    )
