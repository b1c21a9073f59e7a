"""Plan against actual: the ledger keeps the plan, a view holds it beside the run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from green.check import check
from green.config import ReportSettings
from green.foresee import calibrated
from green.output import json as as_json
from green.output import markdown, would
from green.output import text as text_form
from green.output.plan import render_calibration
from green.policy.load import load
from green.report import write
from green.whatif import rates_of
from tests.plan.helper import POLICIES, Planner, text_of


def ran(work: Planner, *hours: tuple[str, int, int], team: str = "nlp") -> None:
    """Record plans of (run_id, planned hours, actual hours); then the runs that they were."""
    for name, planned_h, _ in hours:
        work.put(f"{name}/run.yaml", text_of(run_id=name, duration=f"{planned_h} h", team=team))
    work.ledgered()
    for name, _, actual_h in hours:
        said = text_of(run_id=name, duration=f"{actual_h} h", team=team, status="completed")
        work.put(f"{name}/run.yaml", said)
    work.ledgered()


def test_the_plan_survives_the_run_and_a_team_has_the_median_of_its_runs(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    ran(work, ("a", 10, 10), ("b", 10, 13), ("c", 10, 40), ("d", 10, 5))
    ran(work, ("e", 100, 110), team="other")
    work.put("f/run.yaml", text_of(run_id="f"))
    work.put("g/run.yaml", text_of(run_id="g", status="completed"))
    work.ledgered()
    runs = {row["run_id"]: row for row in work.query("SELECT * FROM plan_actual")}
    assert sorted(runs) == ["a", "b", "c", "d", "e"], "a plan that has not run and a run without a plan say nothing"
    assert runs["b"]["energy_ratio"] == pytest.approx(1.3)
    assert runs["b"]["emissions_ratio"] == pytest.approx(1.3)
    assert runs["b"]["planned_energy_kwh"] == pytest.approx(0.7 * 0.8 * 8 * 10)
    assert [row["is_within"] for row in runs.values()] == [True, False, False, False, True]
    teams = {row["team"]: row for row in work.query("SELECT * FROM calibration")}
    assert teams["nlp"]["energy_ratio"] == pytest.approx((1 + 1.3) / 2)
    assert (teams["nlp"]["runs"], teams["nlp"]["runs_within"]) == (4, 1)
    assert (teams["nlp"]["energy_ratio_low"], teams["nlp"]["energy_ratio_high"]) == pytest.approx((0.5, 4))
    assert teams["other"]["duration_ratio"] == pytest.approx(1.1)


def test_of_several_plans_the_last_before_the_run_counts(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    work.put("a/run.yaml", text_of(run_id="a", duration="1 h"))
    work.ledgered()
    ran(work, ("a", 20, 30))
    (run,) = work.query("SELECT * FROM plan_actual")
    assert run["duration_ratio"] == pytest.approx(1.5)


def test_what_is_unknown_of_plan_or_run_is_no_ratio(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    work.put("a/run.yaml", text_of(run_id="a", site={"region": "DE"}))
    work.ledgered()
    work.put("a/run.yaml", text_of(run_id="a", status="completed", hardware=None))
    work.ledgered()
    (team,) = work.query("SELECT * FROM calibration")
    assert (team["runs"], team["energy_runs"], team["energy_ratio"]) == (1, 0, None)
    assert "unknown" in render_calibration(calibrated(work.store, None), is_terminal=False)


def test_a_plan_of_a_team_says_what_its_plans_were_worth(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    ran(work, ("a", 10, 13))
    found = work.found(text_of())
    assert [(one["team"], one["runs"]) for one in found["calibration"]] == [("nlp", 1)]
    assert found["calibration"][0]["energy_ratio"] == pytest.approx(1.3)
    assert work.found(text_of(team="other"))["calibration"] == []
    shown = calibrated(work.store, "nlp")
    assert [one["run_id"] for one in shown["runs"]] == ["a"]
    assert "nlp\t1\t0\t1.3\t1.3\t1.3\t1.3\t1.3" in render_calibration(shown, is_terminal=False)
    assert calibrated(work.store, "other") == {"teams": [], "runs": []}
    assert render_calibration(calibrated(work.store, "other")).startswith("no plan has run yet")


def test_the_page_has_plan_against_actual_where_there_is_any(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    work.put("x/run.yaml", text_of(run_id="x", status="completed"))
    work.ledgered()
    assert 'id="plans"' not in page_of(work)
    ran(work, ("<b>a</b>", 10, 13))
    text = page_of(work)
    assert text.index('id="runs"') < text.index('id="plans"') < text.index('id="groups"')
    assert '<a href="#plans">Plan against actual</a>' in text
    part = text[text.index('id="plans"') : text.index('id="groups"')]
    assert '<span class="n">1.3</span>' in part
    assert "&lt;b&gt;a&lt;/b&gt;" in part


def page_of(work: Planner, look: ReportSettings | None = None) -> str:
    """Check, and write the page of what was found."""
    rules = load(work.put("../policies/p.yaml", POLICIES))
    work.results.mkdir(exist_ok=True)
    judgement = check(work.store, rules, as_of="latest", rates=rates_of(work.config)).judgement
    (work.results / "verdicts.json").write_text(as_json.render(judgement), encoding="utf-8")
    write(work.store, work.results, work.results / "report.html", look or ReportSettings())
    return (work.results / "report.html").read_text(encoding="utf-8")


def test_a_finding_with_a_mend_is_not_left_out_with_the_passes(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    for number in range(4):
        work.put(f"a{number}/run.yaml", text_of(run_id=f"a{number}", status="completed", duration="1 h"))
    work.put("r/run.yaml", text_of(run_id="r", status="completed"))
    work.ledgered()
    assert "<dt>Would pass</dt>" in page_of(work, ReportSettings(most_runs=1))


def test_the_page_and_the_comment_say_what_would_pass(tmp_path: Path) -> None:
    work = Planner(tmp_path)
    work.put("r/run.yaml", text_of(run_id="r", status="completed"))
    work.ledgered()
    page = page_of(work)
    (record,) = (
        one for one in json.loads((work.results / "verdicts.json").read_text())["verdicts"] if "would_pass" in one
    )
    words = would(record["would_pass"], "r")
    assert re.fullmatch(r"in at most \d+\.?\d* h, or in NO or SE or CH", words)
    assert f"<dt>Would pass</dt><dd>{words}</dd>" in page
    rules = load(tmp_path / "policies" / "p.yaml")
    judgement = check(work.store, rules, as_of="latest", commit=False, rates=rates_of(work.config)).judgement
    assert f"Would pass {words}" in markdown.render(judgement)
    assert f"           would pass {words}\n" in text_form.render(judgement, is_terminal=False)
    assert f"would pass {words}" in " ".join(text_form.render(judgement, is_terminal=True, width=400).split())
