"""A waiver raises a limit, for a while, for something named; it never removes one and never helps what is unknown."""

# ruff: noqa: E501 -- a policy or a waiver stands in one line
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from facts_for_tests import HEAD, at, facts, run

from green.errors import UsageError
from green.policy.judge import exit_code, judge, judge_by_reference
from green.policy.load import PolicySet, load
from green.policy.recall import judge_again

if TYPE_CHECKING:
    from pathlib import Path

    from green.policy.judge import Judgement, Verdict

LIMIT = "- {id: A, title: t, kind: limit, metric: energy.it, limit: {max: 50 kWh}}\n"
HARD = LIMIT.replace("title: t", "title: t, enforcement: hard-mandatory")
FLOOR = "- {id: A, title: t, kind: limit, metric: coverage.energy, limit: {min: 95 %}}\n"
INTENSITY = "- {id: A, title: t, kind: intensity, metric: energy.it, per: tokens, limit: {max: 4 kWh/Mtoken}}\n"
ALLOW = "- {id: A, title: t, kind: allow, field: region, allow: [FR]}\n"
DEVICES = "- {id: A, title: t, kind: allow, field: hardware, allow: [A100]}\n"
REQUIRE = "- {id: A, title: t, kind: require, all: [{present: [region]}]}\n"
WARNS = "- {id: A, title: t, kind: limit, metric: energy.it, limit: {warn_above: 50 kWh}}\n"
BUDGET = "- {id: A, title: t, kind: budget, metric: energy.it, window: {rolling: 90d}, limit: {max: 100 kWh}, group_by: [team, project]}\n"
ALL = "- {id: A, title: t, kind: budget, metric: energy.it, window: {rolling: 90d}, limit: {max: 100 kWh}}\n"
WAIVER = "{id: W, policy: A, select: {run_id: big}, max: 60 kWh, owner: ann, approved_by: bob, reason: r, issued: 2026-10-01, expires: 2026-12-31}"
END = "2026-10-05T00:00:00Z"


def load_with(folder: Path, policies: str, *waivers: str) -> PolicySet:
    folder.mkdir(exist_ok=True)
    (folder / "p.yaml").write_text(HEAD + policies, encoding="utf-8")
    listed = "".join(f"- {one}\n" for one in waivers)
    (folder / "waivers.yaml").write_text(f"apiVersion: green/v1\nwaivers:\n{listed}", encoding="utf-8")
    return load(folder)


def judged(folder: Path, policies: str, waivers: list[str], *rows: dict[str, Any], **options: Any) -> Judgement:
    """Judge by both evaluators and from memory; all three have to agree."""
    chosen = load_with(folder / "p", policies, *waivers)
    units = options.pop("units", None)
    as_of = options.pop("as_of", "latest")
    con = facts(*rows, units=units)
    found = judge(con, chosen, as_of=as_of, **options)
    assert judge_by_reference(con, chosen, as_of=as_of, **options) == found
    if not options:
        for _ in range(2):
            again = judge_again(facts(*rows, units=units), chosen, as_of=as_of, memory=folder / "memory.parquet")
            assert (again.lines, again.digest) == (found.lines, found.digest)
    return found


def one(found: Judgement, subject: str, policy: str = "A") -> Verdict:
    return next(v for v in found.verdicts if (v.policy, v.subject) == (policy, subject))


def big(value: float, low: float | None = None, high: float | None = None, **more: Any) -> dict[str, Any]:
    columns = {"run_id": "big", "ended_at": END, **more}
    return run(energy_kwh=value, energy_kwh_low=low, energy_kwh_high=high, **columns)


def test_a_run_below_the_ceiling_is_waived_and_says_by_whom_and_until_when(tmp_path: Path) -> None:
    found = judged(tmp_path, LIMIT, [WAIVER], big(55.0, where_file="x/run.yaml", where_line=3))
    verdict = one(found, "big")
    assert (verdict.verdict, verdict.waiver, verdict.limit) == ("waived", "W", 50.0)
    assert verdict.record()["waiver"] == "W"
    assert '"waiver":"W"' in found.lines[0]
    assert verdict.message.startswith("55 kWh is 5 kWh (10 %) over the limit of 50 kWh")
    assert verdict.message.endswith("; waived by W up to 60 kWh until 2026-12-31 (approved by bob)")
    assert one(found, "W", "GRN-WAIVER").verdict == "pass"
    assert found.summary["waived"] == 1
    assert (exit_code(found), exit_code(found, strict=True)) == (0, 0)


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict", "own"),
    [
        (60.0, None, None, "waived", "pass"),  # the ceiling is inclusive, as max is
        (math.nextafter(60.0, 99), None, None, "fail", "fail"),
        (55.0, 54.0, 60.0, "waived", "pass"),
        (55.0, 54.0, math.nextafter(60.0, 99), "at_risk", "pass"),
        (55.0, 54.0, None, "at_risk", "pass"),
        (61.0, 54.0, 70.0, "fail", "fail"),
        (55.0, 60.5, 70.0, "fail", "fail"),
        (49.0, 48.0, 51.0, "waived", "pass"),  # what may break the limit may need the waiver
        (49.0, 48.0, 61.0, "at_risk", "pass"),
        (50.0, None, None, "pass", "warn"),  # unused
        (None, None, None, "unknown", "warn"),  # never waived
        (math.nan, None, None, "unknown", "warn"),
    ],
)
def test_what_breaks_the_limit_is_judged_again_by_the_ceiling(
    tmp_path: Path, value: float, low: float | None, high: float | None, verdict: str, own: str
) -> None:
    found = judged(tmp_path, LIMIT, [WAIVER], big(value, low, high))
    assert (one(found, "big").verdict, one(found, "W", "GRN-WAIVER").verdict) == (verdict, own)


@pytest.mark.parametrize(
    ("as_of", "verdict", "reason"),
    [
        ("2026-09-30T23:59:59.999999Z", "fail", "WAIVER_EARLY"),
        ("2026-10-01T00:00:00Z", "waived", None),  # both days count whole
        ("2026-12-31T23:59:59.999999Z", "waived", None),
        ("2027-01-01T00:00:00Z", "fail", "WAIVER_EXPIRED"),
        ("latest", "waived", None),
    ],
)
def test_a_waiver_holds_from_its_first_to_its_last_day(
    tmp_path: Path, as_of: str, verdict: str, reason: str | None
) -> None:
    found = judged(tmp_path, LIMIT, [WAIVER], big(55.0), as_of=as_of)
    assert one(found, "big").verdict == verdict
    assert one(found, "big").waiver == ("W" if verdict == "waived" else None)
    about = one(found, "W", "GRN-WAIVER")
    assert (about.verdict, about.reason) == ("pass" if reason is None else "warn", reason)
    assert exit_code(found) == (0 if verdict == "waived" else 1)
    if reason is not None:
        assert "big would need it" in about.message
        assert about.mend


def test_without_a_time_no_waiver_holds(tmp_path: Path) -> None:
    found = judged(tmp_path, LIMIT, [WAIVER], run("big", energy_kwh=55.0))
    assert found.as_of is None
    assert one(found, "big").verdict == "fail"
    assert one(found, "W", "GRN-WAIVER").reason == "WAIVER_UNDATED"


def test_an_unused_and_an_exceeded_waiver_are_findings_of_their_own(tmp_path: Path) -> None:
    unused = judged(tmp_path, LIMIT, [WAIVER], big(10.0))
    about = one(unused, "W", "GRN-WAIVER")
    assert (about.verdict, about.reason, about.waiver) == ("warn", "WAIVER_UNUSED", None)
    assert (about.where_file, about.where_line) == ("p/waivers.yaml", 3)
    assert (exit_code(unused), exit_code(unused, strict=True)) == (0, 2)
    exceeded = judged(tmp_path, LIMIT, [WAIVER], big(61.0))
    about = one(exceeded, "W", "GRN-WAIVER")
    assert (about.verdict, about.reason) == ("fail", "WAIVER_EXCEEDED")
    assert about.message == "big went beyond it: it holds up to 60 kWh"
    assert one(exceeded, "big").message.endswith("; waiver W holds up to 60 kWh and no further")
    advisory = LIMIT.replace("title: t", "title: t, enforcement: advisory")
    assert exit_code(judged(tmp_path, advisory, [WAIVER], big(61.0))) == 0


def test_a_waiver_covers_what_it_selects_and_nothing_else(tmp_path: Path) -> None:
    rows = [
        big(55.0, run_id="a", team="nlp", labels={"x": "y"}),
        big(55.0, run_id="b", team="nlp"),
        big(55.0, run_id="c", labels={"x": "y"}),  # without a team nobody can tell
        big(55.0, run_id="d", team="cv", labels={"x": "y"}),
    ]
    waiver = WAIVER.replace("{run_id: big}", "{team: nlp, labels: {x: [y, z]}}")
    found = judged(tmp_path, LIMIT, [waiver], *rows)
    assert {v.subject: v.verdict for v in found.verdicts if v.policy == "A"} == {
        "a": "waived", "b": "fail", "c": "fail", "d": "fail",
    }  # fmt: skip
    named = judged(tmp_path, LIMIT, [WAIVER.replace("{run_id: big}", "{subject: [a, b], team: nlp}")], *rows)
    assert [v.subject for v in named.verdicts if v.verdict == "waived"] == ["a", "b"]


def test_of_two_waivers_the_one_that_helps_counts_and_the_other_is_not_exceeded(tmp_path: Path) -> None:
    low, high = WAIVER, WAIVER.replace("id: W", "id: X").replace("60 kWh", "90 kWh")
    found = judged(tmp_path, LIMIT, [low, high], big(70.0))
    assert (one(found, "big").verdict, one(found, "big").waiver) == ("waived", "X")
    assert [one(found, name, "GRN-WAIVER").verdict for name in "WX"] == ["pass", "pass"]
    both = judged(tmp_path, LIMIT, [low, high], big(95.0))
    assert [one(both, name, "GRN-WAIVER").verdict for name in "WX"] == ["fail", "fail"]
    first = judged(tmp_path, LIMIT, [low, high], big(55.0))
    assert one(first, "big").waiver == "W"
    old = low.replace("2026-10-01, expires: 2026-12-31", "2026-05-01, expires: 2026-06-30")
    found = judged(tmp_path, LIMIT, [old, high], big(70.0))
    assert (one(found, "big").waiver, one(found, "W", "GRN-WAIVER").reason) == ("X", "WAIVER_EXPIRED")


def test_a_minimum_is_lowered_and_an_intensity_raised(tmp_path: Path) -> None:
    floor = WAIVER.replace("max: 60 kWh", "min: 80 %")
    rows = [run(name, coverage_ratio=value, ended_at=END) for name, value in (("big", 0.8), ("other", 0.8))]
    found = judged(tmp_path, FLOOR, [floor], *rows)
    assert {v.subject: v.verdict for v in found.verdicts if v.policy == "A"} == {"big": "waived", "other": "fail"}
    assert "down to 80 %" in one(found, "big").message
    under = judged(tmp_path, FLOOR, [floor], run("big", coverage_ratio=math.nextafter(0.8, 0), ended_at=END))
    assert one(under, "big").verdict == "fail"
    ratio = WAIVER.replace("60 kWh", "5000 Wh/Mtoken")
    found = judged(tmp_path, INTENSITY, [ratio], big(5.0), units=[("big", "tokens", 1e6)])
    assert one(found, "big").verdict == "waived"


def test_a_list_is_widened_by_the_names_that_are_accepted(tmp_path: Path) -> None:
    accept = WAIVER.replace("max: 60 kWh", "accept: [DE, V100]")
    rows = [run("big", region="DE", ended_at=END), run("other", region="DE", ended_at=END)]
    found = judged(tmp_path, ALLOW, [accept], *rows)
    assert {v.subject: v.verdict for v in found.verdicts if v.policy == "A"} == {"big": "waived", "other": "fail"}
    assert "waived by W for DE, V100 until" in one(found, "big").message
    beyond = judged(tmp_path, ALLOW, [accept], run("big", region="PL", ended_at=END))
    assert (one(beyond, "big").verdict, one(beyond, "W", "GRN-WAIVER").reason) == ("fail", "WAIVER_EXCEEDED")
    for devices, verdict in ((["A100", "V100"], "waived"), (["V100", "K80"], "fail"), (["V100", None], "fail")):
        found = judged(tmp_path, DEVICES, [accept], run("big", hardware=devices, ended_at=END))
        assert one(found, "big").verdict == verdict, devices


def test_a_budget_is_waived_for_a_group(tmp_path: Path) -> None:
    waiver = (
        WAIVER.replace("{run_id: big}", "n").replace("n,", '{team: ["n,lp", "x=y"]},', 1).replace("60 kWh", "120 kWh")
    )
    rows = [
        big(110.0, run_id="a", team="n,lp", project="p"),
        big(120.000001, run_id="b", team="n,lp", project="q"),
        big(110.0, run_id="c", team="cv", project="p"),
        big(110.0, run_id="d", project="p"),
        big(110.0, run_id="e", team="x=y", project="a\\,b"),
    ]
    found = judged(tmp_path, BUDGET, [waiver], *rows)
    assert {v.subject: v.verdict for v in found.verdicts if v.policy == "A"} == {
        "team=n\\,lp,project=p": "waived",
        "team=n\\,lp,project=q": "fail",
        "team=cv,project=p": "fail",
        "team=(unattributed),project=p": "fail",
        "team=x=y,project=a\\\\\\,b": "waived",
    }
    exact = WAIVER.replace("{run_id: big}", '{subject: "*"}').replace("60 kWh", "120 kWh")
    assert one(judged(tmp_path, ALL, [exact], big(110.0)), "*").verdict == "waived"


def test_a_budget_with_unknown_runs_or_without_history_is_not_waived(tmp_path: Path) -> None:
    exact = WAIVER.replace("{run_id: big}", '{subject: "*"}').replace("60 kWh", "120 kWh")
    found = judged(tmp_path, ALL, [exact], big(110.0), run("u", ended_at=END))
    assert (one(found, "*").verdict, one(found, "*").waiver) == ("fail", None)
    assert "what cannot be counted may go beyond" in one(found, "*").message
    assert one(found, "W", "GRN-WAIVER").verdict == "pass"  # not exceeded, as far as anybody can tell
    assert one(judged(tmp_path, ALL, [exact], big(110.0), no_history=True), "*").verdict == "fail"
    over = judged(tmp_path, ALL, [exact], big(121.0), run("u", ended_at=END))
    assert one(over, "W", "GRN-WAIVER").reason == "WAIVER_EXCEEDED"


def test_waivers_change_the_digest_and_an_empty_file_does_not(tmp_path: Path) -> None:
    plain = (
        judged(tmp_path / "a", LIMIT, [WAIVER.replace("60", "61")], big(10.0))
        if (tmp_path / "a").mkdir() is None
        else None
    )
    assert plain is not None
    (tmp_path / "b").mkdir()
    other = judged(tmp_path / "b", LIMIT, [WAIVER], big(10.0))
    assert plain.policy_digest != other.policy_digest
    assert plain.digest != other.digest
    (tmp_path / "c" / "p").mkdir(parents=True)
    (tmp_path / "c" / "p" / "p.yaml").write_text(HEAD + LIMIT, encoding="utf-8")
    (tmp_path / "c" / "p" / "waivers.yaml").write_text("apiVersion: green/v1\nwaivers: []\n", encoding="utf-8")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "p.yaml").write_text(HEAD + LIMIT, encoding="utf-8")
    assert load(tmp_path / "c" / "p").digest == load(tmp_path / "d").digest


MISTAKES = [
    (LIMIT, WAIVER.replace("policy: A", "policy: B"), "policy", 'no policy "B"', "A"),
    (HARD, WAIVER, "policy", "hard-mandatory and cannot be waived", "soft-mandatory"),
    (REQUIRE, WAIVER, "policy", "no bound that could be raised", "kind limit"),
    (WARNS, WAIVER, "policy", "only warns", "remove"),
    (LIMIT, WAIVER.replace("select: {run_id: big}", "select: {}"), "select", "no waiver", "run_id"),
    (LIMIT, WAIVER.replace("select: {run_id: big}, ", ""), "{id", "missing key", "add it"),
    (LIMIT, WAIVER.replace("run_id: big", "run: big"), "run: big", "unknown key", "did you mean"),
    (LIMIT, WAIVER.replace("max: 60 kWh, ", ""), "{id", "no ceiling", "write max"),
    (LIMIT, WAIVER.replace("60 kWh", "50 kWh"), "max", "not beyond the max", "widens"),
    (LIMIT, WAIVER.replace("60 kWh", "60 kgCO2e"), "max", "carbon, where energy is expected", "kWh"),
    (LIMIT, WAIVER.replace("60 kWh", ".inf"), "max", "no unit", "kWh"),
    (LIMIT, WAIVER.replace("60 kWh", "nan kWh"), "max", "does not begin with a number", ""),
    (LIMIT, WAIVER.replace("60 kWh", "-60 kWh"), "max", "below zero", ""),
    (LIMIT, WAIVER.replace("60 kWh", "60 kWh ± 5 %"), "max", "no tolerance", ""),
    (LIMIT, WAIVER.replace("60 kWh", "1e29 kWh"), "max", "beyond what a ledger can hold", ""),
    (LIMIT, WAIVER.replace("max: 60", "min: 40"), "min", "A has no min", ""),
    (LIMIT, WAIVER.replace("max: 60 kWh", "accept: [x], max: 60 kWh"), "accept", "no list", "max"),
    (FLOOR, WAIVER.replace("max: 60 kWh", "min: 96 %"), "min", "not beyond the min", ""),
    (FLOOR.replace("min: 95", "max: 95"), WAIVER.replace("60 kWh", "99"), "max", "at most 100 %", "99 %"),
    (ALLOW, WAIVER, "max", "allows names", "accept"),
    (ALLOW, WAIVER.replace("max: 60 kWh, ", ""), "{id", "nothing is accepted", "accept"),
    (ALLOW, WAIVER.replace("max: 60 kWh", "accept: [FR]"), "accept", "allowed anyway", ""),
    (BUDGET, WAIVER.replace("60", "160"), "run_id", "run_id selects none", "team or project"),
    (BUDGET, WAIVER.replace("run_id: big", "labels: {a: b}"), "labels", "labels selects none", "team or project"),
    (ALL, WAIVER.replace("60", "160"), "run_id", "it has no groups", 'subject: "*"'),
    (LIMIT, WAIVER.replace("bob", "' Ann '"), "{id", "one person", "somebody else"),
    (LIMIT, WAIVER.replace("2026-12-31", "2026-09-30"), "{id", "expires before", ""),
    (LIMIT, WAIVER.replace("2026-12-31", "2027-03-31"), "{id", "181 days", "180"),
    (LIMIT, WAIVER.replace(", expires: 2026-12-31", ""), "{id", "expires", "add it"),
    (LIMIT, WAIVER.replace("2026-12-31", "2026-02-30"), "expires", "no day", "2026-12-31"),
    (LIMIT, WAIVER.replace("2026-12-31", "20261231"), "expires", "string", ""),
    (LIMIT, WAIVER.replace("2026-12-31", '"2026-12-31T00:00:00Z"'), "expires", "no day", ""),
    (LIMIT, WAIVER.replace("reason: r", 'reason: "  "'), "reason", "empty", ""),
    (LIMIT, WAIVER.replace("reason: r", "reason: r, forever: true"), "forever", "unknown key", ""),
    (LIMIT, WAIVER.replace("id: W", "id: 9"), "id", "string", ""),
]  # fmt: skip


@pytest.mark.parametrize(("policies", "waiver", "place", "what", "mend"), MISTAKES)
def test_a_mistake_in_a_waiver_is_refused_where_it_stands(
    tmp_path: Path, policies: str, waiver: str, place: str, what: str, mend: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_with(tmp_path / "p", policies, waiver)
    error = caught.value
    assert error.where is not None
    assert (what in error.what, mend in error.mend) == (True, True), str(error)
    assert (error.where.file, error.where.line) == ("p/waivers.yaml", 3), str(error)
    assert error.where.column == f"- {waiver}".index(place) + 1, str(error)
    assert error.exit_code == 3


def test_180_days_are_the_most(tmp_path: Path) -> None:
    assert load_with(tmp_path / "p", LIMIT, WAIVER.replace("2026-12-31", "2027-03-30")).waivers


def test_an_id_is_used_once_and_the_id_of_findings_by_no_policy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"used twice, first at p/waivers\.yaml:3:3"):
        load_with(tmp_path / "p", LIMIT, WAIVER, WAIVER)
    with pytest.raises(UsageError, match="findings about waivers"):
        load_with(tmp_path / "p", LIMIT.replace("id: A", "id: GRN-WAIVER"))


def test_waivers_are_read_from_subfolders(tmp_path: Path) -> None:
    load_with(tmp_path / "p", LIMIT, WAIVER)
    (tmp_path / "p" / "teams").mkdir()
    (tmp_path / "p" / "waivers.yaml").rename(tmp_path / "p" / "teams" / "waivers.yaml")
    assert [str(one.where) for one in load(tmp_path / "p").waivers] == ["p/teams/waivers.yaml:3:3"]


def test_microseconds_of_the_last_day(tmp_path: Path) -> None:
    chosen = load_with(tmp_path / "p", LIMIT, WAIVER).waivers[0]
    assert [chosen.state(at("2027-01-01T00:00:00Z") + step) for step in (-1, 0)] == ["valid", "expired"]
    assert [chosen.state(at("2026-10-01T00:00:00Z") + step) for step in (-1, 0)] == ["early", "valid"]
