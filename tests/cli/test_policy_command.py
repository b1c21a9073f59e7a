"""`green policy` runs the cases of policies and explains a policy with what it finds."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from green.cli import main
from tests.conftest import REPO

if TYPE_CHECKING:
    from tests.conftest import Pipeline

POLICIES = """apiVersion: green/v1
bundle: {id: own, version: 1.0.0}
policies:
- id: OWN-E1
  title: A run stays under 10 kWh
  kind: limit
  select: {team: [nlp, vision]}
  metric: energy.it
  limit: {max: "10 kWh"}
  because: the board decided it
  mend: make it shorter
- id: OWN-B1
  title: A team stays under 25 kWh a year
  kind: budget
  group_by: [team]
  metric: energy.it
  window: {calendar: year}
  limit: {max: "25 kWh"}
- id: OWN-R1
  title: Runs are in two countries
  kind: allow
  field: region
  allow: [DE, FR]
  enforcement: advisory
"""
CASES = """policy: OWN-E1
cases:
- name: more than the limit fails
  given: [{run_id: large, team: nlp, metrics: {energy.it: "10.1 kWh"}}]
  expect: [{subject: large, verdict: %s}]
"""
RUNS = {"small": ("nlp", "4 kWh", "DE"), "large": ("nlp", "12 kWh", "DE"), "other": ("speech", "20 kWh", "PL")}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, pipeline: Pipeline) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    for name, (team, energy, region) in RUNS.items():
        (folder / "logs" / name).mkdir(parents=True)
        (folder / "logs" / name / "run.yaml").write_text(
            f'run_id: {name}\nteam: {team}\nended_at: 2024-10-01T12:00:00Z\nduration: "1 h"\n'
            f'site: {{region: {region}}}\nenergy: {{total: "{energy}", basis: wall}}\n',
        )
    (folder / "rules" / "cases").mkdir(parents=True)
    (folder / "rules" / "own.yaml").write_text(POLICIES)
    pipeline(folder / "logs", folder)
    return folder


@pytest.fixture
def here(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(work)
    return work


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["policy", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def explained(capsys: pytest.CaptureFixture[str], policy: str) -> dict[str, Any]:
    code, out, err = run(capsys, "explain", policy, "--policies", "rules", "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_policies_of_the_repository_are_all_tested_and_pass(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "test", "--policies", str(REPO / "policies"))
    assert code == 0
    assert "0 failed" in out
    assert " policies untested" in out
    assert out.count("passed") == int(out.splitlines()[-2].split()[0])


def test_a_case_that_does_not_come_out_ends_1_and_says_what_was_found(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "rules" / "cases" / "OWN-E1.yaml").write_text(CASES % "pass")
    code, out, _ = run(capsys, "test", "--policies", "rules")
    assert code == 1
    assert "failed  OWN-E1, more than the limit fails" in out
    assert "expected pass for large, found fail" in out
    (here / "rules" / "cases" / "OWN-E1.yaml").write_text(CASES % "fail")
    code, out, _ = run(capsys, "test", "--policies", "rules")
    assert code == 0
    assert out.splitlines()[-1] == "2 of 3 policies untested: OWN-B1, OWN-R1"
    record = json.loads(run(capsys, "test", "--policies", "rules", "--json")[1])
    assert (record["passed"], record["untested"]) == (True, ["OWN-B1", "OWN-R1"])


@pytest.mark.usefixtures("here")
def test_a_limit_is_explained_with_the_margin_of_each_run(capsys: pytest.CaptureFixture[str]) -> None:
    found = explained(capsys, "OWN-E1")
    rows = {row["subject"]: (row["verdict"], row["value"], row["margin"]) for row in found["subjects"]}
    assert rows == {"small": ("pass", 4, 6), "large": ("fail", 12, -2)}
    words = "\n".join(found["words"])
    assert "at most 10 kWh" in words
    assert "runs with team nlp or vision" in words
    assert "the board decided it" in words
    assert "FROM fact" in found["sql"]
    code, text, _ = run(capsys, "explain", "OWN-E1", "--policies", "rules")
    assert code == 0
    assert "\nlarge\tfail\t12\t" in text
    assert found["sql"].rstrip() in text


@pytest.mark.usefixtures("here")
def test_a_budget_is_explained_with_the_runs_that_it_sums(capsys: pytest.CaptureFixture[str]) -> None:
    found = explained(capsys, "OWN-B1")
    rows = {row["subject"]: (row["verdict"], row["value"], row["margin"]) for row in found["subjects"]}
    assert rows == {"team=nlp": ("pass", 16, 9), "team=speech": ("pass", 20, 5)}
    summed = {row["run_id"]: (row["subject"], row["value"]) for row in found["runs"]}
    assert summed == {
        "small": ("team=nlp", 4),
        "large": ("team=nlp", 12),
        "other": ("team=speech", 20),
    }
    assert "grouped AS" in found["sql"]
    assert "runs that it sums" in run(capsys, "explain", "OWN-B1", "--policies", "rules")[1]


@pytest.mark.usefixtures("here")
def test_a_list_has_no_margin(capsys: pytest.CaptureFixture[str]) -> None:
    found = explained(capsys, "OWN-R1")
    rows = {row["subject"]: (row["verdict"], row["margin"]) for row in found["subjects"]}
    assert rows == {"small": ("pass", None), "large": ("pass", None), "other": ("fail", None)}
    assert "its region has to be one of DE, FR" in "\n".join(found["words"])


@pytest.mark.usefixtures("here")
def test_room_that_an_unknown_run_may_have_used_is_no_margin(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, "explain", "GRN-C010", "--policies", str(REPO / "policies"), "--json")[1])
    assert {row["verdict"] for row in found["subjects"]} == {"unknown"}
    assert {row["margin"] for row in found["subjects"]} == {None}
    assert {row["unknown"] for row in found["runs"]} == {"NO_HARDWARE"}  # of the reasons of a run, the first


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("policy", ["GRN-C001", "GRN-D001", "GRN-E001", "GRN-Q001", "GRN-Q002"])
def test_every_kind_of_policy_is_explained_in_words(capsys: pytest.CaptureFixture[str], policy: str) -> None:
    code, out, err = run(capsys, "explain", policy, "--policies", str(REPO / "policies"))
    assert code == 0, err
    assert out.startswith(f"{policy}: ")


@pytest.mark.usefixtures("here")
def test_an_unknown_policy_is_a_usage_error_with_its_neighbour(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "explain", "OWN-E2", "--policies", "rules")
    assert code == 3
    assert "OWN-E1" in err


@pytest.mark.parametrize("command", ["schema", "test", "explain"])
def test_help_ends_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert f"Example: green policy {command}" in " ".join(out.split())


WAIVERS = """apiVersion: green/v1
waivers:
- id: W-1
  policy: OWN-E1
  select: {run_id: large}
  max: "15 kWh"
  owner: ann
  approved_by: bob
  reason: the last run before the deadline
  issued: 2024-10-01
  expires: 2024-10-31
"""


def test_a_waiver_is_explained_recorded_and_withdrawn(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / "waived"
    shutil.copytree(here / "rules", folder)
    (folder / "waivers.yaml").write_text(WAIVERS)
    code, out, err = run(capsys, "explain", "OWN-E1", "--policies", "waived", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["considered"] == {"runs": 3, "selected": 2, "unknown": 0}
    assert [row["verdict"] for row in found["subjects"]] == ["waived", "pass"]
    waiver = found["waivers"][0]
    assert (waiver["id"], waiver["state"], waiver["waives"]) == ("W-1", "valid", ["large"])
    text = run(capsys, "explain", "OWN-E1", "--policies", "waived")[1]
    assert "of 3 runs it selects 2" in text
    assert "\nW-1\tvalid\t2024-10-01\t2024-10-31\tann\tbob\tcovers large up to 15 kWh until 2024-10-31" in text

    def active() -> list[tuple[Any, ...]]:
        command = ["check", "--policies", "waived"]
        with pytest.raises(SystemExit) as ended:
            main(command)
        capsys.readouterr()
        codes.append(ended.value.code)
        with duckdb.connect("audit/green.duckdb", read_only=True) as con:
            query = "SELECT waiver_id, policy_id, owner, approved_by, expires FROM waivers_active"
            return con.execute(query).fetchall()

    codes: list[Any] = []
    assert active() == [("W-1", "OWN-E1", "ann", "bob", date(2024, 10, 31))]
    (folder / "waivers.yaml").unlink()
    assert [row[:2] for row in active()] == [("W-1", None)]  # withdrawn, and still in the ledger
    assert codes == [0, 1]
