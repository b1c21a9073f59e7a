"""The meaning of policies, point by point; figures are hand arithmetic."""

# ruff: noqa: E501 -- a policy stands in one line
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from facts_for_tests import at, facts, judged, policies, run

from green.policy.facts import create, insert
from green.policy.judge import exit_code, judge
from green.policy.metrics import DISCLOSABLE

if TYPE_CHECKING:
    from pathlib import Path

    from green.policy.judge import Judgement, Verdict

LIMIT = '- {id: A, title: t, kind: limit, metric: energy.facility, limit: {max: 50 kWh, warn_above: "80 %"}}\n'
BUDGET = "- {id: B, title: t, kind: budget, metric: energy.it, window: {rolling: 90d}, limit: {max: 100 kWh, warn_above: 80 %}}\n"


def energy(
    run_id: str = "a",
    value: float | None = None,
    low: float | None = None,
    high: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    columns = ("facility_energy_kwh", "energy_kwh")
    figures = {
        f"{name}{end}": number for name in columns for end, number in (("", value), ("_low", low), ("_high", high))
    }
    return run(run_id, **figures, **more)


def only(judgement: Judgement) -> Verdict:
    assert len(judgement.verdicts) == 1
    return judgement.verdicts[0]


def by_subject(judgement: Judgement) -> dict[str, str]:
    return {verdict.subject: verdict.verdict for verdict in judgement.verdicts}


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (40.0, None, None, "pass"),  # warn_above is exclusive
        (math.nextafter(40.0, 99), None, None, "warn"),
        (50.0, None, None, "warn"),  # max is inclusive
        (math.nextafter(50.0, 99), None, None, "fail"),
        (62.0, 45.0, 80.0, "fail"),  # the value alone decides
        (62.0, 51.0, 80.0, "fail"),
        (48.0, 45.0, 51.0, "at_risk"),  # before warn_above
        (30.0, 20.0, 51.0, "at_risk"),
        (48.0, 45.0, 50.0, "warn"),
        (30.0, 29.0, 31.0, "pass"),
        (30.0, 29.0, None, "at_risk"),  # an interval without an upper end
        (0.0, None, None, "pass"),
        (None, None, None, "unknown"),
        (math.nan, None, None, "unknown"),
        (math.inf, None, None, "unknown"),
        (-math.inf, None, None, "unknown"),
        (-1.0, None, None, "unknown"),
        (30.0, 29.0, math.nan, "unknown"),
        (30.0, 29.0, math.inf, "unknown"),
    ],
)
def test_a_limit_is_judged_with_its_interval(
    tmp_path: Path, value: float | None, low: float | None, high: float | None, expected: str
) -> None:
    assert only(judged(tmp_path, LIMIT, energy("a", value, low, high))).verdict == expected


def test_figures_and_message_are_in_the_unit_that_the_policy_wrote(tmp_path: Path) -> None:
    text = "- {id: A, title: t, kind: limit, metric: energy.facility, limit: {max: 180 MJ}}\n"
    found = only(judged(tmp_path, text, energy("a", 62.0, 60.0, 65.0, where_file="x/run.yaml", where_line=3)))
    # 62 kWh * 3.6 = 223.2 MJ; (62 - 50) / 50 = 24 %
    assert (found.value, found.low, found.high, found.limit, found.unit) == (223.2, 216.0, 234.0, 180.0, "MJ")
    assert found.record()["where"] == {"file": "x/run.yaml", "line": 3}
    assert found.message == "62 kWh is 12 kWh (24 %) over the limit of 50 kWh"


def test_a_figure_without_an_interval_says_that_it_is_a_point(tmp_path: Path) -> None:
    assert "judged as a point" in only(judged(tmp_path, LIMIT, energy("a", 10.0, 10.0, 10.0))).message
    assert "judged as a point" not in only(judged(tmp_path, LIMIT, energy("a", 10.0, 9.0, 11.0))).message


def test_the_reason_is_the_first_of_the_run_that_concerns_the_metric(tmp_path: Path) -> None:
    known = only(judged(tmp_path, LIMIT, energy("a", None, unknown_reasons=["NO_HARDWARE", "NO_PUE", "NO_SAMPLES"])))
    other = only(judged(tmp_path, LIMIT, energy("a", None, unknown_reasons=["NO_HARDWARE"])))
    assert (known.reason, other.reason) == ("NO_PUE", "MISSING_METRIC")


def test_a_minimum_is_inclusive_and_its_interval_counts(tmp_path: Path) -> None:
    text = "- {id: A, title: t, kind: limit, metric: energy.it, limit: {min: 10 kWh}}\n"
    rows = [
        energy("equal", 10.0),
        energy("under", 9.99),
        energy("near", 11.0, 9.0, 12.0),
        energy("over", 12.0, 10.0, 13.0),
    ]
    assert by_subject(judged(tmp_path, text, *rows)) == {
        "equal": "pass", "near": "at_risk", "over": "pass", "under": "fail",
    }  # fmt: skip


def test_a_run_without_a_field_of_the_selector_is_unknown_and_others_are_left_out(tmp_path: Path) -> None:
    text = "- {id: A, title: t, kind: limit, metric: energy.it, select: {team: nlp, kind: training}, limit: {max: 5 kWh}}\n"
    rows = [
        energy("both", 1.0, team="nlp", kind="training"),
        energy("no team", 1.0, kind="training"),
        energy("other", 1.0, kind="inference"),  # its kind rules it out, whatever its team
    ]
    found = judged(tmp_path, text, *rows)
    assert by_subject(found) == {"both": "pass", "no team": "unknown"}
    assert found.verdicts[1].reason == "MISSING_FIELD"
    assert "team is missing" in found.verdicts[1].message


def test_an_absent_label_matches_nothing_so_that_not_keeps_the_run(tmp_path: Path) -> None:
    text = "- {id: A, title: t, kind: limit, metric: energy.it, select: {not: {labels: {purpose: benchmark}}}, limit: {max: 5 kWh}}\n"
    rows = [
        energy("bench", 1.0, labels={"purpose": "benchmark"}),
        energy("none", 1.0),
        energy("other", 1.0, labels={"x": "y"}),
    ]
    assert by_subject(judged(tmp_path, text, *rows)) == {"none": "pass", "other": "pass"}


def test_runs_that_are_gone_replaced_or_planned_are_not_judged_singly(tmp_path: Path) -> None:
    rows = [
        energy("gone", 99.0, is_current=False),
        energy("replaced", 99.0, is_counted=False),
        energy("plan", 99.0, status="planned"),
        energy("failed", 99.0, status="failed"),
    ]
    assert by_subject(judged(tmp_path, LIMIT, *rows)) == {"failed": "fail"}


def test_a_run_id_that_is_used_twice_is_one_error(tmp_path: Path) -> None:
    rows = [
        energy("a", 1.0, error="DUPLICATE_RUN_ID"),
        energy("a", 2.0, error="DUPLICATE_RUN_ID"),
        energy("b", 1.0),
    ]
    found = judged(tmp_path, LIMIT + BUDGET, *rows)
    assert [(one.policy, one.subject, one.verdict, one.reason) for one in found.verdicts if one.subject == "a"] == [
        ("A", "a", "error", "DUPLICATE_RUN_ID"), ("B", "a", "error", "DUPLICATE_RUN_ID"),
    ]  # fmt: skip
    assert exit_code(found) == 3


END = "2026-10-01T00:00:00Z"


def test_a_rolling_window_leaves_out_its_start_and_keeps_as_of(tmp_path: Path) -> None:
    start = at(END) - 90 * 86_400_000_000
    rows = [
        energy("start", 50.0, ended_at=start),
        energy("inside", 30.0, ended_at=start + 1),
        energy("last", 20.0, ended_at=END),
        energy("later", 40.0, ended_at=at(END) + 1),
    ]
    assert only(judged(tmp_path, BUDGET, *rows, as_of=END)).value == 50.0


def test_a_calendar_window_keeps_both_ends(tmp_path: Path) -> None:
    text = BUDGET.replace("rolling: 90d", "calendar: quarter")
    rows = [
        energy("before", 1.0, ended_at=at("2026-07-01T00:00:00Z") - 1),
        energy("first", 2.0, ended_at="2026-07-01T00:00:00Z"),
        energy("last", 4.0, ended_at="2026-08-15T12:00:00+02:00"),
    ]
    assert only(judged(tmp_path, text, *rows, as_of="2026-08-15T10:00:00Z")).value == 6.0


def test_the_latest_end_is_as_of_and_a_run_without_an_end_takes_start_and_duration(tmp_path: Path) -> None:
    found = judged(tmp_path, BUDGET, energy("a", 1.0, started_at="2026-10-01T00:00:00Z", duration_s=5400.5))
    assert found.as_of == "2026-10-01T01:30:00.500000Z"
    assert only(found).verdict == "pass"


def test_a_budget_sums_decimals_exactly_so_that_the_limit_itself_passes(tmp_path: Path) -> None:
    text = BUDGET.replace("100 kWh, warn_above: 80 %", "0.3 kWh")
    rows = [energy(name, 0.1, ended_at=END) for name in "abc"]  # 0.1 + 0.1 + 0.1 > 0.3 in floating point
    assert only(judged(tmp_path, text, *rows)).verdict == "pass"
    more = judged(tmp_path, text, *rows, energy("d", 1e-15, ended_at=END))
    assert only(more).verdict == "fail"


def test_failed_killed_and_gone_runs_count_in_a_budget(tmp_path: Path) -> None:
    rows = [
        energy("f", 30.0, status="failed", ended_at=END),
        energy("k", 30.0, status="killed", ended_at=END),
        energy("g", 41.0, is_current=False, ended_at=END),
        energy("r", 500.0, is_counted=False, ended_at=END),
    ]
    assert only(judged(tmp_path, BUDGET, *rows)).value == 101.0
    text = BUDGET.replace("window:", "count: {failed: false}, window:")
    assert only(judged(tmp_path, text, *rows)).value == 41.0


def test_a_plan_counts_until_a_run_of_its_id_has_ended(tmp_path: Path) -> None:
    done, plan = energy("a", 10.0, status="completed", ended_at=END), energy("a", 70.0, status="planned")
    other = energy("b", 5.0, ended_at="2026-09-01T00:00:00Z")
    assert only(judged(tmp_path, BUDGET, plan, other)).value == 75.0
    assert only(judged(tmp_path, BUDGET, done, plan, other)).value == 15.0
    assert only(judged(tmp_path, BUDGET, done, plan, other, as_of="2026-09-15")).value == 75.0
    without = BUDGET.replace("window:", "count: {planned: false}, window:")
    assert only(judged(tmp_path, without, plan, other)).value == 5.0


def test_one_unknown_run_makes_a_budget_unknown_unless_the_rest_exceeds_it(tmp_path: Path) -> None:
    unknown = energy("u", None, ended_at=END, unknown_reasons=["NO_SAMPLES"])
    found = only(judged(tmp_path, BUDGET, energy("a", 90.0, ended_at=END), unknown))
    assert (found.verdict, found.reason, found.value) == ("unknown", "NO_SAMPLES", 90.0)
    assert "1 of 2 runs cannot be counted (u)" in found.message
    assert only(judged(tmp_path, BUDGET, energy("a", 101.0, ended_at=END), unknown)).verdict == "fail"


def test_a_run_without_any_time_makes_its_budget_unknown(tmp_path: Path) -> None:
    found = only(judged(tmp_path, BUDGET, energy("a", 1.0, ended_at=END), energy("t", 1.0)))
    assert (found.verdict, found.reason) == ("unknown", "MISSING_FIELD")


def test_the_first_unknown_runs_are_named_in_their_order(tmp_path: Path) -> None:
    rows = [energy(name, None, ended_at=END, unknown_reasons=["NO_PUE"]) for name in "dbeac"]
    found = only(judged(tmp_path, BUDGET, *rows))
    assert "5 of 5 runs cannot be counted (a, b, c, …)" in found.message


@pytest.mark.parametrize(
    ("seconds", "is_dated"),
    [(0.0, True), (1e10, True), (1.0000000000000002e10, False), (-1.0, False), (math.nan, False), (math.inf, False)],
)
def test_a_duration_that_is_none_dates_no_run(tmp_path: Path, seconds: float, is_dated: bool) -> None:  # noqa: FBT001 -- parametrised
    row = energy("a", 1.0, started_at="1990-01-01T00:00:00Z", duration_s=seconds)
    found = judged(tmp_path, BUDGET.replace("90d", "200000 d"), row, energy("b", 1.0, ended_at="2400-01-01"))
    assert only(found).verdict == ("pass" if is_dated else "unknown")


def test_half_a_microsecond_is_rounded_away_from_zero(tmp_path: Path) -> None:
    row = energy("a", 1.0, started_at=END, duration_s=0.0000025)
    assert judged(tmp_path, BUDGET, row).as_of == "2026-10-01T00:00:00.000003Z"


def test_budgets_are_unknown_where_no_fact_has_a_time(tmp_path: Path) -> None:
    found = judged(tmp_path, BUDGET, energy("a", 1.0))
    assert found.as_of is None
    assert only(found).verdict == "unknown"


def test_groups_are_named_and_runs_without_the_field_go_to_unattributed(tmp_path: Path) -> None:
    text = BUDGET.replace("window:", "group_by: [team, project], window:")
    rows = [
        energy("a", 60.0, team="nlp", project="x", ended_at=END),
        energy("b", 60.0, team="nlp", project="y", ended_at=END),
        energy("c", 101.0, project="x", ended_at=END),
        energy("d", 1.0, team="p,q", project="x", ended_at=END),
    ]
    assert by_subject(judged(tmp_path, text, *rows)) == {
        "team=nlp,project=x": "pass",
        "team=nlp,project=y": "pass",
        "team=(unattributed),project=x": "fail",
        "team=p\\,q,project=x": "pass",
    }


def test_a_budget_keeps_a_run_apart_that_may_not_belong_to_it(tmp_path: Path) -> None:
    text = BUDGET.replace("window:", "select: {team: nlp}, window:")
    rows = [energy("a", 1.0, team="nlp", ended_at=END), energy("b", 999.0, ended_at=END)]
    assert by_subject(judged(tmp_path, text, *rows)) == {"*": "pass", "b": "unknown"}


def test_intervals_of_a_budget_add_up(tmp_path: Path) -> None:
    rows = [energy("a", 40.0, 38.0, 45.0, ended_at=END), energy("b", 50.0, 49.0, 56.0, ended_at=END)]
    found = only(judged(tmp_path, BUDGET, *rows))
    assert (found.verdict, found.value, found.low, found.high) == ("at_risk", 90.0, 87.0, 101.0)


def test_without_history_a_budget_is_unknown_unless_it_is_already_broken(tmp_path: Path) -> None:
    row = energy("a", 1.0, ended_at=END)
    found = judged(tmp_path, BUDGET, row, no_history=True)
    assert (only(found).verdict, only(found).reason) == ("unknown", "NO_HISTORY")
    assert "history since 2026-10-01T00:00:00Z" in only(found).message
    assert found.digest != judged(tmp_path, BUDGET, row).digest
    assert only(judged(tmp_path, BUDGET, energy("a", 101.0, ended_at=END), no_history=True)).verdict == "fail"
    assert only(judged(tmp_path, BUDGET, no_history=True)).reason == "NO_HISTORY"


INTENSITY = (
    "- {id: I, title: t, kind: intensity, metric: carbon.operational, per: tokens, limit: {max: 0.4 gCO2e/Mtoken}}\n"
)


@pytest.mark.parametrize(
    ("amount", "verdict", "reason"),
    [
        (3e11, "pass", None),  # 120 kgCO2e / 300,000 Mtoken = 0.4 g/Mtoken, the limit itself
        (2.999e11, "fail", None),
        (0.0, "unknown", "ZERO_DENOMINATOR"),
        (-1.0, "unknown", "NEGATIVE"),
        (math.nan, "unknown", "NON_FINITE"),
        (None, "unknown", "MISSING_FIELD"),
    ],
)
def test_an_intensity_is_exact_at_its_limit_and_unknown_without_a_denominator(
    tmp_path: Path, amount: float | None, verdict: str, reason: str | None
) -> None:
    row = run("a", operational_kgco2e=120.0)
    found = only(judged(tmp_path, INTENSITY, row, units=[("a", "tokens", amount), ("a", "steps", 1.0)]))
    assert (found.verdict, found.reason, found.unit) == (verdict, reason, "gCO2e/Mtoken")


def test_allow_takes_listed_values_and_knows_norway(tmp_path: Path) -> None:
    text = "- {id: R, title: t, kind: allow, field: region, allow: [FR, NO]}\n"
    rows = [run("a", region="NO"), run("b", region="US"), run("c"), run("d", region="")]
    found = judged(tmp_path, text, *rows)
    assert by_subject(found) == {"a": "pass", "b": "fail", "c": "unknown", "d": "unknown"}
    assert found.verdicts[1].message == "region US is not one of FR, NO"


def test_every_device_has_to_be_allowed_and_known(tmp_path: Path) -> None:
    text = "- {id: R, title: t, kind: allow, field: hardware, allow: [A100, H100]}\n"
    rows = [
        run("a", hardware=["A100", "H100"]),
        run("b", hardware=["A100", "V100"]),
        run("c", hardware=["A100", None]),
        run("d", hardware=[]),
        run("e", hardware=["V100", None]),
    ]
    assert by_subject(judged(tmp_path, text, *rows)) == {
        "a": "pass", "b": "fail", "c": "unknown", "d": "unknown", "e": "fail",
    }  # fmt: skip


def test_require_names_all_that_is_not_met(tmp_path: Path) -> None:
    text = """- id: Q
  title: t
  kind: require
  all:
  - {metric: coverage.energy, min: 95 %}
  - {metric: quality.tier, at_least: imported}
  - {present: [region, hardware]}
"""
    good = {"coverage_ratio": 0.95, "quality_tier": "imported", "region": "DE", "hardware": ["A100"]}
    rows = [
        run("a", **good),
        run("b", **{**good, "coverage_ratio": 0.9, "region": None}),
        run("c", **{**good, "coverage_ratio": None}),
        run("d", **{**good, "quality_tier": "modelled"}),
        run("e", **{**good, "quality_tier": "guessed"}),
        run("f", **{**good, "hardware": []}),
    ]
    found = judged(tmp_path, text, *rows)
    assert by_subject(found) == {
        "a": "pass",
        "b": "fail",
        "c": "unknown",
        "d": "fail",
        "e": "unknown",
        "f": "fail",
    }
    assert found.verdicts[1].message == "does not meet: coverage.energy at least 95 %, region"


@pytest.mark.parametrize("field", DISCLOSABLE)
def test_a_field_that_has_to_be_present_is(tmp_path: Path, field: str) -> None:
    times = dict.fromkeys(("started_at", "ended_at"), END)
    full = {**dict.fromkeys(DISCLOSABLE, "x"), **times, "duration_s": 0.0, "hardware": ["A100"]}
    full |= {"kind": "training", "status": "failed", "run_id": "a", "quality_tier": "declared"}
    text = f"- {{id: Q, title: t, kind: require, all: [{{present: [{field}]}}]}}\n"
    assert only(judged(tmp_path, text, run(**full))).verdict == "pass"
    if field == "run_id":
        return
    blank = {"hardware": [""], "duration_s": math.nan, "started_at": None, "ended_at": None}.get(field, "")
    for wrong in (None, blank, -1.0 if field == "duration_s" else blank):
        found = only(judged(tmp_path, text, run(**{**full, field: wrong})))
        assert (found.verdict, found.reason) == ("fail", "MISSING_FIELD"), wrong
        assert found.message == f"does not meet: {field}"


def test_a_policy_that_selects_nothing_is_counted_and_must_match_is_an_error(tmp_path: Path) -> None:
    text = "- {id: A, title: t, kind: limit, metric: energy.it, select: {team: none}, limit: {max: 5 kWh}}\n"
    found = judged(tmp_path, text, energy("a", 1.0, team="nlp"))
    assert (found.summary["not_applicable"], found.verdicts) == (1, ())
    assert found.idle[0].message == "selected no run"
    strict = judged(tmp_path, text.replace("title: t", "title: t, must_match: true"), energy("a", 1.0, team="nlp"))
    assert (only(strict).verdict, exit_code(strict)) == ("error", 3)


@pytest.mark.parametrize(
    ("value", "extra", "plain", "strict"),
    [
        (1.0, "", 0, 0),
        (45.0, "", 0, 2),
        (60.0, "", 1, 1),
        (60.0, "enforcement: advisory, ", 0, 2),
        (60.0, "enforcement: hard-mandatory, ", 1, 1),
        (None, "", 1, 1),
        (None, "on_unknown: warn, ", 0, 2),
        (None, "enforcement: advisory, ", 0, 2),
    ],
)
def test_exit_codes_follow_enforcement_and_on_unknown(
    tmp_path: Path, value: float | None, extra: str, plain: int, strict: int
) -> None:
    found = judged(tmp_path, LIMIT.replace("title: t, ", f"title: t, {extra}"), energy("a", value))
    assert (exit_code(found), exit_code(found, strict=True)) == (plain, strict)


def test_the_digest_does_not_depend_on_order_threads_or_time_zone(tmp_path: Path) -> None:
    rows = [
        energy(f"r{number}", number / 7, ended_at=at(END) - number * 3_600_000_000, team="abc"[number % 3])
        for number in range(60)
    ]
    chosen = policies(tmp_path, LIMIT + BUDGET.replace("window:", "group_by: team, window:"))
    digests = set()
    for threads, zone, ordered in ((1, "UTC", rows), (4, "Asia/Kathmandu", rows[::-1])):
        connection = duckdb.connect(config={"threads": threads})
        connection.execute(f"SET TimeZone = '{zone}'")
        create(connection)
        insert(connection, ordered)
        digests.add(judge(connection, chosen).digest)
    assert len(digests) == 1
    elsewhere = policies(tmp_path / "other", LIMIT + BUDGET.replace("window:", "group_by: team, window:"))
    assert judge(facts(*rows), elsewhere).digest in digests
    changed = judge(facts(*rows[:-1]), chosen).digest
    assert changed not in digests
