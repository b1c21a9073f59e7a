"""`green check` on the command line: forms, bases, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from green.cli import main
from tests.output.repository import Repository, branched, record


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.chdir(tmp_path)
    return branched(tmp_path)


def check(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["check", "--policies", "policies", "--as-of", "2026-10-10", *arguments])
    return int(str(ended.value.code))


def test_a_check_without_a_base_is_as_it_was(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert repository.store.exists()
    assert check() == 0
    assert capsys.readouterr().out.endswith("3 pass (as of 2026-10-10T00:00:00Z)\n")


def test_one_judgement_is_written_in_every_form(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.put("c/run.yaml", record(60))
    forms = ("text", "json", "markdown", "sarif", "junit", "github", "gitlab")
    files = [word for form in forms for word in ("--write", f"{form}=out.{form}")]
    assert check("--against", "main", "--format", "json", *files) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert {(one["policy"], one["state"]) for one in shown["review"]["changes"]} == {("A", "new"), ("B", "new")}
    texts = {form: Path(f"out.{form}").read_text(encoding="utf-8") for form in forms}
    for form, text in texts.items():
        assert "logs/c/run.yaml" in text or form in {"text", "json"}, form
        assert "60 kWh is 10 kWh (20 %) over the limit of 50 kWh" in text.replace("20 %25", "20 %"), form


def test_only_new_findings_break_where_that_is_asked_for(repository: Repository) -> None:
    repository.put("c/run.yaml", record(60, team="other"))
    repository.commit()
    assert check("--against", "main", "--fail-on", "new") == 1
    assert check("--against", "branch") == 1
    assert check("--against", "branch", "--fail-on", "new") == 0


def test_logs_are_judged_without_a_pipeline_and_what_is_missing_is_said(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check("--logs", "logs") == 0
    assert check("--logs", "logs", "--store", "none.duckdb") == 1
    captured = capsys.readouterr()
    assert "note: no store at none.duckdb: budgets are unknown" in captured.err
    assert "NO_HISTORY" in captured.out
    repository.put("empty/keep.txt", "")
    assert check("--logs", "logs/none") == 4
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fail-on", "new"), "--fail-on new needs a base"),
        (("--write", "sarif"), "is no FORMAT=FILE"),
        (("--write", "pdf=x"), "is no FORMAT=FILE"),
        (("--write", "sarif=no/folder/x"), "cannot write no/folder/x"),
        (("--output", "no/folder/x"), "cannot write no/folder/x"),
        (("--against", "no-branch"), "neither a git ref"),
        (("--format", "pdf"), "pdf"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_a_wrong_call_ends_3_and_says_why(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(*arguments) == 3
    captured = capsys.readouterr()
    assert words in captured.err
    assert "mend:" in captured.err


@pytest.mark.usefixtures("repository")
def test_a_base_that_cannot_be_read_is_wrong_input() -> None:
    assert check("--against", "none.json") == 4
    assert check("--against", "none.duckdb") == 5
