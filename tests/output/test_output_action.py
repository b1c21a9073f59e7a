"""The action and the hooks: well-formed, with commands that exist, and run as their runner runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from green import yaml
from green.output.markdown import MARK
from tests.conftest import BIN, REPO
from tests.output.repository import Repository, branched, record

ACTION: dict[str, Any] = yaml.load(REPO / "action.yml").value
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
HOOKS: list[dict[str, Any]] = yaml.load(REPO / ".pre-commit-hooks.yaml").value

# A forge's API for comments, as far as the action calls it: it keeps them in a file, and notes each call.
GH = """#!{python}
import json, os, re, sys
from pathlib import Path
state = Path(os.environ["GH_STATE"])
comments = json.loads(state.read_text()) if state.exists() else []
words = sys.argv[1:]
if os.environ.get("GH_REFUSES"):
    sys.exit("HTTP 403: Resource not accessible by integration")
assert words[0] == "api", words
method = words[words.index("--method") + 1] if "--method" in words else "GET"
if method == "GET":
    assert "--paginate" in words
    for one in comments:
        if one["user"]["type"] == "Bot" and one["body"].startswith("<!-- green: verdicts -->"):
            print(one["id"])
    sys.exit()
name, _, file = words[words.index("--field") + 1].partition("=@")
assert name == "body", words
body = Path(file).read_text()
if method == "POST":
    assert words[3] == "repos/o/r/issues/7/comments", words
    comments.append(dict(id=len(comments) + 1, user=dict(type="Bot"), body=body))
else:
    number = int(re.fullmatch("repos/o/r/issues/comments/([0-9]+)", words[3])[1])
    comments[number - 1]["body"] = body
state.write_text(json.dumps(comments))
"""


class Runner:
    """Run steps of the action as a runner does: bash with errexit, and what is said by files."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository, self.folder = repository, folder
        self.outputs: dict[str, str] = {}
        folder.mkdir()
        gh = folder / "gh"
        gh.write_text(GH.format(python=sys.executable), encoding="utf-8")
        gh.chmod(0o755)
        self.comments = folder / "comments.json"

    def __call__(self, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        files = {key: str(self.folder / key.lower()) for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        own = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT")},
            **files,
            "PATH": os.pathsep.join([str(self.folder), str(BIN), os.environ["PATH"]]),
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_REPOSITORY": "o/r",
            "GH_STATE": str(self.comments),
            **env,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
        done = subprocess.run(command, cwd=self.repository.folder, env=own, capture_output=True, text=True, check=False)
        if Path(files["GITHUB_OUTPUT"]).exists():
            lines = Path(files["GITHUB_OUTPUT"]).read_text(encoding="utf-8").splitlines()
            self.outputs.update(line.split("=", 1) for line in lines)
        return done

    def check(self, **env: str) -> subprocess.CompletedProcess[str]:
        given = {"LOGS": "logs", "POLICIES": "policies", "STORE": "audit/green.duckdb", "AGAINST": "main", "BASE": ""}
        return self("Check", **{**given, "FAIL_ON": "new", "AS_OF": "2026-10-10", **env})

    def comment(self, **env: str) -> subprocess.CompletedProcess[str]:
        return self("Comment", NUMBER="7", GH_TOKEN="x", COMMENT=self.outputs["comment"], **env)  # noqa: S106 -- no secret

    def said(self) -> list[str]:
        return [one["body"] for one in json.loads(self.comments.read_text(encoding="utf-8"))]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(branched(tmp_path / "repository"), tmp_path / "runner")


def scripts() -> list[tuple[str, str]]:
    return [(name, step["run"]) for name, step in STEPS.items() if "run" in step]


def test_no_script_holds_what_somebody_chose() -> None:
    assert len(scripts()) == 7
    for name, script in scripts():
        assert "${{" not in script, f"{name}: a name in a script would be run"
        assert STEPS[name]["shell"] == "bash"
        subprocess.run(["bash", "-n", "-c", script], check=True)


def test_every_expression_names_an_input_or_step_that_is_there() -> None:
    text = (REPO / "action.yml").read_text(encoding="utf-8")
    conditions = " ".join(str(step.get("if", "")) for step in STEPS.values())
    named = set(re.findall(r"inputs\.([\w-]+)", text + conditions))
    assert named == set(ACTION["inputs"])
    ids = {step["id"]: step for step in STEPS.values() if "id" in step}
    for step, output in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", text):
        assert f"{output}=" in ids[step]["run"], f"{step} leaves no {output}"
    assert all("description" in one for one in ACTION["inputs"].values())
    assert all(re.fullmatch(r"[\w-]+/[\w/-]+@v\d+", step["uses"]) for step in STEPS.values() if "uses" in step)


def commands() -> list[list[str]]:
    """Return every green command of the action and the hooks, with its options."""
    lines = [line for _, script in scripts() for line in script.replace("\\\n", " ").splitlines()]
    found = [line.split() for line in lines if line.strip().startswith("green ")]
    options = re.findall(r"arguments\+?=\(([^)]*)\)", dict(scripts())["Check"])
    return [found[0] + " ".join(options).split(), *found[1:], *(hook["entry"].split() for hook in HOOKS)]


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words[1:3]))
def test_every_command_has_the_options_that_it_is_called_with(words: list[str]) -> None:
    name = [word for word in words[1:3] if re.fullmatch(r"[a-z]+", word)]
    shown = ""
    for command in ([], name):
        done = subprocess.run([BIN / "green", *command, "--help"], capture_output=True, text=True, check=True)
        shown += done.stdout
    options = {re.split("[= ]", word)[0].strip('"') for word in words if word.startswith("--")}
    assert options, words
    assert {option for option in options if not re.search(rf"{option}\b", shown)} == set()


def test_hooks_are_what_pre_commit_takes() -> None:
    assert {hook["id"] for hook in HOOKS} == {"green-records", "green-policies"}
    for hook in HOOKS:
        assert {"id", "name", "entry", "language"} <= hook.keys()
        assert hook["language"] == "python"
    (records, policies) = (re.compile(hook["files"]) for hook in HOOKS)
    assert all(records.search(path) for path in ("run.yaml", "logs/a/run.json"))
    assert not records.search("logs/overrun.yaml")
    assert all(policies.search(path) for path in ("policies/a.yaml", "x/policies/cases/a.yml"))


def test_hooks_refuse_a_wrong_record_and_a_wrong_policy(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("energy: {total: 3 bananas}\n", encoding="utf-8")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text("policies: [{kind: limt}]\n", encoding="utf-8")
    for hook, files, code in ((HOOKS[0], ["run.yaml"], 4), (HOOKS[1], [], 3)):
        program, *words = hook["entry"].split()
        done = subprocess.run(
            [BIN / program, *words, *files], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr


def test_a_pull_request_has_one_comment_that_is_kept_up_to_date(runner: Runner) -> None:
    others = [{"id": 1, "user": {"type": "User"}, "body": f"{MARK} quoted by a person"}]
    runner.comments.write_text(json.dumps(others), encoding="utf-8")
    runner.repository.put("c/run.yaml", record(45, status="planned"))
    done = runner.check()
    assert done.returncode == 0, done.stderr  # what ends the job is its last step, after comment and upload
    assert runner.outputs["code"] == "1"
    assert "::error file=logs/c/run.yaml,line=7,title=new%3A fail B a team::team=nlp" in done.stdout
    runner.comment()
    runner.repository.put("c/run.yaml", record(5, status="planned"))
    runner.check()
    assert runner.outputs["code"] == "0"
    runner.comment()
    quoted, own = runner.said()
    assert quoted.endswith("by a person")
    assert own.startswith(MARK)
    assert "### Green: no finding" in own
    assert own in (runner.folder / "github_step_summary").read_text(encoding="utf-8")


def test_a_token_that_may_not_comment_is_said_and_ends_nothing(runner: Runner) -> None:
    runner.check()
    done = runner.comment(GH_REFUSES="1")
    assert done.returncode == 0, done.stderr
    assert "::warning title=Green::no comment could be written" in done.stdout


def test_the_last_step_ends_as_the_check_did(runner: Runner) -> None:
    assert [runner("Conclude", CODE=code).returncode for code in ("0", "1", "2")] == [0, 1, 2]


def test_a_wrong_policy_ends_the_check_itself(runner: Runner) -> None:
    runner.repository.put("../policies/p.yaml", "policies: [{kind: limt}]\n")
    done = runner.check()
    assert (done.returncode, runner.outputs["code"]) == (3, "3")
    assert "did you mean limit" in done.stderr


def test_inputs_are_never_run(runner: Runner) -> None:
    evil = '$(touch owned)`touch owned`"; touch owned; "'
    for name in ("LOGS", "POLICIES", "STORE", "AGAINST", "FAIL_ON", "AS_OF"):
        done = runner.check(**{name: evil})
        assert name == "STORE" or done.returncode in {3, 4}, name  # a store that is not there is no history
    assert list(runner.repository.folder.rglob("owned")) == []


def test_code_scanning_is_spared_what_it_would_open_again(runner: Runner, tmp_path: Path) -> None:
    results = [{"ruleId": "a"}, {"ruleId": "b", "baselineState": "absent"}, {"ruleId": "c", "suppressions": [{}]}]
    file = tmp_path / "x.sarif"
    file.write_text(json.dumps({"runs": [{"results": results}]}), encoding="utf-8")
    name = next(name for name in STEPS if name.startswith("Leave out"))
    if subprocess.run(["bash", "-c", "command -v jq"], capture_output=True, check=False).returncode:
        pytest.skip("jq is on every runner of GitHub; it is not here")
    assert runner(name, SARIF=str(file)).returncode == 0
    assert json.loads(file.read_text())["runs"][0]["results"] == [{"ruleId": "a"}]
