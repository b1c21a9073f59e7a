"""A live budget: readings go in, decisions come out; what a limit is and what others used comes from the store."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from test_loop_processes import Rig

from green import config as configuration
from green.allowance import allowance
from green.audit import store
from green.errors import InputError, UsageError
from green.explain import explain
from green.meters.allowed import guards_of
from green.meters.options import parse
from green.meters.watch import OVER, WARN, Guard, Watch
from green.policy.load import load
from green.review import Review
from tests.conftest import REPO

POLICIES = """\
apiVersion: green/v1
bundle: {id: t, version: 1.0.0}
policies:
- {id: T-E001, title: a run, kind: limit, metric: energy.it, limit: {max: "0.05 Wh", warn_above: "50 %"}}
- {id: T-E002, title: others, kind: limit, metric: energy.facility, select: {team: vision}, limit: {max: "1 kWh"}}
- id: T-B001
  title: a team
  kind: budget
  metric: energy.facility
  group_by: [team]
  window: {rolling: 90d}
  limit: {max: "10 kWh", warn_above: "80 %"}
- {id: T-C001, title: carbon, kind: limit, metric: carbon.total, limit: {max: "1 kgCO2e"}}
- {id: T-C002, title: embodied, kind: limit, metric: carbon.embodied, limit: {max: "1 kgCO2e"}}
- {id: T-Q001, title: quality, kind: require, all: [{metric: quality.tier, at_least: imported}]}
"""
SITES = "sites:\n  dc: {region: DE, pue: 1.25, intensity: 400 gCO2e/kWh}\n"


def guard(**more: Any) -> Guard:
    known: dict[str, Any] = {"policy": "P", "title": "t", "metric": "energy.it", "unit": "kWh", "limit": 10.0}
    return Guard(**{**known, "warn_above": 8.0, "used": 0.0, "per_kwh": 1.0, **more})


def test_watch_warns_once_and_then_tells_once_that_it_is_over() -> None:
    watch = Watch([guard()])
    kinds = [[one.kind for one in watch.see(kwh)] for kwh in (0.0, 8.0, 8.1, 9.0, 10.0, 10.1, 11.0)]
    assert kinds == [[], [], [WARN], [], [], [OVER], []]  # the limit is inclusive, the warning is exclusive


def test_what_others_used_and_what_a_kwh_counts_are_in_the_figure() -> None:
    (decision,) = Watch([guard(used=6.0, per_kwh=1.25, unit="kgCO2e", subject="team=nlp")]).see(2.0)
    assert (decision.kind, decision.value) == (WARN, 8.5)
    assert decision.words() == (
        "P (team=nlp) warns: 8.5 kgCO2e is 85% of the limit of 10 kgCO2e (energy.it, 6 kgCO2e by others)"
    )


def test_share_of_the_command_line_takes_the_place_of_the_policys() -> None:
    assert [one.kind for one in Watch([guard()], warn_at=0.5).see(5.1)] == [WARN]
    assert Watch([guard(warn_above=None)]).see(9.9) == []


def test_a_jump_over_warning_and_limit_is_one_decision() -> None:
    watch = Watch([guard()])
    assert [one.kind for one in watch.see(100.0)] == [OVER]
    assert watch.see(9.0) == []


def test_budget_that_was_used_up_before_is_over_at_once() -> None:
    assert [one.kind for one in Watch([guard(used=10.5)]).see(0.0)] == [OVER]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies.yaml").write_text(POLICIES)
    (tmp_path / "config.yaml").write_text(SITES)
    return tmp_path


def config_of(place: Path, **more: Any) -> Any:
    return configuration.load([place / "config.yaml"], {"policies": "policies.yaml", **more}, root=REPO)


def recorded(place: Path, name: str, text: str) -> None:
    """Assess one more run, and keep the store."""
    folder = place / "logs" / name
    folder.mkdir(parents=True)
    (folder / "run.yaml").write_text(text)
    config = config_of(place)
    review = Review(config, load(place / "policies.yaml"), place / f"work-{name}")
    _, published = review.head(place / "logs", "latest")
    Path(config.store).parent.mkdir(exist_ok=True)
    published.replace(config.store)


def test_guards_are_what_the_same_sql_says_of_a_run_of_one_kwh(place: Path) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ran = (
        f"team: nlp\nsite: {{name: dc}}\nstarted_at: {now}\nended_at: {now}\nenergy: {{total: 4 kWh, basis: device}}\n"
    )
    recorded(place, "earlier", ran)
    recorded(place, "again", ran)
    record = {"team": "nlp", "site": {"name": "dc"}}
    found = allowance(config_of(place), record, "again", ["all"], "again")
    by_policy = {one["policy"]: one for one in found["guards"]}
    assert set(by_policy) == {"T-E001", "T-B001", "T-C001"}
    budget = by_policy["T-B001"]
    assert (budget["subject"], budget["limit"], budget["warn_above"]) == ("team=nlp", 10.0, 8.0)
    assert (budget["used"], budget["per_kwh"]) == (10.0, 1.25)  # the other run, and what this one used before
    assert (by_policy["T-E001"]["used"], by_policy["T-E001"]["per_kwh"]) == (4.0, 1.0)
    assert (by_policy["T-C001"]["per_kwh"], by_policy["T-C001"]["is_part"]) == (0.5, True)
    assert {one["policy"]: one["why"] for one in found["unwatched"]} == {
        "T-E002": "it is not about this run",
        "T-C002": "carbon.embodied does not grow with energy alone",
    }
    assert found["kgco2e_per_kwh"] == 0.5


def test_a_plan_used_nothing_and_what_is_unknown_of_before_is_not_nothing(place: Path) -> None:
    record = {"team": "nlp", "site": {"name": "dc"}}
    plan = "status: planned\nteam: nlp\nsite: {name: dc}\nduration: 1 h\nenergy: {total: 4 kWh, basis: device}\n"
    recorded(place, "planned", plan)
    found = allowance(config_of(place), record, "planned", ["T-E001"], "planned")
    assert [one["used"] for one in found["guards"]] == [0.0]
    recorded(place, "cut", "team: nlp\nsite: {name: dc}\nstatus: killed\nstarted_at: 2026-03-01T08:00:00Z\n")
    found = allowance(config_of(place), record, "cut", ["T-E001"], "cut")
    assert found["guards"] == []
    assert found["unwatched"][0]["why"].startswith("what the run used before is unknown (MISSING_FIELD")


def test_without_a_region_carbon_cannot_be_watched_and_without_a_store_no_budget(place: Path) -> None:
    found = allowance(config_of(place), {"team": "nlp"}, "r", ["T-C001", "T-B001", "T-Q001"], "r")
    assert found["guards"] == []
    why = {one["policy"]: one["why"] for one in found["unwatched"]}
    assert why["T-C001"].startswith("carbon.operational of a kWh is unknown (")
    assert "NO_PUE" in why["T-C001"] or "MISSING_FIELD" in why["T-C001"]
    assert why["T-Q001"] == "it sets no upper limit of a sum"
    known = allowance(config_of(place), {"team": "nlp", "site": {"name": "dc"}}, "r", ["T-B001"], "r")
    assert "NO_HISTORY" in known["unwatched"][0]["why"]
    with pytest.raises(UsageError, match="no policy 'T-B002'"):
        allowance(config_of(place), {}, "r", ["T-B002"], "r")


def test_policy_that_was_named_and_cannot_be_watched_stops_the_start() -> None:
    said: list[str] = []
    unwatched = {"guards": [], "unwatched": [{"policy": "A", "why": "it rains"}]}
    with pytest.raises(InputError, match="--budget A cannot be watched: it rains"):
        guards_of(unwatched, parse(["--budget", "A", "x"]), said.append)
    with pytest.raises(UsageError, match="no policy bounds this run"):
        guards_of(unwatched, parse(["--budget", "all", "x"]), said.append)
    assert said == ["A is not watched: it rains"]


def test_run_over_its_budget_is_stopped_then_killed_and_explained(tmp_path: Path) -> None:
    """300 W and 40 W reach 0.05 Wh after half a second; the command does not follow SIGTERM."""
    rig = Rig(tmp_path)
    (tmp_path / "policies.yaml").write_text(POLICIES)
    script = "trap 'echo asked > asked' TERM; while :; do sleep 0.02; done"
    words = ["--policies", "policies.yaml", "--budget", "T-E001", "--stop", "--grace", "0.3"]
    words += ["--run-id", "r", "--region", "DE", "--"]
    code, err = rig.run(*words, "sh", "-c", script)
    assert code == -signal.SIGKILL
    assert (tmp_path / "asked").exists()
    told = [line for line in err.splitlines() if "T-E001" in line]
    assert "T-E001 is used up: 0." in told[-1]  # on a machine that is busy one reading may step over the warning
    *_, footer = rig.records()
    assert (footer["status"], footer["reason"], footer["policy"]) == ("killed", "budget", "T-E001")
    assert [one["is"] for one in rig.records() if one.get("note") == "budget"][-1] == OVER
    os.chdir(tmp_path)
    config = configuration.load([], {"policies": "policies.yaml"}, root=REPO)
    review = Review(config, load(tmp_path / "policies.yaml"), tmp_path / "work")
    judgement, published = review.head(tmp_path / "logs", "latest")
    with store.reader(published) as con:
        found = explain(con, "r", None)
        (energy,) = con.execute("SELECT energy_kwh FROM runs").fetchall()
    assert found["status"] == "killed"
    (flag,) = [one for one in found["flags"] if one["code"] == "STOPPED_BY_BUDGET"]
    assert "a budget that it was told to hold was used up" in flag["meaning"]
    # 340 W until the kill: the watch and the pipeline agree on when 0.05 Wh were used
    assert 0.05e-3 < energy[0] < 0.5e-3
    (verdict,) = [one for one in judgement.verdicts if one.policy == "T-E001"]
    assert verdict.verdict == "fail"


def test_command_that_follows_sigterm_ends_by_its_own_code_and_was_killed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    (tmp_path / "policies.yaml").write_text(POLICIES)
    words = ["--policies", "policies.yaml", "--budget", "T-E001", "--stop", "--run-id", "r", "--"]
    code, _ = rig.run(*words, "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done")
    assert code == 0
    footer = rig.records()[-1]
    assert (footer["status"], footer["reason"], footer["exit_code"]) == ("killed", "budget", 0)


def test_mistake_in_the_policies_is_told_before_the_command_starts(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    (tmp_path / "policies.yaml").write_text(POLICIES.replace("metric: energy.it", "metric: energy.its", 1))
    code, err = rig.run("--policies", "policies.yaml", "--budget", "T-E001", "--", "touch", "started")
    assert code == 3
    assert err.startswith("error: ")
    assert "policies.yaml:4" in err
    assert not (tmp_path / "started").exists()
