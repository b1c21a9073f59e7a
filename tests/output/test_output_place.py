"""A finding points at the line that holds its number."""

from __future__ import annotations

from pathlib import Path

import pytest

from green.check import check
from green.policy.load import load
from tests.core.helper import Work

POLICIES = """apiVersion: green/v1
bundle: {id: test, version: 1.0.0}
policies:
- {id: A-ENERGY, title: t, kind: limit, metric: energy.it, limit: {max: 1 kWh}}
- {id: B-EMBODIED, title: t, kind: limit, metric: carbon.embodied, limit: {max: 1 gCO2e}}
- {id: C-TIME, title: t, kind: limit, metric: time.duration, limit: {max: 1 h}}
- {id: D-REGION, title: t, kind: allow, field: region, allow: [FR]}
- {id: E-TIER, title: t, kind: require, all: [{metric: quality.tier, at_least: measured}]}
- {id: F-FACILITY, title: t, kind: limit, metric: energy.facility, limit: {max: 1 kWh}}
- {id: G-TEAM, title: t, kind: require, all: [{present: [team]}]}
- {id: H-SUM, title: t, kind: budget, metric: energy.it, window: {rolling: 90d}, limit: {max: 1 kWh}}
"""
TIMES = "started_at: 2026-10-01T08:00:00Z\nduration: 3 h\n"
TOTAL = TIMES + "energy:\n  basis: device\n  total: 5 kWh\nsite:\n  region: DE\nhardware:\n- device: NVIDIA H100 SXM\n"
POWER = (
    f"{TIMES}site: {{region: DE}}\nhardware:\n- device: NVIDIA H100 SXM\n  count: 4\n  average_power: 600 W\n"
    "  embodied: 150 kgCO2e\n"
)
CODECARBON = (
    "timestamp,run_id,duration,emissions,energy_consumed\n"
    "2026-10-01T08:00:00,x,3600,1,0.5\n2026-10-01T09:00:00,y,3600,1,7\n"
)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def places(work: Work) -> dict[tuple[str, str], str]:
    """Record what the logs say, judge it, and return where each finding points."""
    work.ledgered()
    (work.folder / "p.yaml").write_text(POLICIES, encoding="utf-8")
    judgement = check(work.store, load(work.folder / "p.yaml"), as_of="latest", commit=False).judgement
    return {
        (one.policy[0], one.subject): f"{one.where_file}:{one.where_line}"
        for one in judgement.verdicts
        if one.verdict != "pass"
    }


def line(text: str, key: str) -> int:
    return next(number for number, row in enumerate(text.splitlines(), 1) if row.strip(" -").startswith(key))


def test_of_declared_energy_it_is_the_total(work: Work) -> None:
    work.put("a/run.yaml", TOTAL)
    found = places(work)
    for policy in "AE":
        assert found[policy, "a"] == f"a/run.yaml:{line(TOTAL, 'total')}"
    assert found["B", "a"] == f"a/run.yaml:{line(TOTAL, 'device')}"
    assert found["C", "a"] == f"a/run.yaml:{line(TOTAL, 'duration')}"
    assert found["D", "a"] == f"a/run.yaml:{line(TOTAL, 'region')}"
    assert found["F", "a"] == f"a/run.yaml:{line(TOTAL, 'site')}"  # no PUE: it belongs there
    assert found["G", "a"] == "a/run.yaml:1"  # what is missing stands nowhere
    assert found["H", "*"] == "p.yaml:11"  # a sum stands in no record


def test_of_declared_power_it_is_the_power_and_of_a_footprint_the_footprint(work: Work) -> None:
    work.put("a/run.yaml", POWER)
    found = places(work)
    assert found["A", "a"] == f"a/run.yaml:{line(POWER, 'average_power')}"
    assert found["B", "a"] == f"a/run.yaml:{line(POWER, 'embodied')}"


def test_of_another_tools_table_it_is_the_row(work: Work) -> None:
    work.put("a/run.yaml", "team: x\n")
    work.put("a/emissions.csv", CODECARBON)
    found = places(work)
    assert ("A", "a#x") not in found
    assert found["A", "a#y"] == "a/emissions.csv:3"


def test_of_a_metered_run_it_is_the_run(work: Work) -> None:
    head = "timestamp, index, name, power.draw [W]\n"
    rows = "".join(f"2026/10/01 0{hour}:{minute:02d}:00, 0, H100, 900 W\n" for hour in (8, 9) for minute in range(60))
    work.put("a/gpu.csv", head + rows)
    work.put("a/run.yaml", "team: x\n")
    assert places(work)["A", "a"] == "a/run.yaml:1"


def test_a_place_changes_no_digest(work: Work) -> None:
    work.put("a/run.yaml", TOTAL)
    (work.folder / "p.yaml").write_text(POLICIES, encoding="utf-8")
    work.ledgered()
    first = check(work.store, load(work.folder / "p.yaml"), as_of="latest", commit=False).judgement
    work.put("a/run.yaml", "# a comment moves every line\n" + TOTAL)
    work.ledgered()
    second = check(work.store, load(work.folder / "p.yaml"), as_of="latest", commit=False).judgement
    assert first.digest == second.digest
    assert first.lines != second.lines
