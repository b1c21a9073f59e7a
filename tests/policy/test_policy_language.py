"""A mistake in a policy is refused with its file, line and mend, and never overlooked."""

# ruff: noqa: E501 -- a mistake stands in one line, as in its file
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from facts_for_tests import HEAD, policies

from green.errors import UsageError
from green.policy.load import load

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "- {id: A, title: t, kind: limit, metric: energy.it, limit: {max: 5 kWh}}\n"
BUDGET = "- {id: B, title: t, kind: budget, metric: energy.it, window: {rolling: 90d}, limit: {max: 5 kWh}}\n"

# text, line (the head has three) and place of the mistake, words of the error, words of the mend
MISTAKES = [
    (GOOD.replace("energy.it", "emission.total"), 4, "metric", "unknown metric", "did you mean"),
    (GOOD.replace("5 kWh", "5 kwh"), 4, "max", 'unknown unit "kwh"', "did you mean kWh?"),
    (GOOD.replace("5 kWh", "5 kgCO2e"), 4, "max", "carbon, where energy is expected", "kWh"),
    (GOOD.replace("5 kWh", "5"), 4, "max", "has no unit", "kWh"),
    (GOOD.replace("5 kWh", "1_000 kWh"), 4, "max", "not a plain number", "1000"),
    (GOOD.replace("5 kWh", "5 kWh ± 1 kWh"), 4, "max", "no tolerance", "one number"),
    (GOOD.replace("5 kWh", "1e20 kWh"), 4, "max", "beyond", "1e12"),
    (GOOD.replace("max: 5 kWh", ""), 4, "limit: {}", "empty limit", "max"),
    (GOOD.replace("max: 5 kWh", "max: 5 kWh, warn_above: 6 kWh"), 4, "warn_above", "above the limit", "less than max"),
    (GOOD.replace("max: 5 kWh", "warn_above: 80 %"), 4, "warn_above", "without a max", "write max"),
    (GOOD.replace("max: 5 kWh", "max: 5 kWh, min: 6 kWh"), 4, "min", "min is above max", "swap"),
    (GOOD.replace("max: 5 kWh", "max: 5 kWh, maximum: 6"), 4, "maximum", "unknown key", ""),
    (GOOD.replace("kind: limit", "kind: limits"), 4, "kind", "without a known kind", "did you mean limit?"),
    (GOOD.replace("kind: limit, ", ""), 4, "{id", "without a known kind", "budget"),
    (GOOD.replace("title: t", "title: t, titel: t"), 4, "titel", "unknown key", "did you mean title?"),
    (GOOD.replace("title: t", "title: t, select: {kind: trainning}"), 4, "kind: trainning", "unknown name", "did you mean training?"),
    (GOOD.replace("title: t", "title: t, select: {not: {}}"), 4, "select", "`not` is empty", "name what"),
    (GOOD.replace("title: t", "title: t, select: {team: []}"), 4, "team", "team", ""),
    (GOOD.replace("energy.it", "quality.tier"), 4, "metric", "is a rank", "require"),
    (GOOD.replace("title: t", "title: t, on_unknown: pass"), 4, "on_unknown", "on_unknown", ""),
    (BUDGET.replace("energy.it", "coverage.energy"), 4, "metric", "cannot be summed", "limit"),
    (BUDGET.replace("max: 5", "min: 5"), 4, "min", "no minimum", "max"),
    (BUDGET.replace("rolling: 90d", "rolling: 90 d, calendar: month"), 4, "window", "rolling or calendar", "write one"),
    (BUDGET.replace("rolling: 90d", "rolling: 90 days"), 4, "window", "unknown unit", "did you mean d?"),
    (BUDGET.replace("rolling: 90d", "rolling: 0 d"), 4, "window", "no length", "90d"),
    (BUDGET.replace("window:", "group_by: [teem], window:"), 4, "group_by", "unknown name", "did you mean team?"),
    (GOOD + GOOD, 5, "id", 'policy id "A" is used twice, first at p/p.yaml:4:4', "new id"),
    ("- {id: R, title: t, kind: allow, field: regoin, allow: [FR]}\n", 4, "field", "unknown field", "did you mean region?"),
    (GOOD.replace("energy.it", "share.embodied").replace("5 kWh", "50"), 4, "max", "at most 100 %", 'did you mean "50 %"?'),
    ("- {id: Q, title: t, kind: require, all: [{metric: coverage.energy, min: 95}]}\n", 4, "min", "at most 100 %", "95 %"),
    ("- {id: Q, title: t, kind: require, all: [{metric: quality.tier}]}\n", 4, "{metric", "not a requirement", "at_least"),
    ("- {id: Q, title: t, kind: require, all: [{metric: coverage.energy, min: 5 kWh}]}\n", 4, "min", "energy, where number", ""),
    ("- {id: I, title: t, kind: intensity, metric: energy.it, per: tokens, limit: {max: 5 kWh}}\n", 4, "max", "energy per token", ""),
    ("- {id: A, id: A, title: t}\n", 4, "id: A, title", 'duplicate key "id"', "one of the two"),
    ("- {id: A, title: &x t, kind: limit}\n", 4, "&x", "anchors", ""),
    ('- {id: A, title: "a\\nb", kind: limit, metric: energy.it, limit: {max: 5 kWh}}\n', 4, "title", "control character", "one line"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "place", "what", "mend"), MISTAKES)
def test_a_mistake_is_refused_where_it_stands(
    tmp_path: Path, text: str, line: int, place: str, what: str, mend: str
) -> None:
    with pytest.raises(UsageError) as caught:
        policies(tmp_path / "p", text)
    error = caught.value
    column = text.splitlines()[0].index(place) + 1
    assert error.where is not None
    assert (what in error.what, mend in error.mend) == (True, True), str(error)
    assert (error.where.file, error.where.line, error.where.column) == ("p/p.yaml", line, column), str(error)
    assert error.exit_code == 3


def test_a_share_may_be_the_whole(tmp_path: Path) -> None:
    text = "- {id: A, title: t, kind: limit, metric: coverage.energy, limit: {min: 100 %}}\n"
    assert policies(tmp_path / "p", text)["A"].bounds is not None


def test_an_empty_set_of_policies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no policy in"):
        load(tmp_path)
    with pytest.raises(UsageError, match="policies"):
        policies(tmp_path / "p", "  []\n")
    with pytest.raises(UsageError, match="no policies at"):
        load(tmp_path / "absent")


def test_files_are_read_from_subfolders_but_not_from_cases_or_waivers(tmp_path: Path) -> None:
    (tmp_path / "waivers.yaml").write_text("apiVersion: green/v1\nwaivers: []\n", encoding="utf-8")
    for name in ("a.yaml", "sub/b.yml", "cases/c.yaml"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(HEAD + GOOD.replace("id: A", f"id: {file.stem}"), encoding="utf-8")
    assert [one.policy.id for one in load(tmp_path).policies] == ["a", "b"]


def test_the_same_id_in_two_files_is_refused_with_both_places(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(HEAD + GOOD, encoding="utf-8")
    with pytest.raises(UsageError, match=r"first at .*/a\.yaml:4:4"):
        load(tmp_path)


def test_defaults_hold_where_a_policy_does_not_say_otherwise(tmp_path: Path) -> None:
    text = GOOD + GOOD.replace("id: A", "id: B, enforcement: hard-mandatory")
    (tmp_path / "p.yaml").write_text(
        HEAD.replace("policies:", "defaults: {enforcement: advisory, on_unknown: warn}\npolicies:") + text,
        encoding="utf-8",
    )
    first, second = load(tmp_path).policies
    assert (first.enforcement, first.on_unknown) == ("advisory", "warn")
    assert (second.enforcement, second.on_unknown) == ("hard-mandatory", "warn")


def test_the_digest_is_of_what_policies_say_and_not_of_how_they_are_written(tmp_path: Path) -> None:
    one = policies(tmp_path / "one", GOOD + BUDGET).digest
    same = policies(tmp_path / "two", "# a comment\n" + BUDGET + "\n" + GOOD).digest
    other = policies(tmp_path / "three", GOOD.replace("5 kWh", "6 kWh") + BUDGET).digest
    assert one == same != other
