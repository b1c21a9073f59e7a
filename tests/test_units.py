"""Quantities are read exactly, refused at once, and written for people."""

from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from green.units import BadQuantity, Quantity, convert, format_quantity, parse, singular, unit_of

# Sizes from the SI brochure, the 1959 pound agreement and 8760 h a year, by hand.
SIZES = [
    ("1 kW", "W", "1000"),
    ("2 MW", "W", "2000000"),
    ("3.6 MJ", "kWh", "1"),
    ("3600 kJ", "kWh", "1"),
    ("500 mWh", "kWh", "0.0005"),
    ("1 TWh", "kWh", "1000000000"),
    ("2 min", "s", "120"),
    ("1 d", "h", "24"),
    ("6 y", "h", "52560"),
    ("1 lbCO2e", "kgCO2e", "0.45359237"),
    ("1.2 tCO2e", "kgCO2e", "1200"),
    ("1 ktCO2e", "kgCO2e", "1000000"),
    ("5 kg CO2e", "kgCO2e", "5"),
    ("5 kgCO2eq", "kgCO2e", "5"),
    ("5 t CO2-eq", "kgCO2e", "5000"),
    ("5 tCO\u2082e", "kgCO2e", "5000"),
    ("57 gCO2eq / kWh", "gCO2e/kWh", "57"),
    ("250 mL", "L", "0.25"),
    ("1 ML", "L", "1000000"),
    ("2 m3", "L", "2000"),
    ("3 kL", "L", "3000"),
    ("512 GB", "GB", "512"),
    ("1 KB", "B", "1000"),
    ("1 kB", "B", "1000"),
    ("0.43 USD", "USD", "0.43"),
    ("95 %", "1", "0.95"),
    ("95%", "%", "95"),
    ("432.7 gCO2e/kWh", "gCO2e/kWh", "432.7"),
    ("1 lbCO2e/MWh", "gCO2e/kWh", "0.45359237"),
    ("1.8 L/kWh", "L/kWh", "1.8"),
    ("120 USD/MWh", "USD/kWh", "0.12"),
    ("400 gCO2e/Mtoken", "kgCO2e/token", "0.0000004"),
    ("400 gCO2e/Mtoken", "kgCO2e/tokens", "0.0000004"),
    ("2 Wh/ktoken", "Wh/Mtoken", "2000"),
    ("7 kWh/kernel", "kWh/kernels", "7"),  # the k of kernel is no prefix
    ("300 Gtoken", "tokens", "300000000000"),
    ("300 G", "1", "300000000000"),
    ("1e3 W", "W", "1000"),
    (".5 W", "W", "0.5"),
    ("  5   W  ", "W", "5"),
    ("-0 W", "W", "0"),
]

REFUSED = [
    ("1,2 tCO2e", "kgCO2e", "1.2"),
    ("1_000 W", "W", "1000"),
    ("1'000 W", "W", "1000"),
    ("9**9**9**9", "W", "units:"),
    ("9**9**9**9", "1", "units:"),
    ("5 kwh", "kWh", "did you mean kWh?"),
    ("5 KWH", "kWh", "did you mean kWh?"),
    ("50 k Wh", "kWh", "did you mean kWh?"),
    ("5 ml", "L", "mL or ML"),
    ("5 kgCO2", "kgCO2e", "CO2 alone is not CO2e"),
    ("5 kgCO2/kWh", "gCO2e/kWh", "CO2 alone is not CO2e"),
    ("5 kg", "kgCO2e", "did you mean kgCO2e?"),
    ("5 kgCO2equiv", "kgCO2e", ""),
    ("5 kgCO2q", "kgCO2e", "did you mean"),
    ("5 kgCO\u2082", "kgCO2e", "CO2 alone is not CO2e"),
    ("5 kg  CO2e", "kgCO2e", "did you mean kgCO2e?"),
    ("5 EUR", "USD", "in USD"),
    ("5 hours", "h", "did you mean h?"),
    ("5 Wh/kwh", "Wh/token", "did you mean kWh?"),
    ("nan", "1", "50 kWh"),
    ("NaN W", "W", "50 kWh"),
    ("inf W", "W", "50 kWh"),
    ("1e31 W", "W", "1e30"),
    ("1e-31 W", "W", "1e-30"),
    ("1e999 W", "W", "1e30"),
    ("-5 W", "W", "negative"),
    ("5", "kWh", "5 kWh"),
    ("", "W", "50 kWh"),
    ("5 1", "1", "point"),
    ("1.2.3 W", "W", "point"),
    ("5. W", "W", "point"),
    ("5\nW", "W", "units:"),
    ("\u0665 W", "W", "50 kWh"),  # an Arabic-Indic five is a digit for str.isdigit
    ("5 \u212aWh", "kWh", ""),  # the Kelvin sign looks like a K
    ("+-5 W", "W", "50 kWh"),
    ("5 W ± -1 W", "W", "without a sign"),
    ("5 W ± 200 %", "W", "negative"),
    ("5 W ± 1", "W", "unit"),
    ("95 % ± 2 %", "1", "value"),
    ("5 W ± 1 W ± 1 W", "W", ""),
    ("5 kWh/h/h", "kWh", ""),
    ("5 W", "kWh", "kWh"),
    ("5 gCO2e/step", "gCO2e/token", "gCO2e/token"),
]


@pytest.mark.parametrize(("text", "unit", "expected"), SIZES)
def test_a_quantity_is_converted_exactly(text: str, unit: str, expected: str) -> None:
    assert parse(text, unit).value == Decimal(expected)


@pytest.mark.parametrize(("text", "unit", "mend"), REFUSED)
def test_what_is_no_quantity_is_refused_with_a_hint(text: str, unit: str, mend: str) -> None:
    with pytest.raises(BadQuantity) as caught:
        parse(text, unit)
    assert mend in caught.value.mend
    assert str(caught.value) == f"{caught.value.what} | {caught.value.mend}"


@pytest.mark.parametrize(
    "raw", [True, None, [5], float("nan"), float("inf"), pytest.param(10**10_000, id="huge"), Decimal("NaN")]
)
def test_a_value_that_is_no_number_is_refused(raw: object) -> None:
    with pytest.raises(BadQuantity):
        parse(raw, "1")


def test_another_dimension_is_refused_and_both_are_named() -> None:
    with pytest.raises(BadQuantity, match="power, where energy is expected"):
        parse("5 W", "kWh")


def test_a_bare_number_stands_only_where_there_is_no_dimension() -> None:
    assert parse(0.1, "1").value == Decimal("0.1")
    assert parse(300_000_000_000, "tokens").value == Decimal("3e11")
    with pytest.raises(BadQuantity, match="has no unit"):
        parse(5, "kWh")


def test_a_tolerance_in_percent_or_units_gives_the_interval() -> None:
    assert parse("330 W ± 5 %", "W") == Quantity(Decimal(330), Decimal("313.5"), Decimal("346.5"), "W")
    assert parse("0.33 kW +- 30 W", "W") == Quantity(Decimal(330), Decimal(300), Decimal(360), "W")
    assert parse("0.8 ± 0.1", "1") == Quantity(Decimal("0.8"), Decimal("0.7"), Decimal("0.9"), "1")


def test_a_mapping_states_an_interval_each_part_in_its_own_unit() -> None:
    found = parse({"value": "1 kWh", "low": "900 Wh", "high": "1.5 kWh"}, "kWh")
    assert found == Quantity(Decimal(1), Decimal("0.9"), Decimal("1.5"), "kWh")


@pytest.mark.parametrize(
    "raw",
    [
        {"low": "1 W", "high": "2 W"},
        {"value": "5 W", "low": "6 W"},
        {"value": "5 W", "high": "4 W"},
        {"value": "5 W ± 1 W"},
        {"value": {"value": "5 W"}},
        {"value": "5 W", "median": "5 W"},
    ],
)
def test_an_interval_that_makes_no_sense_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(BadQuantity):
        parse(raw, "W")


def test_negative_values_pass_only_where_allowed() -> None:
    assert parse("-5 W", "W", allow_negative=True).value == Decimal(-5)


def test_the_written_unit_is_known_in_its_canonical_spelling() -> None:
    assert unit_of("1.2 t CO2e") == "tCO2e"
    assert unit_of("400 gCO2e/Mtoken ± 5 %") == "gCO2e/Mtoken"
    assert unit_of(0.95) == "1"
    assert unit_of({"value": "5 kW"}) == "kW"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (12345, "kgCO2e", "12.3 tCO2e"),
        (0.00012, "kWh", "0.12 Wh"),
        (999.96, "kWh", "1 MWh"),
        (62.0, "kWh", "62 kWh"),
        (0.0, "kWh", "0 kWh"),
        (-2.5, "kgCO2e", "-2.5 kgCO2e"),
        (90, "s", "1.5 min"),
        (95, "%", "95 %"),
        (0.95, "1", "0.95"),
        (1234567, "USD", "1234567 USD"),
        (432.71, "gCO2e/kWh", "433 gCO2e/kWh"),
        (2500000, "mL", "2.5 m3"),
        (1e-9, "gCO2e/Mtoken", "1e-9 gCO2e/Mtoken"),
        (Decimal("0.125"), "L", "125 mL"),
        (1e300, "kWh", "1e+291 TWh"),
        (5e-324, "L", "5e-321 mL"),
    ],
)
def test_people_read_three_digits_in_a_unit_of_the_size(value: float, unit: str, expected: str) -> None:
    assert format_quantity(value, unit) == expected


@pytest.mark.parametrize(
    ("plural", "expected"),
    [("tokens", "token"), ("queries", "query"), ("batches", "batch"), ("classes", "class"), ("pass", "pass")],
)
def test_plural_and_singular_of_a_functional_unit_meet(plural: str, expected: str) -> None:
    assert singular(plural) == expected


@given(st.decimals(min_value="1e-9", max_value="1e9", allow_nan=False, allow_infinity=False, places=20))
def test_converting_there_and_back_gives_the_same_value(value: Decimal) -> None:
    there = convert(value, "kWh", "J")
    assert Fraction(there) == Fraction(value) * 3_600_000
    assert abs(Fraction(convert(there, "J", "kWh")) - Fraction(value)) <= Fraction(value) / 10**50


ALPHABET = "0123456789.,eE+-±_* %/kMGTWhJgtCO2eLmBUSDsd\u212a\u0665\n"


@settings(max_examples=400)
@given(st.text(alphabet=ALPHABET, max_size=40), st.sampled_from(["kWh", "kgCO2e", "1", "gCO2e/kWh"]))
def test_noise_is_refused_or_is_in_range_and_never_hangs(text: str, unit: str) -> None:
    began_s = time.process_time()
    try:
        found = parse(text, unit)
    except BadQuantity:
        pass
    else:
        assert found.value == 0 or Decimal("1e-30") <= found.value <= Decimal("1e30")
        assert set(text) <= set("0123456789.eE+-± %/kMGTWhJgtCO2eLmBUSDsd")
        assert found.low is None or found.high is None or found.low <= found.value <= found.high
    assert time.process_time() - began_s < 0.5  # bounded: the grammar cannot backtrack


@pytest.mark.parametrize("text", ["1" * 1_000_000, "1 " * 500_000, "k" * 1_000_000, "9**" * 300_000, "±" * 1_000_000])
def test_a_huge_text_is_refused_at_once(text: str) -> None:
    began_s = time.process_time()
    with pytest.raises(BadQuantity, match="too long"):
        parse(text, "kWh")
    assert time.process_time() - began_s < 0.1
