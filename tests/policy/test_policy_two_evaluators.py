"""The compiled SQL and the plain-Python reference give the same verdicts on random facts and random policies."""

# ruff: noqa: E501 -- a policy stands in one line
from __future__ import annotations

import math
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from green.policy.facts import create, insert
from green.policy.judge import judge, judge_by_reference
from green.policy.load import PolicySet, load
from green.policy.window import read_as_of
from tests.policy.agree import EDGES, run

POLICIES = """
apiVersion: green/v1
bundle: {id: random, version: 1.0.0}
policies:
- {id: L1, title: t, kind: limit, metric: energy.facility, limit: {max: 50 kWh, warn_above: 80 %}}
- {id: L2, title: t, kind: limit, metric: energy.it, select: {team: [nlp, "a,b"]}, limit: {min: 180 MJ}}
- {id: L3, title: t, kind: limit, metric: carbon.total, select: {kind: training, not: {labels: {purpose: benchmark}}},
   limit: {max: 25 kgCO2e, min: 0.1 kgCO2e}}
- {id: L4, title: t, kind: limit, metric: coverage.energy, limit: {min: 95 %}}
- {id: L5, title: t, kind: limit, metric: time.duration, select: {not: {team: nlp, region: DE}}, limit: {max: 1 h}}
- {id: B1, title: t, kind: budget, metric: energy.facility, window: {rolling: 2 d}, limit: {max: 100.3 kWh, warn_above: 80 %}}
- {id: B2, title: t, kind: budget, metric: carbon.total, window: {calendar: quarter}, group_by: [team, region],
   limit: {max: 50 kgCO2e}}
- {id: B3, title: t, kind: budget, metric: time.duration, window: {calendar: month}, count: {planned: false, failed: false}, select: {labels: {purpose: benchmark}},
   limit: {max: 2 h, warn_above: 1 h}}
- {id: B4, title: t, kind: budget, metric: energy.facility, window: {calendar: year}, select: {not: {region: DE}},
   group_by: team, limit: {max: 120 kWh}}
- {id: I1, title: t, kind: intensity, metric: carbon.operational, per: tokens, limit: {max: 400 gCO2e/Mtoken, warn_above: 80 %}}
- {id: A1, title: t, kind: allow, field: region, allow: [FR, "NO"]}
- {id: A2, title: t, kind: allow, field: hardware, allow: [A100, H100]}
- id: R1
  title: t
  kind: require
  select: {status: [completed, failed]}
  all:
  - {metric: coverage.energy, min: 95 %}
  - {metric: energy.it, min: 1 kWh, max: 60 kWh}
  - {metric: quality.tier, at_least: imported}
  - {present: [region, hardware, started_at, duration_s]}
"""

NASTY = [None, math.nan, math.inf, -math.inf, -1.0, 0.0, -0.0, 5e-324, 1e300]
number = st.sampled_from(EDGES) | st.sampled_from(NASTY) | st.floats(0, 150)
T0_US = read_as_of("2026-09-30T00:00:00Z")
DAY_US = 86_400_000_000
moment = st.sampled_from([None, *(T0_US + step * DAY_US + shift for step in (-2, -1, 0, 1, 2) for shift in (-1, 0, 1))])


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


@st.composite
def interval(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    value = draw(number)
    form = draw(st.sampled_from(["none", "same", "near", "open", "any"]))
    if form == "none" or value is None:
        return value, None, None
    if form == "same":
        return value, value, value
    if form == "open":
        return draw(st.sampled_from([(value, value, None), (value, None, value)]))
    if form == "near" and math.isfinite(value) and abs(value) < 1e9:
        return value, value * draw(st.floats(0.5, 1)), value * draw(st.floats(1, 1.5))
    return value, draw(number), draw(number)


@st.composite
def fact(draw: st.DrawFn) -> dict[str, Any]:
    row: dict[str, Any] = {
        "run_id": draw(st.sampled_from(["a", "b", "c", "d/e", "é", "=x"])),
        "team": draw(maybe("nlp", "a,b", "", "cv", " ")),
        "kind": draw(maybe("training", "inference")),
        "status": draw(maybe("completed", "failed", "killed", "planned")),
        "region": draw(maybe("DE", "FR", "NO")),
        "labels": draw(maybe({}, {"purpose": "benchmark"}, {"purpose": None}, {"other": "x"})),
        "started_at": draw(moment),
        "ended_at": draw(moment),
        "duration_s": draw(number | st.sampled_from([3600.0, 0.0000005, 86400.0, 7200.0])),
        "coverage_ratio": draw(number | st.sampled_from([0.95, 0.949999, 1.0])),
        "quality_tier": draw(maybe("measured", "imported", "modelled", "declared", "guessed")),
        "unknown_reasons": draw(maybe([], ["NO_PUE"], ["OTHER", "NO_FACTOR", "NO_SAMPLES"])),
        "hardware": draw(maybe([], ["A100"], ["A100", None], ["B", "C", "B"], ["H100", "A100"], ["A100", " "])),
        "is_current": draw(st.booleans()),
        "is_counted": draw(st.sampled_from([True, True, True, False])),
        "error": draw(st.sampled_from([None] * 8 + ["DUPLICATE_RUN_ID"])),
        "where_file": draw(maybe("x", "y")),
        "where_line": draw(maybe(1, 2)),
    }
    for column in ("energy_kwh", "facility_energy_kwh", "operational_kgco2e", "emissions_kgco2e"):
        row[column], row[f"{column}_low"], row[f"{column}_high"] = draw(interval())
    return row


amount = st.tuples(
    st.sampled_from(["a", "b", "c"]), st.just("tokens"), number | st.sampled_from([1e6, 125_000.0, 3e11])
)


def loaded(text: str = POLICIES) -> PolicySet:
    import tempfile  # noqa: PLC0415 -- hypothesis and the fixtures of pytest do not mix
    from pathlib import Path  # noqa: PLC0415 -- likewise

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "random.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file)


SET = loaded()
CONNECTION = duckdb.connect(config={"threads": 1})


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(fact(), max_size=7),
    st.lists(amount, max_size=4),
    st.sampled_from(["latest", "2026-10-01T00:00:00Z", "2026-09-30T23:59:59.999999Z"]),
    st.booleans(),
)
def test_sql_and_reference_give_the_same_verdicts(
    rows: list[dict[str, Any]],
    amounts: list[tuple[str, str, Any]],
    as_of: str,
    no_history: bool,  # noqa: FBT001 -- drawn
) -> None:
    create(CONNECTION)
    insert(CONNECTION, rows, units=amounts)
    by_sql = judge(CONNECTION, SET, as_of=as_of, no_history=no_history)
    by_python = judge_by_reference(CONNECTION, SET, as_of=as_of, no_history=no_history)
    assert by_sql.verdicts == by_python.verdicts
    assert by_sql == by_python


def test_random_policies_and_waivers_are_judged_alike() -> None:
    seen = run(600, seed=20_261_121)  # `python -m tests.policy.agree 100000` takes longer
    assert min(seen.values()) > 0, f"a verdict never came, so that it was not compared: {seen}"
