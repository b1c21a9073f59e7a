"""Folders of policies: a scope gives defaults, narrows whom policies are about, and can only be stricter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from facts_for_tests import HEAD, facts, run

from green.errors import UsageError
from green.policy.judge import judge
from green.policy.load import PolicySet, files, load

if TYPE_CHECKING:
    from pathlib import Path

POLICY = "- {id: %s, title: t, kind: limit, metric: energy.it, limit: {max: 5 kWh}}\n"
SCOPE = "apiVersion: green/v1\n"


def tree(folder: Path, parts: dict[str, str]) -> PolicySet:
    for name, text in parts.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        head = "" if file.name in {"scope.yaml", "waivers.yaml"} or text.startswith("apiVersion") else HEAD
        file.write_text(head + text, encoding="utf-8")
    return load(folder)


def test_defaults_come_from_the_policy_its_file_and_its_folders_in_this_order(tmp_path: Path) -> None:
    own = POLICY.replace("title: t", "title: t, enforcement: advisory")
    with_defaults = HEAD.replace("policies:", "defaults: {on_unknown: warn}\npolicies:")
    found = tree(
        tmp_path,
        {
            "scope.yaml": SCOPE + "defaults: {on_unknown: fail}\n",
            "a.yaml": POLICY % "A",
            "teams/scope.yaml": SCOPE + "defaults: {enforcement: hard-mandatory}\n",
            "teams/b.yaml": POLICY % "B",
            "teams/nlp/c.yaml": with_defaults + POLICY % "C",
            "teams/nlp/d.yaml": own % "D",
        },
    )
    assert {one.policy.id: (one.enforcement.value, one.on_unknown.value) for one in found.policies} == {
        "A": ("soft-mandatory", "fail"),
        "B": ("hard-mandatory", "fail"),
        "C": ("hard-mandatory", "warn"),
        "D": ("advisory", "fail"),
    }


def test_a_folder_is_about_one_team_and_its_policies_add_to_those_above(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        {
            "a.yaml": POLICY % "A",
            "nlp/scope.yaml": SCOPE + "select: {team: [nlp, speech], labels: {site: x}}\n",
            "nlp/b.yaml": (POLICY % "B").replace("5 kWh", "900 kWh"),
            "nlp/c.yaml": (POLICY % "C").replace("title: t", "title: t, select: {team: nlp, kind: training}"),
        },
    )
    assert found["B"].policy.select.fields() == {"team": ("nlp", "speech")}
    assert found["C"].policy.select.fields() == {"team": ("nlp",), "kind": ("training",)}
    assert found["C"].policy.select.labels == {"site": ("x",)}
    row = run("r", team="nlp", energy_kwh=6.0, labels={"site": "x"}, kind="tuning")
    with facts(row, run("s", team="cv", energy_kwh=1.0)) as con:
        verdicts = {(v.policy, v.subject): v.verdict for v in judge(con, found).verdicts}
    # the larger limit of the folder does not loosen the one above: both are judged
    assert verdicts == {("A", "r"): "fail", ("A", "s"): "pass", ("B", "r"): "pass"}


MISTAKES = [
    ({"nlp/b.yaml": (POLICY % "B").replace("title: t", "title: t, select: {team: cv}")}, "outside", "nlp/b.yaml", 4),
    ({"nlp/c/scope.yaml": SCOPE + "defaults: {enforcement: advisory}\n"}, "weaker", "nlp/c/scope.yaml", 2),
    ({"nlp/c/scope.yaml": SCOPE + "select: {}\n"}, "empty", "nlp/c/scope.yaml", 2),
    ({"nlp/c/scope.yaml": SCOPE + "limit: {max: 9 kWh}\n"}, "unknown key", "nlp/c/scope.yaml", 2),
    ({"nlp/c/scope.yaml": "{}\n"}, "apiVersion", "nlp/c/scope.yaml", 1),
]


@pytest.mark.parametrize(("parts", "what", "file", "line"), MISTAKES)
def test_a_scope_that_weakens_or_is_left_is_refused(
    tmp_path: Path, parts: dict[str, str], what: str, file: str, line: int
) -> None:
    base = {
        "a.yaml": POLICY % "A",
        "nlp/scope.yaml": SCOPE + "select: {team: nlp}\ndefaults: {enforcement: soft-mandatory}\n",
        "nlp/c/x.yaml": POLICY % "X",
    }
    with pytest.raises(UsageError) as caught:
        tree(tmp_path / "p", base | parts)
    assert caught.value.where is not None
    assert what in caught.value.what
    assert (caught.value.where.file, caught.value.where.line) == (f"p/{file}", line)


def test_a_folder_that_has_to_be_asked_for_applies_where_it_is_named(tmp_path: Path) -> None:
    found = tree(
        tmp_path,
        {
            "a.yaml": POLICY % "A",
            "more/scope.yaml": SCOPE + "opt_in: true\n",
            "more/b.yaml": POLICY % "B",
            "more/deep/c.yaml": POLICY % "C",
        },
    )
    assert [one.policy.id for one in found.policies] == ["A"]
    assert [one.policy.id for one in load(tmp_path / "more").policies] == ["B", "C"]


def test_all_files_that_verdicts_depend_on_are_listed(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "a.yaml": POLICY % "A",
            "nlp/scope.yaml": SCOPE,
            "nlp/waivers.yaml": SCOPE + "waivers: []\n",
            "cases/A.yaml": "policy: A\n",
            "more/scope.yaml": SCOPE + "opt_in: true\n",
        },
    )
    assert [file.relative_to(tmp_path).as_posix() for file in files(tmp_path)] == [
        "a.yaml", "nlp/scope.yaml", "nlp/waivers.yaml",
    ]  # fmt: skip


def test_a_bundle_has_one_version_and_a_digest_of_what_it_says(tmp_path: Path) -> None:
    found = tree(tmp_path / "p", {"a.yaml": POLICY % "A", "sub/b.yaml": POLICY % "B"})
    moved = tree(tmp_path / "other", {"one.yaml": POLICY % "A" + POLICY % "B"})
    assert found.bundle_digest("test") == moved.bundle_digest("test")
    assert found.bundle_digest("test") != tree(tmp_path / "third", {"a.yaml": POLICY % "A"}).bundle_digest("test")
    (tmp_path / "p" / "sub" / "b.yaml").write_text(HEAD.replace("1.0.0", "1.1.0") + POLICY % "B", encoding="utf-8")
    with pytest.raises(UsageError, match="bundle test has version"):
        load(tmp_path / "p")
