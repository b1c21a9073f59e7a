"""Quantities with units: a small grammar, exact decimals, and figures written for people.

    number, optional spaces, unit, optional "/unit", optional "± 5 %" or "± 3 W" (also "+-")

Nothing is guessed: what this grammar does not know is refused, at once and with a hint. General
unit libraries read "1,2 tCO2e" as 12 and hang on "9**9**9**9"; a budget must not depend on that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

from green.symbols import (
    EXACT,
    MAX_VALUE,
    MIN_VALUE,
    PREFIX,
    SCALES,
    BadQuantity,
    factor,
    is_huge,
    shown,
    singular,
    unit_named,
)

__all__ = [
    "BadQuantity",
    "Quantity",
    "convert",
    "format_quantity",
    "is_dimensionless",
    "parse",
    "singular",
    "unit_of",
]

MAX_CHARS = 100
_THREE_DIGITS = Context(prec=3, rounding=ROUND_HALF_EVEN)
_NEARLY_ONE = Decimal("0.99")  # with three digits, less than this is never 1

# Possessive quantifiers (++, ?+) cannot backtrack, and only ASCII digits are digits.
_NUMBER = re.compile(r"[-+]?+(?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)(?:[eE][-+]?[0-9]{1,3})?")
# Other spellings of the same unit, and none that is another quantity: CO2 alone is not CO2e.
_CARBON = re.compile(r" ?CO[2\u2082](?:e|eq|-eq)(?![A-Za-z])")
_PER = re.compile(r" ?/ ?")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value in `unit`, with its interval where one was stated."""

    value: Decimal
    low: Decimal | None
    high: Decimal | None
    unit: str


def parse(raw: object, unit: str, *, allow_negative: bool = False) -> Quantity:
    """Read a quantity and convert it to `unit`; raise BadQuantity for all that is not one."""
    if isinstance(raw, Mapping):
        return _interval(raw, unit, allow_negative=allow_negative)
    if not isinstance(raw, str):
        if not is_dimensionless(unit):
            raise BadQuantity(f"{shown(raw)} has no unit", f'write the unit, as in "{shown(raw, bare=True)} {unit}"')
        return Quantity(_checked(_bare(raw), raw, allow_negative=allow_negative), None, None, unit)
    head, tolerance = _split_tolerance(raw)
    number, written = _split(head, raw)
    value = _in_unit(number, written, unit, raw, allow_negative=allow_negative)
    if tolerance is None:
        return Quantity(value, None, None, unit)
    margin, of = _split(tolerance, raw)
    if margin < 0:
        raise BadQuantity(f"the tolerance of {shown(raw)} is negative", "write it without a sign")
    if of == "%" and written == "%":
        raise BadQuantity(f"{shown(raw)} may mean percent or points", "write {value: …, low: …, high: …}")
    if of == "%":
        spread = EXACT.multiply(abs(value), EXACT.multiply(margin, Decimal("0.01")))
    else:
        spread = _in_unit(margin, of, unit, raw, allow_negative=False)
    low = _checked(EXACT.subtract(value, spread), raw, allow_negative=allow_negative)
    return Quantity(value, low, _checked(EXACT.add(value, spread), raw, allow_negative=True), unit)


def unit_of(raw: object) -> str:
    """Return the unit that a text is written in, in its canonical spelling; "1" without one."""
    if isinstance(raw, Mapping):
        return unit_of(raw.get("value"))
    return _split(_split_tolerance(raw)[0], raw)[1] if isinstance(raw, str) else "1"


def convert(value: Decimal | float, from_unit: str, to_unit: str) -> Decimal:
    """Convert a finite number between two units of the same dimension, exact to 60 digits."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if from_unit == to_unit:
        return exact
    up, down = factor(from_unit, to_unit)
    return EXACT.divide(EXACT.multiply(exact, up), down)


def is_dimensionless(unit: str) -> bool:
    """Tell whether a bare number may stand for a quantity of `unit`: "1", "%" or a count."""
    return "/" not in unit and unit_named(unit).dimension in {"number", "count"}


def format_quantity(value: Decimal | float, unit: str) -> str:
    """Write a quantity for people: three significant digits, in the unit of its size."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not exact.is_finite():
        return f"{exact} {unit}".removesuffix(" 1")
    scale = _scale(unit)
    if exact == 0 and unit in scale:
        return f"0 {unit}"
    for symbol in reversed(scale):  # the largest unit of which there is one; else the smallest
        size = convert(exact, unit, symbol)
        if abs(size) < _NEARLY_ONE and symbol != scale[0]:
            continue  # however it is rounded
        figure = _rounded(size)
        if abs(figure) >= 1:
            break
    return f"{_digits(figure)} {symbol}".removesuffix(" 1")


@lru_cache(maxsize=1024)
def _scale(unit: str) -> tuple[str, ...]:
    """Return the units that a quantity is shown in, the smallest first."""
    dimension = "" if "/" in unit else unit_named(unit).dimension
    return SCALES.get(dimension, (unit,))


def _rounded(value: Decimal) -> Decimal:
    """Keep three significant digits, and every digit before the point while it is readable."""
    if value == 0:
        return Decimal(0)
    if abs(value) > MAX_VALUE:
        return _THREE_DIGITS.plus(value)
    return value.quantize(_step(min(0, value.adjusted() - 2)), context=EXACT)


@lru_cache(maxsize=128)
def _step(exponent: int) -> Decimal:
    return Decimal(1).scaleb(exponent)


def _digits(figure: Decimal) -> str:
    if figure != 0 and not Decimal("1e-6") <= abs(figure) <= MAX_VALUE:
        return f"{figure.normalize(EXACT):e}"
    text = f"{figure:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _bare(raw: object) -> Decimal:
    """Read a number of YAML or Python; a float by its repr, so that 0.1 is 0.1."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        raise BadQuantity(f"{shown(raw)} is no quantity", "write a number and its unit")
    if is_huge(raw):
        raise BadQuantity("the number is out of range", "at most 1e30 is understood")
    return raw if isinstance(raw, Decimal) else Decimal(repr(raw))


def _checked(value: Decimal, raw: object, *, allow_negative: bool) -> Decimal:
    if not value.is_finite():
        raise BadQuantity(f"{shown(raw)} is not a finite number", "leave an unknown value out")
    if value == 0:
        return Decimal(0)  # "-0 W" is zero, without a sign that would show
    if not MIN_VALUE <= abs(value) <= MAX_VALUE:
        raise BadQuantity(f"{shown(raw)} is out of range", "between 1e-30 and 1e30, or 0, is understood")
    if value < 0 and not allow_negative:
        raise BadQuantity(f"{shown(raw)} goes below zero", "write a quantity that is not negative")
    return value


def _interval(raw: Mapping[object, object], unit: str, *, allow_negative: bool) -> Quantity:
    """Read {value, low, high}; each may have a unit of its own."""
    if "value" not in raw or not set(raw) <= {"value", "low", "high"}:
        raise BadQuantity("an interval has the keys value, low and high", "write {value: …, low: …, high: …}")
    found: dict[str, Decimal | None] = {"low": None, "high": None}
    for key, part in raw.items():
        one = None if isinstance(part, Mapping) else parse(part, unit, allow_negative=allow_negative)
        if one is None or one.low is not None:
            raise BadQuantity(f"{key} of an interval is itself an interval", "write one plain quantity")
        found[str(key)] = one.value
    value, low, high = found["value"], found["low"], found["high"]
    assert value is not None  # noqa: S101 -- its key was checked above; this tells the type checker
    if (low is not None and low > value) or (high is not None and high < value):
        raise BadQuantity("the interval does not hold its value", "write low ≤ value ≤ high")
    return Quantity(value, low, high, unit)


def _split_tolerance(raw: str) -> tuple[str, str | None]:
    if len(raw) > MAX_CHARS:
        raise BadQuantity(f"{shown(raw)} is too long", f"at most {MAX_CHARS} characters are understood")
    head, sign, tolerance = raw.replace("+-", "±").partition("±")
    return head.strip(" "), tolerance.strip(" ") if sign else None


def _split(text: str, raw: object) -> tuple[Decimal, str]:
    """Part a text into its number and its unit ("1" where none is written)."""
    match = _NUMBER.match(text)
    if match is None:
        raise BadQuantity(f"{shown(raw)} does not begin with a number", 'write one as in "50 kWh"')
    rest = text[match.end() :]
    if rest[:1] in {",", "_", "'", "."} or rest.strip(" ")[:1].isdigit():  # "5 1" is no five
        raise BadQuantity(f"{shown(raw)} is not a plain number", 'write digits and a point: "1.2", "1000"')
    unit = _PER.sub("/", _CARBON.sub("CO2e", rest.strip(" "), count=1), count=1)
    return Decimal(match.group()), unit or "1"


def _in_unit(number: Decimal, written: str, unit: str, raw: object, *, allow_negative: bool) -> Decimal:
    """Check a number as written and as converted: both have to be in range."""
    _checked(number, raw, allow_negative=allow_negative)
    if is_dimensionless(unit) and (written == "1" or written in PREFIX):  # "300 G" of what `unit` counts
        size = PREFIX.get(written, Decimal(1))
        return _checked(EXACT.multiply(number, size), raw, allow_negative=allow_negative)
    if written == "1":
        raise BadQuantity(f"{shown(raw)} has no unit", f'write the unit, as in "{_digits(number)} {unit}"')
    return _checked(convert(number, written, unit), raw, allow_negative=allow_negative)
