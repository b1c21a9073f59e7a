"""Quantities as workflow tools and schedulers write them: durations, sizes and energies with a unit.

Everything is exact: a text becomes a `Decimal` of seconds, bytes or kWh, or None where it is no such
quantity. A unit that is not in the table is none, never the nearest.
"""

from __future__ import annotations

import re
from decimal import Decimal

from green.readers.parse import MOST_CHARS, decimal

SECONDS = {
    "ns": Decimal("1e-9"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "sec": Decimal(1),
    "m": Decimal(60),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86_400),
    "day": Decimal(86_400),
    "days": Decimal(86_400),
    "week": Decimal(604_800),
    "weeks": Decimal(604_800),
}
PREFIX = {
    prefix: Decimal(10) ** (3 * n - 12)
    for n, prefix in enumerate(("p", "n", "u", "m", "", "k", "M", "G", "T", "P", "E"))
}
PREFIX |= {"µ": PREFIX["u"], "μ": PREFIX["u"], "K": PREFIX["k"]}
BINARY = {prefix: 1024**n for n, prefix in enumerate(("", "K", "M", "G", "T", "P"))}
J_PER_KWH = Decimal(3_600_000)
S_PER_H = Decimal(3600)
B_PER_GB = Decimal(10) ** 9

_SPOKEN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,7})-)?(?:(\d{1,9}):)?(\d{1,9}):(\d\d(?:\.\d{1,9})?)", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGTP]?)i?B?[cn]?", re.ASCII)
_ENERGY = re.compile(r"([\d.]+(?:[eE][+-]?\d{1,3})?)\s*([pnumkKMGTPEµμ]?)(Wh|J)")
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGTPE]?)", re.ASCII)


def spoken_s(text: str) -> Decimal | None:
    """Return the seconds of "1d 2h 3m 4.5s" or "374ms"; a number alone is milliseconds, as in Nextflow's raw traces."""
    text = text.strip()
    if len(text) > MOST_CHARS or not text:
        return None
    raw = decimal(text)
    if raw is not None:
        return raw / 1000 if raw >= 0 else None
    total, at = Decimal(0), 0
    while at < len(text):
        match = _SPOKEN.match(text, at)
        if match is None or match[2] not in SECONDS:
            return None
        total += Decimal(match[1]) * SECONDS[match[2]]
        at = match.end()
    return total


def clock_s(text: str) -> Decimal | None:
    """Return the seconds of Slurm's "[days-][hours:]minutes:seconds[.fraction]"."""
    text = text.strip()
    match = _CLOCK.fullmatch(text) if len(text) <= MOST_CHARS else None
    if match is None:
        return None
    days, hours, minutes = (int(part or 0) for part in match.group(1, 2, 3))
    return ((days * 24 + hours) * 60 + minutes) * 60 + Decimal(match[4])


def size_b(text: str) -> Decimal | None:
    """Return the bytes of "7.4 MB", "1000M" or "6760Mc"; prefixes are binary, as the tools that write them count."""
    text = text.strip()
    match = _SIZE.fullmatch(text) if len(text) <= MOST_CHARS else None
    return None if match is None else Decimal(match[1]) * BINARY[match[2]]


def energy_kwh(text: str) -> Decimal | None:
    """Return the kWh of "17.85 mWh" or "3 kJ"; None without a unit, for it would be a guess."""
    text = text.strip()
    match = _ENERGY.fullmatch(text) if len(text) <= MOST_CHARS else None
    number = None if match is None else decimal(match[1])
    if match is None or number is None:
        return None
    return number * PREFIX[match[2]] / (J_PER_KWH if match[3] == "J" else 1000)


def joules(text: str) -> Decimal | None:
    """Return the joules of Slurm's "54156" or "1.23K": its prefixes of an energy are decimal."""
    text = text.strip()
    match = _COUNT.fullmatch(text) if len(text) <= MOST_CHARS else None
    return None if match is None else Decimal(match[1]) * PREFIX[match[2]]


def plain(value: Decimal) -> str:
    """Write a number without an exponent, as DuckDB casts it to an exact decimal."""
    return f"{value:f}"
