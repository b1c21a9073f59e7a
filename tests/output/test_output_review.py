"""A review: the logs as they are now beside those of a base, judged in one process, with nothing left behind."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from green import pipeline, review
from green.compare import Comparison, code
from green.errors import InputError, UsageError
from green.output import json as as_json
from green.whatif import rates_of
from tests.output.repository import AS_OF, POLICIES, Repository, branched, record


def states(comparison: Comparison) -> dict[tuple[str, str], str]:
    return {change.key: change.state for change in comparison.changes}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Return a repository with two runs on main, both recorded, and a branch of it checked out."""
    monkeypatch.chdir(tmp_path)
    return branched(tmp_path)


def test_a_plan_over_the_budget_is_new_and_named_with_its_line(repository: Repository) -> None:
    repository.put("c/run.yaml", record(45, status="planned"))
    judgement, comparison, notes = repository.reviewed("main")
    assert states(comparison) == {("B", "team=nlp"): "new"}
    (change,) = comparison.changes
    assert change.now is not None
    assert change.now.message.startswith("3 runs together: 115 kWh is 15 kWh (15 %) over the limit of 100 kWh")
    (cause,) = change.causes
    assert (cause.run_id, cause.value, cause.before, cause.file, cause.line) == ("c", 45.0, None, "c/run.yaml", 7)
    assert (change.before or {})["value"] == 70.0
    assert notes == []
    assert code(judgement, comparison, strict=False) == 1


def test_a_changed_run_is_named_with_what_it_was(repository: Repository) -> None:
    repository.put("b/run.yaml", record(49))
    repository.put("c/run.yaml", record(20))
    (change,) = repository.reviewed("main")[1].changes
    assert [(one.run_id, one.value, one.before) for one in change.causes] == [("c", 20.0, None), ("b", 49.0, 30.0)]


def test_what_was_there_before_breaks_only_where_any_finding_does(repository: Repository) -> None:
    repository.git("checkout", "-q", "main")
    repository.put("b/run.yaml", record(80))
    repository.commit()
    repository.git("checkout", "-q", "-B", "branch")
    repository.put("c/run.yaml", record(1, team="other"))
    judgement, comparison, _ = repository.reviewed("main")
    assert states(comparison) == {("A", "b"): "unchanged", ("B", "team=nlp"): "unchanged"}
    assert code(judgement, comparison, strict=False) == 0
    assert code(judgement, None, strict=False) == 1
    repository.put("d/run.yaml", record(51, team="other"))
    judgement, comparison, _ = repository.reviewed("main")
    assert states(comparison)["A", "d"] == "new"
    assert code(judgement, comparison, strict=False) == 1


def test_without_a_store_a_budget_is_unknown_and_not_passed(repository: Repository) -> None:
    repository.store.unlink()
    repository.put("c/run.yaml", record(1))
    judgement, comparison, notes = repository.reviewed("main")
    budget = next(one for one in judgement.verdicts if one.policy == "B")
    assert (budget.verdict, budget.reason) == ("unknown", "NO_HISTORY")
    assert notes == ["no store at audit/green.duckdb: budgets are unknown without the history of earlier runs"]
    assert states(comparison)["B", "team=nlp"] == "worse"  # one run more that nobody can place in a sum
    assert code(judgement, None, strict=False) == 1


def test_nothing_is_left_behind(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    temp = tmp_path / "audit" / "temp"
    temp.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temp))
    repository.put("c/run.yaml", record(45))
    repository.git("add", "-A")

    def digests() -> dict[str, str]:
        files = (path for path in sorted(tmp_path.rglob("*")) if path.is_file())
        return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}

    before = digests()
    repository.reviewed("main")
    assert digests() == before
    assert list(temp.iterdir()) == []


def test_a_deleted_record_still_counts(repository: Repository) -> None:
    (repository.logs / "a" / "run.yaml").unlink()
    repository.put("c/run.yaml", record(45))
    (change,) = repository.reviewed("main")[1].changes
    assert (change.key, change.state, change.now and change.now.value) == (("B", "team=nlp"), "new", 115.0)


def test_what_came_to_the_base_since_is_not_the_branchs_doing(repository: Repository) -> None:
    repository.put("c/run.yaml", record(1, team="other"))
    repository.commit()
    repository.git("checkout", "-q", "main")
    repository.put("z/run.yaml", record(60, team="third"))
    repository.commit()
    repository.git("checkout", "-q", "branch")
    _, comparison, _ = repository.reviewed("main")
    assert states(comparison) == {}
    assert comparison.base.name.endswith(", merge base)")


def test_a_hook_that_calls_it_keeps_its_index(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "audit" / "hook-index"
    monkeypatch.setenv("GIT_INDEX_FILE", str(other))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    repository.put("c/run.yaml", record(45))
    assert states(repository.reviewed("main")[1]) == {("B", "team=nlp"): "new"}
    assert not other.exists()


def test_file_names_of_any_kind_come_out_of_the_base(repository: Repository) -> None:
    repository.git("checkout", "-q", "main")
    for name in ("x y/run.yaml", 'q"\n*?/run.yaml', "-o/run.yaml", "ü/run.yaml"):
        repository.put(name, record(60))
    repository.commit()
    repository.git("checkout", "-q", "-B", "branch")
    _, comparison, _ = repository.reviewed("main")
    found = states(comparison)
    assert set(found.values()) == {"unchanged"}
    assert sum(policy == "A" for policy, _ in found) == 4


def test_logs_that_the_base_does_not_hold_are_all_new_and_that_is_said(repository: Repository) -> None:
    repository.git("checkout", "-q", "--orphan", "empty")
    repository.git("rm", "-rq", "--cached", "logs")
    repository.git("commit", "-qm", "x", "--", "policies")
    repository.git("checkout", "-q", "-f", "branch")
    repository.put("c/run.yaml", record(60))
    _, comparison, notes = repository.reviewed("empty")
    assert states(comparison)["A", "c"] == "new"
    assert any("has no file below logs: every finding is new" in note for note in notes)


@pytest.mark.parametrize(
    ("ref", "words"),
    [("no-such-branch", "neither a git ref"), ("--output=x", "is no git ref"), ("main^{tree}", "neither a git ref")],
)
def test_a_ref_that_is_none_is_refused(repository: Repository, ref: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        repository.reviewed(ref)
    assert raised.value.mend


def test_logs_outside_of_a_repository_have_no_ref(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    work.put("../policies/p.yaml", POLICIES)
    work.put("a/run.yaml", record(1))
    with pytest.raises(UsageError, match="git rev-parse") as raised:
        work.reviewed("main")
    assert "verdicts.json" in raised.value.mend


def test_a_changed_policy_and_configuration_are_said(repository: Repository) -> None:
    repository.put("../policies/p.yaml", POLICIES.replace("100 kWh", "500 kWh").replace("id: A", "id: A2"))
    repository.put("../config.yaml", "logs: logs\n")
    repository.put("c/run.yaml", record(45))
    _, comparison, notes = repository.reviewed("main")
    assert states(comparison) == {}
    assert notes == [
        "changed since the base: A2 added, A removed, B; both sides are judged as it is now",
        "config.yaml changed since the base; both sides are read with the present one",
    ]


def test_a_verdicts_json_and_a_store_are_bases_too(repository: Repository) -> None:
    old, _, _ = review.review(repository.own, repository.policies, AS_OF, logs=repository.logs)
    (repository.folder / "old.json").write_text(as_json.render(old), encoding="utf-8")
    copy = repository.folder / "old.duckdb"
    copy.write_bytes(repository.store.read_bytes())
    repository.put("c/run.yaml", record(45))
    for base in ("old.json", str(copy)):
        judgement, comparison, _ = review.review(
            repository.own, repository.policies, AS_OF, against=base, logs=repository.logs
        )
        assert comparison is not None
        assert states(comparison) == {("B", "team=nlp"): "new"}
        assert comparison.base.digest == old.digest
        assert judgement.digest != old.digest
    assert [one.run_id for one in comparison.changes[0].causes] == ["c"]
    repository.ledgered()
    _, comparison, _ = repository.reviewed("old.json")  # the head is the store, where logs are not named
    assert states(comparison) == {("B", "team=nlp"): "new"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"verdicts": {}}',
        '{"verdicts": [1]}',
        '{"verdicts": [{"policy": "A"}]}',
        '{"verdicts": [], "digest": NaN}',
        json.dumps({"verdicts": [dict.fromkeys(review._KEYS, "x")]}),  # noqa: SLF001 -- every key, and no verdict
    ],
)
def test_a_base_that_is_no_verdicts_json_is_refused(repository: Repository, text: str) -> None:
    (repository.folder / "base.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="base"):
        repository.reviewed("base.json")


def test_the_review_says_of_logs_what_the_pipeline_says(repository: Repository) -> None:
    repository.put("c/run.yaml", record(45, status="planned"))
    reviewed, _, _ = review.review(repository.own, repository.policies, AS_OF, logs=repository.logs)
    repository.ledgered()
    from green.check import check  # noqa: PLC0415 -- beside its one use

    rates = rates_of(repository.own)
    as_of = pipeline.resolved(AS_OF)
    recorded = check(repository.store, repository.policies, as_of=as_of, commit=False, rates=rates).judgement
    assert reviewed.lines == recorded.lines
    assert reviewed.digest == recorded.digest
