"""What became of a finding since the base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from green.compare import code, compare
from tests.output.helper import base, judged, policies, run

BOUNDS = (
    "- {id: A, title: t, kind: limit, metric: energy.it, limit: {max: 50 kWh, warn_above: 40 kWh}}\n"
    "- {id: M, title: t, kind: limit, metric: coverage.energy, limit: {min: 90 %}}\n"
)


def state(folder: Path, before: dict[str, Any] | None, now: dict[str, Any] | None) -> dict[str, str]:
    """Return the state of each policy's finding about run x."""
    own = policies(folder, BOUNDS)
    old = base(own, *([run("x", **before)] if before else []))
    judgement = judged(own, *([run("x", **now)] if now else []))
    return {change.key[0]: change.state for change in compare(judgement, old).changes}


FINE = {"energy_kwh": 1.0, "coverage_ratio": 1.0}


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (FINE, FINE, {}),
        (None, {**FINE, "energy_kwh": 60.0}, {"A": "new"}),
        (FINE, {**FINE, "energy_kwh": 60.0}, {"A": "new"}),
        ({**FINE, "energy_kwh": 60.0}, {**FINE, "energy_kwh": 60.0}, {"A": "unchanged"}),
        ({**FINE, "energy_kwh": 60.0}, {**FINE, "energy_kwh": 60.00000000000001}, {"A": "worse"}),
        ({**FINE, "energy_kwh": 60.0}, {**FINE, "energy_kwh": 55.0}, {"A": "better"}),
        ({**FINE, "energy_kwh": 60.0}, FINE, {"A": "resolved"}),
        ({**FINE, "energy_kwh": 60.0}, None, {"A": "resolved"}),
        ({**FINE, "energy_kwh": 45.0}, {**FINE, "energy_kwh": 60.0}, {"A": "worse"}),
        ({**FINE, "energy_kwh": 60.0}, {**FINE, "energy_kwh": 45.0}, {"A": "better"}),
        ({**FINE, "energy_kwh": 45.0}, {**FINE, "energy_kwh": 46.0}, {"A": "worse"}),
        ({**FINE, "energy_kwh": 60.0}, {"coverage_ratio": 1.0}, {"A": "better"}),
        ({**FINE, "energy_kwh": 45.0}, {"coverage_ratio": 1.0}, {"A": "worse"}),
        ({"coverage_ratio": 1.0}, {"coverage_ratio": 1.0}, {"A": "unchanged"}),
        ({**FINE, "coverage_ratio": 0.5}, {**FINE, "coverage_ratio": 0.4}, {"M": "worse"}),
        ({**FINE, "coverage_ratio": 0.5}, {**FINE, "coverage_ratio": 0.6}, {"M": "better"}),
        (
            {**FINE, "energy_kwh": 45.0, "energy_kwh_low": 44.0, "energy_kwh_high": 51.0},
            {**FINE, "energy_kwh": 45.0, "energy_kwh_low": 44.0, "energy_kwh_high": 52.0},
            {"A": "worse"},
        ),
        (
            {**FINE, "energy_kwh": 45.0, "energy_kwh_low": 44.0, "energy_kwh_high": 51.0},
            {**FINE, "energy_kwh": 45.0, "energy_kwh_low": 44.0},
            {"A": "worse"},
        ),
    ],
)
def test_state_of_a_finding(
    tmp_path: Path, before: dict[str, Any] | None, now: dict[str, Any] | None, expected: dict[str, str]
) -> None:
    assert state(tmp_path, before, now) == expected


def test_only_what_is_new_or_worse_breaks_where_that_is_asked_for(tmp_path: Path) -> None:
    own = policies(tmp_path, BOUNDS)
    bad, worse = run("x", **{**FINE, "energy_kwh": 60.0}), run("x", **{**FINE, "energy_kwh": 61.0})
    judgement = judged(own, bad)
    assert code(judgement, None, strict=False) == 1
    assert code(judgement, compare(judgement, base(own, bad)), strict=False) == 0
    assert code(judgement, compare(judgement, base(own)), strict=False) == 1
    assert code(judged(own, worse), compare(judged(own, worse), base(own, bad)), strict=False) == 1


def test_a_run_that_is_called_like_a_group_hides_nothing(tmp_path: Path) -> None:
    text = (
        "- {id: B, title: t, kind: budget, metric: energy.it, window: {rolling: 90d}, group_by: [team],"
        " select: {project: p}, limit: {max: 100 kWh}}\n"
    )
    own = policies(tmp_path, text)
    time = "2026-10-01T00:00:00Z"
    mask = run("team=a", energy_kwh=1.0, ended_at=time, team="a")  # without a project: unknown, apart from the group
    member = run("m", energy_kwh=1.0, ended_at=time, team="a", project="p")
    big = {**member, "energy_kwh": 200.0}
    found = compare(judged(own, mask, big), base(own, mask, member)).changes
    assert [(one.key[1], one.state, one.now.verdict if one.now else None) for one in found] == [
        ("team=a", "worse", "fail"),
        ("team=a", "new", "unknown"),
    ]


@pytest.mark.parametrize(
    ("limit", "now", "expected"),
    [
        ("50000 Wh", 60.0, "unchanged"),  # another unit, the same excess
        ("50000 Wh", 61.0, "worse"),
        ("40 kWh", 60.0, "worse"),  # the limit moved, and the excess with it
        ("55 kWh", 60.0, "better"),
    ],
)
def test_a_base_under_another_limit_is_compared_by_what_is_beyond_it(
    tmp_path: Path, limit: str, now: float, expected: str
) -> None:
    old = policies(tmp_path / "old", "- {id: A, title: t, kind: limit, metric: energy.it, limit: {max: 50 kWh}}\n")
    new = policies(
        tmp_path / "new", f"- {{id: A, title: t, kind: limit, metric: energy.it, limit: {{max: {limit}}}}}\n"
    )
    before = base(old, run("x", energy_kwh=60.0))
    (change,) = compare(judged(new, run("x", energy_kwh=now)), before).changes
    assert change.state == expected


def test_what_cannot_be_compared_is_worse(tmp_path: Path) -> None:
    own = policies(tmp_path, BOUNDS)
    judgement = judged(own, run("x", **{**FINE, "energy_kwh": 60.0}))
    before = base(own, run("x", **{**FINE, "energy_kwh": 60.0}))
    other = {**next(r for r in before.records if r["policy"] == "A"), "unit": "kgCO2e"}
    (change,) = compare(judgement, type(before)("b", None, (other,))).changes
    assert change.state == "worse"
