"""A budget of a calendar period says where the period would end at its pace; figures are hand arithmetic."""

# ruff: noqa: E501 -- a policy stands in one line
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from facts_for_tests import at, facts, policies, run

from green.policy.judge import judge, judge_by_reference
from green.policy.model import Window
from green.policy.window import after_us, first_us

if TYPE_CHECKING:
    from pathlib import Path

BUDGET = "- {id: B, title: t, kind: budget, metric: energy.it, window: {calendar: quarter}, limit: {max: 100 kWh, warn_above: 80 %}}\n"
# the last quarter of 2026 has 92 days; 23 of them are over at the 24th of October
QUARTER = "2026-10-24T00:00:00Z"
ENDED = "2026-10-02T00:00:00Z"


def message(folder: Path, text: str, as_of: str, *rows: dict[str, Any]) -> str:
    chosen = policies(folder, text)
    with facts(*rows) as con:
        found = judge(con, chosen, as_of=as_of)
        assert judge_by_reference(con, chosen, as_of=as_of) == found
    assert len(found.verdicts) == 1
    return found.verdicts[0].message


def used(kwh: float, run_id: str = "a", **more: Any) -> dict[str, Any]:
    return run(run_id, **{"energy_kwh": kwh, "energy_kwh_low": kwh, "energy_kwh_high": kwh, "ended_at": ENDED, **more})


def test_the_pace_of_what_ended_goes_on_and_plans_count_once(tmp_path: Path) -> None:
    assert "; at this pace 80 kWh by 2026-12-31" in message(tmp_path, BUDGET, QUARTER, used(20.0))
    plan = used(15.0, "b", status="planned", ended_at=None)
    # 20 kWh in a quarter of the time are 80 kWh, and the plan's 15 kWh once
    assert "; at this pace 95 kWh by 2026-12-31" in message(tmp_path, BUDGET, QUARTER, used(20.0), plan)
    second = used(2.0, "c", status="planned", ended_at=None)
    assert "; at this pace 97 kWh by 2026-12-31" in message(tmp_path, BUDGET, QUARTER, used(20.0), plan, second)
    assert ", 20 % over" in message(tmp_path, BUDGET, QUARTER, used(30.0))  # 120 kWh
    assert "over" not in message(tmp_path, BUDGET, QUARTER, used(25.0))  # 100 kWh, the limit itself


@pytest.mark.parametrize(
    ("as_of", "is_told"),
    [
        ("2026-10-10T04:47:59Z", False),  # a tenth of 92 days is 9 d 4 h 48 min
        ("2026-10-10T04:48:00Z", True),
        ("2026-12-31T23:59:59.999999Z", True),
    ],
)
def test_a_forecast_begins_after_a_tenth_of_the_period(tmp_path: Path, as_of: str, is_told: bool) -> None:  # noqa: FBT001 -- parametrised
    assert ("at this pace" in message(tmp_path, BUDGET, as_of, used(1.0))) == is_told


def test_a_budget_that_is_broken_unknown_or_rolling_has_no_forecast(tmp_path: Path) -> None:
    assert "at this pace" not in message(tmp_path, BUDGET, QUARTER, used(101.0))
    assert "at this pace" not in message(tmp_path, BUDGET, QUARTER, used(1.0), run("u", ended_at=ENDED))
    rolling = BUDGET.replace("calendar: quarter", "rolling: 90 d")
    assert "at this pace" not in message(tmp_path, rolling, QUARTER, used(1.0))
    assert "at this pace" in message(tmp_path, BUDGET, QUARTER, used(85.0))  # a warning
    assert "at this pace" in message(tmp_path, BUDGET, QUARTER, used(70.0, energy_kwh_high=101.0))  # at risk


def test_a_warning_without_a_limit_is_forecast_without_a_share(tmp_path: Path) -> None:
    text = BUDGET.replace("max: 100 kWh, warn_above: 80 %", "warn_above: 10 kWh")
    said = message(tmp_path, text, QUARTER, used(20.0))
    assert "at this pace 80 kWh by 2026-12-31" in said
    assert "over" not in said.partition("at this pace")[2]


@pytest.mark.parametrize(
    ("calendar", "as_of", "first", "after"),
    [
        ("month", "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01"),
        ("month", "2024-02-29T00:00:00Z", "2024-02-01", "2024-03-01"),
        ("quarter", "2026-10-01T00:00:00Z", "2026-10-01", "2027-01-01"),
        ("quarter", "2026-03-31T23:59:59Z", "2026-01-01", "2026-04-01"),
        ("quarter", "2026-04-01T00:00:00Z", "2026-04-01", "2026-07-01"),
        ("year", "2026-12-31T00:00:00Z", "2026-01-01", "2027-01-01"),
    ],
)
def test_a_calendar_period_has_a_first_instant_and_one_after_it(
    calendar: str, as_of: str, first: str, after: str
) -> None:
    window = Window.model_validate({"calendar": calendar})
    assert (first_us(window, at(as_of)), after_us(window, at(as_of))) == (at(first), at(after))
