"""Whatever errors do to one another, a figure lies in its interval; and no interval is wider than its worst case."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.core.helper import Work

from .worlds import Known, Quantile, figures, full, independent, intervals, known, unknown, world, write

REPO = Path(__file__).parents[2]
PAGE = REPO / "docs" / "uncertainty.md"
SQL = REPO / "green" / "sql"
DRAWS = 20_000
SEED = 20260301
ROUNDING = 1e-9
FIGURES = (
    "energy_kwh",
    "facility_energy_kwh",
    "operational_kgco2e",
    "embodied_kgco2e",
    "emissions_kgco2e",
    "water_onsite_l",
    "water_offsite_l",
    "water_l",
    "cost_usd",
)
MODES: dict[str, Callable[[random.Random], Quantile]] = {
    "full": lambda draw: full(draw.random()),
    "none": independent,
    "unknown": unknown,
}
Ends = dict[tuple[str, str], tuple[float, float]]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Give the store of the runs, made by the real stages."""
    made = Work(tmp_path_factory.mktemp("uncertainty"))
    write(made)
    made.ledgered()
    assert made.rejected() == set()
    return made


@pytest.fixture(scope="module")
def facts() -> Known:
    return known()


def ends_of(rows: list[dict[str, Any]], name: str, columns: tuple[str, ...]) -> Ends:
    return {(row[name], column): (row[f"{column}_low"], row[f"{column}_high"]) for row in rows for column in columns}


@pytest.fixture(scope="module")
def ours(work: Work) -> Ends:
    """Give the interval of every figure of every run, and of the totals over all of them."""
    found = ends_of(work.query("FROM runs"), "run_id", FIGURES)
    family = work.query("SELECT * FROM family WHERE parent = 'sweep'")
    found |= ends_of(family, "parent", ("energy_kwh", "operational_kgco2e", "emissions_kgco2e", "cost_usd"))
    (project,) = work.query("FROM by_project")
    found["project", "emissions_kgco2e"] = (project["emissions_kgco2e_low"], project["emissions_kgco2e_high"])
    return found


def drawn(facts: Known, quantile: Quantile) -> dict[tuple[str, str], float]:
    """Compute every figure and every total in one world."""
    runs = figures(facts, world(intervals(facts), quantile))
    found = {(run, name): value for run, of in runs.items() for name, value in of.items()}
    for name in ("energy_kwh", "operational_kgco2e", "emissions_kgco2e", "cost_usd"):
        found["sweep", name] = sum(of[name] for of in runs.values())
    found["project", "emissions_kgco2e"] = found["sweep", "emissions_kgco2e"]
    return found


@pytest.mark.parametrize("mode", MODES)
def test_every_draw_lies_in_our_interval(mode: str, facts: Known, ours: Ends) -> None:
    draw = random.Random(SEED)  # noqa: S311 -- a seeded experiment, no secret
    inside = dict.fromkeys(ours, 0)
    inputs = intervals(facts)
    for _ in range(DRAWS):
        runs = figures(facts, world(inputs, MODES[mode](draw)))
        for (run, name), (low, high) in ours.items():
            value = runs[run][name] if run in runs else sum(of[name] for of in runs.values())
            inside[run, name] += low * (1 - ROUNDING) <= value <= high * (1 + ROUNDING)
    missed = {key: count / DRAWS for key, count in inside.items() if count < 0.99 * DRAWS}
    assert missed == {}
    assert set(inside.values()) == {DRAWS}, "the ends are corners of what is possible: not one draw lies beyond"


def test_no_interval_is_wider_than_its_worst_case(facts: Known, ours: Ends) -> None:
    least, most = drawn(facts, full(0.0)), drawn(facts, full(1.0))
    assert set(least) == set(ours)
    for key, (low, high) in ours.items():
        assert math.isclose(low, least[key], rel_tol=ROUNDING), (key, low, least[key])
        assert math.isclose(high, most[key], rel_tol=ROUNDING), (key, high, most[key])


def test_value_lies_in_its_interval(work: Work) -> None:
    for row in work.query("FROM runs"):
        for name in FIGURES:
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"], (row["run_id"], name)


def test_ratio_of_two_runs_holds_the_worst_of_both(work: Work, facts: Known) -> None:
    (row,) = work.query("FROM break_even")
    draw = random.Random(SEED)  # noqa: S311 -- as above
    inputs = intervals(facts)
    for _ in range(DRAWS // 10):
        runs = figures(facts, world(inputs, unknown(draw)))
        training = runs["metered"]["emissions_kgco2e"] + runs["declared"]["emissions_kgco2e"]
        amount = training / (runs["bill"]["emissions_kgco2e"] / 1000)
        assert row["break_even_amount_low"] <= amount <= row["break_even_amount_high"]
    least, most = drawn(facts, full(0.0)), drawn(facts, full(1.0))
    training = [end["metered", "emissions_kgco2e"] + end["declared", "emissions_kgco2e"] for end in (least, most)]
    serving = [end["bill", "emissions_kgco2e"] / 1000 for end in (least, most)]
    assert row["break_even_amount_low"] == pytest.approx(training[0] / serving[1], rel=ROUNDING)
    assert row["break_even_amount_high"] == pytest.approx(training[1] / serving[0], rel=ROUNDING)


def covered(facts: Known, mode: str, of: str) -> float:
    """Return how many draws of metered energy an interval covers whose parts were combined by `of`."""
    draw = random.Random(SEED)  # noqa: S311 -- as above
    parts = [facts.sensor_error * kwh for kwh in facts.measured_kwh]
    half = math.hypot(*parts) if of == "quadrature" else sum(parts)
    inside = 0
    for _ in range(DRAWS):
        quantile = MODES[mode](draw)
        error = sum(part * (2 * quantile(f"metered/error/{n}") - 1) for n, part in enumerate(parts))
        inside += abs(error) <= half * (1 + ROUNDING)
    return inside / DRAWS


def test_quadrature_would_miss_half_of_what_a_common_error_does(facts: Known) -> None:
    assert covered(facts, "none", "quadrature") > 0.9  # it would be right, did anybody know that they are independent
    assert covered(facts, "full", "quadrature") == pytest.approx(0.5, abs=0.02)  # four alike: a half of the interval
    assert covered(facts, "full", "linear") == 1


def test_document_shows_what_was_drawn(facts: Known) -> None:
    names = {"full": "one cause (full correlation)", "none": "independent", "unknown": "unknown"}
    for mode, name in names.items():
        cells = " | ".join(f"{covered(facts, mode, of) * 100:.1f} %" for of in ("linear", "quadrature"))
        assert f"| {name} | {cells} |" in PAGE.read_text(encoding="utf-8")


def test_document_names_places_that_are_there() -> None:
    rows = re.findall(r"\| `(\w+\.sql)`: `(.+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 10
    for file, text in rows:
        sql = " ".join((SQL / file).read_text(encoding="utf-8").split())
        assert text in sql.replace("( ", "(").replace(" )", ")"), (file, text)
