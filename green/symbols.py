"""The units that may be written: symbols, their sizes, and hints for those that are none."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from difflib import get_close_matches
from functools import lru_cache

# A context of our own: the caller's precision must never change a figure.
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
MAX_VALUE = Decimal("1e30")
MIN_VALUE = Decimal("1e-30")

_WORD = re.compile(r"[MGT]?[a-z_]{2,40}")
# dimension, then symbol and size in the base of the dimension: W, J, s, gCO2e, mL, B, USD, g, mm2, km, 1.
# Carbon is a dimension of its own; the avoirdupois pound is exact by definition (1959).
_TABLE = """
power   W 1  kW 1e3  MW 1e6
energy  J 1  kJ 1e3  MJ 1e6  mWh 3.6  Wh 3600  kWh 3.6e6  MWh 3.6e9  GWh 3.6e12  TWh 3.6e15
time    s 1  min 60  h 3600  d 86400  y 31536000
carbon  gCO2e 1  kgCO2e 1e3  tCO2e 1e6  ktCO2e 1e9  lbCO2e 453.59237
volume  mL 1  L 1e3  kL 1e6  m3 1e6  ML 1e9
data    B 1  kB 1e3  KB 1e3  MB 1e6  GB 1e9  TB 1e12
money   USD 1
mass    g 1  kg 1e3
area    mm2 1  cm2 100
length  km 1
number  1 1  % 0.01
"""
SYMBOLS: dict[str, tuple[str, Decimal]] = {
    symbol: (row[0], Decimal(size))
    for row in map(str.split, _TABLE.strip().splitlines())
    for symbol, size in zip(row[1::2], row[2::2], strict=True)
}
PREFIX = {"k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"), "T": Decimal("1e12")}
# The units that people are shown, small to large.
_SHOWN = """
power W kW MW;  energy Wh kWh MWh GWh TWh;  time s min h d;  carbon gCO2e kgCO2e tCO2e ktCO2e
volume mL L m3 ML;  data B kB MB GB TB
"""
SCALES: dict[str, tuple[str, ...]] = {
    row[0]: tuple(row[1:]) for row in map(str.split, _SHOWN.replace("\n", ";").split(";")) if row
}
# What is no unit here, and what was probably meant.
_MEANT = """
W watt watts;  s sec secs second seconds;  min m mins minute minutes;  h hr hrs hour hours
d day days;  y year years yr a;  L l liter litre liters litres;  m3 m³ m^3;  % percent pct
USD $ dollar dollars;  gCO2e g;  kgCO2e kg;  tCO2e t ton tonne tons tonnes;  ktCO2e kt;  lbCO2e lb
"""
_SPELLED = {word: row[0] for row in map(str.split, _MEANT.replace("\n", ";").split(";")) for word in row[1:]}
_CURRENCIES = frozenset({"EUR", "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD", "SEK", "NOK", "€", "£", "¥"})


class BadQuantity(ValueError):  # noqa: N818 -- the name that every caller uses
    """A text that is no quantity, or one of another dimension; reads "what | how to mend"."""

    def __init__(self, what: str, mend: str) -> None:
        """Keep both parts, for pydantic shows one text and an error shows two lines."""
        super().__init__(f"{what} | {mend}")
        self.what = what
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Unit:
    """One factor of a unit: its dimension, or the word that it counts, and its size."""

    dimension: str
    size: Decimal
    word: str = ""


def singular(word: str) -> str:
    """Return the singular of a functional unit, so that `per: tokens` meets "gCO2e/token"."""
    if word.endswith("ies") and len(word) > 4:  # noqa: PLR2004 -- "ties" is not the plural of "ty"
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def unit_named(text: str) -> Unit:
    """Look a unit up; a word of small letters is the name of something that is counted."""
    if text in SYMBOLS:
        return Unit(*SYMBOLS[text])
    if _WORD.fullmatch(text):
        size = PREFIX.get(text[0])
        if size is None or text[0] == "k":  # a small k may begin the word itself: see _ratio
            return Unit("count", Decimal(1), singular(text))
        return Unit("count", size, singular(text[1:]))
    raise BadQuantity(f"unknown unit {shown(text)}", _hint(text))


@lru_cache(maxsize=1024)
def factor(from_unit: str, to_unit: str) -> tuple[Decimal, Decimal]:
    """Return numerator and denominator of the conversion between two units."""
    above, slash, below = from_unit.partition("/")
    to_above, to_slash, to_below = to_unit.partition("/")
    if slash != to_slash:
        raise _other(from_unit, to_unit)
    up, down = _ratio(above, to_above, from_unit, to_unit)
    if not slash:
        return up, down
    per_up, per_down = _ratio(below, to_below, from_unit, to_unit)
    return EXACT.multiply(up, per_down), EXACT.multiply(down, per_up)


def _ratio(source: str, target: str, from_unit: str, to_unit: str) -> tuple[Decimal, Decimal]:
    """Compare one factor of two units; "ktoken" is a thousand tokens only beside "token"."""
    one, other = unit_named(source), unit_named(target)
    if one.dimension == other.dimension:
        if one.word == other.word:
            return one.size, other.size
        if one.word == "k" + other.word:
            return EXACT.multiply(one.size, PREFIX["k"]), other.size
        if other.word == "k" + one.word:
            return one.size, EXACT.multiply(other.size, PREFIX["k"])
    if one.dimension == "count" and _near(source):
        raise BadQuantity(f"unknown unit {shown(source)}", _hint(source))
    raise _other(from_unit, to_unit)


def _other(from_unit: str, to_unit: str) -> BadQuantity:
    meant = _SPELLED.get(from_unit)  # "5 kg" of CO2e: a unit in itself, and probably not meant so
    return BadQuantity(
        f"{shown(from_unit)} is {_dimension(from_unit)}, where {_dimension(to_unit)} is expected",
        f"did you mean {meant}?" if meant == to_unit else f"write it in {to_unit}",
    )


def _dimension(unit: str) -> str:
    names = [one.word or one.dimension for one in map(unit_named, unit.split("/"))]
    return " per ".join(names) + (" (a count)" if unit_named(unit.split("/", maxsplit=1)[0]).word else "")


def _near(text: str) -> list[str]:
    """Find the units that a text was probably meant to be."""
    bare = text.replace(" ", "").replace("CO2eq", "CO2e").replace("CO₂", "CO2")
    if bare in _SPELLED or bare in SYMBOLS:
        return [_SPELLED.get(bare, bare)]
    same = [symbol for symbol in SYMBOLS if symbol.lower() == bare.lower()]
    return same or get_close_matches(bare, SYMBOLS, n=1, cutoff=0.75)


def _hint(text: str) -> str:
    """Say what to write instead of an unknown unit."""
    if text in _CURRENCIES:
        return "amounts of money are in USD: convert it"
    if text.endswith(("CO2", "CO\u2082")):
        return f"CO2 alone is not CO2e: write {text}e if it covers all greenhouse gases"
    if near := _near(text):
        return f"did you mean {' or '.join(near)}?"
    return "units: " + " ".join(symbol for symbol in SYMBOLS if symbol != "1")


def shown(raw: object, *, bare: bool = False) -> str:
    """Quote what was written, short and without control characters."""
    text = raw if isinstance(raw, str) else "a huge number" if is_huge(raw) else str(raw)
    text = text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004 -- a line's worth
    quoted = json.dumps(text, ensure_ascii=not text.isprintable())
    return quoted[1:-1] if bare or not isinstance(raw, str) else quoted


def is_huge(raw: object) -> bool:
    """Tell whether an integer is out of range, without turning it into text."""
    return isinstance(raw, int) and abs(raw) > int(MAX_VALUE)
