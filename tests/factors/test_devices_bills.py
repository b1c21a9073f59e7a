"""A bill of materials in the tables gives the figures that are shipped, by the published formulas."""

from __future__ import annotations

import math

import pytest

from docs.coverage import accelerators
from green.factors.names import rows

KNOWN = accelerators()
Part = tuple[float, str, dict[str, str]]


def bills() -> dict[str, list[Part]]:
    made: dict[str, list[Part]] = {}
    for row in rows("bills.csv"):
        part, *attributes = row["note"].split(";")
        pairs = dict(attribute.split("=", 1) for attribute in attributes)
        made.setdefault(row["subject"], []).append((float(row["value"]), part, pairs))
    return made


BILLS = bills()


def coefficients(quantity: str) -> dict[str, float]:
    return {r["subject"]: float(r["value"]) for r in rows("parts.csv") if r["quantity"] == quantity}


def wafer_mm2(die_mm2: float) -> float:
    """Return the wafer that a good die costs: kerf, edge of a 300 mm wafer, yield (Boavizta GPU page)."""
    square = (math.sqrt(die_mm2) + 0.2) ** 2
    wafer = math.pi * 150**2
    dies = wafer / square - math.pi * 300 / math.sqrt(2 * square)
    return wafer / dies / math.exp(-math.sqrt(square / 100 * 0.1))


def card(attributes: dict[str, str], of: dict[str, float]) -> tuple[float, float, float]:
    """Return manufacture, transport and end of life of a card."""
    has = {name: float(value) for name, value in attributes.items()}
    memory_mm2 = has["memory_dies"] * wafer_mm2(has["memory_gb"] * 15.5 / has["memory_dies"])
    made = (
        of["gpu casing"] * has["casing_kg"]
        + of["gpu heatsink"] * has["heatsink_kg"]
        + of["gpu board"] * has["pwb_cm2"]
        + of["gpu die"] * wafer_mm2(has["die_mm2"])
        + of["gpu memory"] * memory_mm2
        + of["gpu upstream transport"] * has["mass_kg"]
    )
    freight = 1.33e-5 * has["boat_km"] + 5.04e-5 * has["truck_km"]  # kgCO2e a kg and km, of the same model
    return made, has["mass_kg"] * freight, of["gpu end of life"] * has["mass_kg"]


CARDS = sorted(subject for subject, parts in BILLS.items() if len(parts) == 1)


@pytest.mark.parametrize("subject", CARDS)
def test_the_bottom_up_figures_of_a_card_follow_from_its_bill(subject: str) -> None:
    count, part, attributes = BILLS[subject][0]
    assert (count, part) == (1, "gpu")
    stages = card(attributes, coefficients("embodied_part"))
    shipped = {
        quantity: float(row["value"])
        for quantity, found in KNOWN[subject].items()
        for row in found
        if row["method"] == "bottom-up"
    }
    _, transport, end_of_life = stages
    assert shipped["embodied"] == pytest.approx(sum(stages), abs=0.06)  # a tenth of a kilogram is shipped
    assert shipped["embodied_transport"] == pytest.approx(transport, rel=1e-3)
    assert shipped["embodied_end_of_life"] == pytest.approx(end_of_life, rel=1e-3)
    for quantity in ("adp", "primary_energy"):
        made, *_ = card(attributes, coefficients(f"embodied_part_{quantity}"))
        assert shipped[f"embodied_{quantity}"] == pytest.approx(made, rel=1e-3)


@pytest.mark.parametrize(
    ("subject", "kg"),  # what Boavizta's API 2.5.0 answers
    [
        ("NVIDIA H100 SXM5 80GB", 575.0979),
        ("NVIDIA A100 PCIe 40GB", 321.6136),
        ("NVIDIA A100 SXM4 80GB", 567.7229),
        ("NVIDIA H200 SXM 141GB", 1066.8855),
    ],
)
def test_a_card_is_what_the_model_s_own_program_says(subject: str, kg: float) -> None:
    assert sum(card(BILLS[subject][0][2], coefficients("embodied_part"))) == pytest.approx(kg, rel=1e-6)


DENSITY_GB_PER_CM2 = {  # Boavizta: mean, least and greatest of what makers published
    "value": {"ram": 1.2443636363636, "ssd": 54.884210526316},
    "low": {"ram": 0.625, "ssd": 16.4},
    "high": {"ram": 2.375, "ssd": 128.0},
}


def piece(part: str, has: dict[str, str], of: dict[str, float], density: dict[str, float]) -> float:
    """Return the carbon of one part of a server."""
    if part == "gpu":
        return sum(card(has, of))
    if part == "cpu":
        return of["cpu die"] * float(has["die_mm2"]) + of["cpu package"]
    if part in density:
        board = {"ram": "ram stick", "ssd": "ssd"}[part]
        return of[f"{part} die"] * float(has["capacity_gb"]) / density[part] + of[board]
    if part == "psu":
        return of["power supply"] * float(has["mass_kg"])
    return of[{"chassis": "rack chassis", "board": "motherboard", "assembly": "assembly"}[part]]


@pytest.mark.parametrize(("bound", "kg"), [("value", 10570.1771), ("high", 8143.0728), ("low", 17047.9137)])
def test_the_server_of_eight_h100_is_what_the_model_s_own_program_says(bound: str, kg: float) -> None:
    of = coefficients("embodied_part")
    density = DENSITY_GB_PER_CM2[bound]  # a low density costs more of the wafer
    parts = BILLS["8-GPU server with H100 SXM5 80GB"]
    assert sum(count * piece(part, has, of, density) for count, part, has in parts) == pytest.approx(kg, rel=1e-6)


def test_each_device_of_a_bill_has_a_footprint_or_a_die() -> None:
    known = {r["subject"] for r in rows("cpus.csv") if r["quantity"] in {"embodied", "die_area"}}
    known |= {subject for subject, facts in KNOWN.items() if "embodied" in facts}
    named = {has["device"] for parts in BILLS.values() for _, _, has in parts if "device" in has}
    assert len(named) >= 5
    assert named <= known


def test_each_server_with_a_bill_has_one_of_each_part_that_no_server_lacks() -> None:
    for subject, parts in BILLS.items():
        if subject not in CARDS:
            kinds = [part for _, part, _ in parts]
            assert {"cpu", "ram", "gpu", "psu", "chassis", "board", "assembly"} <= set(kinds), subject
            assert sum(count for count, part, _ in parts if part == "gpu") == 8, subject
