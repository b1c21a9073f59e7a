"""Other ways to write the same quantity, as papers and model cards do; each stands for exactly one, or is refused."""

from __future__ import annotations

import re

from green import units

_NUMBER = r" *+([-+.0-9]++(?:[eE][-+]?[0-9]{1,3})?)"
# "1.46M GPU-hours", "320256 GPU hours". Hours of a node or of a core are no hours of a device, and not among them.
_DEVICE_HOURS = re.compile(_NUMBER + r" ?([kM]?) ?(?:GPU|TPU|NPU|CPU|chip|device)[- ]h(?:ours?)?(?![A-Za-z])")
_FLOP = re.compile(_NUMBER + r" ?(?:([GTPEZ]?)FLOPs?|(PF)[- ]days?) *+")
_BILLION = re.compile(_NUMBER + " ?B")
_PER_HOUR = re.compile(r" ?/ ?h\b")
_POWER_OF_TEN = {"": "", "k": "e3", "M": "e6", "G": "e9", "T": "e12", "P": "e15", "E": "e18", "Z": "e21"}
_PETAFLOP_DAY = 86_400  # of 1e15 operations a second


def device_hours(raw: object) -> object:
    """Write hours of devices as hours; whatever else it is stays as it is."""
    if not isinstance(raw, str) or (found := _DEVICE_HOURS.match(raw)) is None:
        return raw
    return f"{found[1]}{_POWER_OF_TEN[found[2]]} h{raw[found.end() :]}"


def device_hour_price(raw: object) -> object:
    """Write a price per hour of a device as the price of a device-hour."""
    return _PER_HOUR.sub("", raw, count=1) if isinstance(raw, str) else raw


def flops(raw: object) -> float:
    """Read a number of operations: a plain number, or one in FLOP, GFLOP to ZFLOP, or PF-days."""
    if not isinstance(raw, str) or (found := _FLOP.fullmatch(raw)) is None:
        return count(raw)
    if found[3]:
        return float(units.parse(f"{found[1]}e15", "1").value * _PETAFLOP_DAY)
    return count(f"{found[1]}{_POWER_OF_TEN[found[2]]}")


def count(raw: object) -> float:
    """Read how many of something: a plain number, or one with k, M, G or T; a share or an interval is no count."""
    if not isinstance(raw, str | int | float):
        raise units.BadQuantity("not a number", 'write one as in 340000000 or "340 M"')
    if isinstance(raw, str) and _BILLION.fullmatch(raw):
        raise units.BadQuantity("B is bytes: a billion is G", 'write it as in "7 G"')
    found = units.parse(raw, "1")
    if found.low is not None or units.unit_of(raw) == "%":
        raise units.BadQuantity(f"{raw} is no count", 'write one as in 340000000 or "340 M"')
    return float(found.value)
