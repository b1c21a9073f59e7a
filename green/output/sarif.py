"""Findings as SARIF 2.1.0 (OASIS), the form that code scanning and editors read.

One rule a policy, one result a finding, at the line that holds the number. A pass is no result: a file of ten
thousand passes would help nobody.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import green
from green.compare import BETTER, NEW, RESOLVED, UNCHANGED, WORSE
from green.output import plain
from green.output.finding import BREAKS, ERROR, Finding, cause_words, change_words, findings

if TYPE_CHECKING:
    from green.compare import Comparison
    from green.output.finding import Frame
    from green.policy.judge import Judgement
    from green.policy.load import Loaded

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_KEPT = ("verdict", "value", "low", "high", "limit", "unit", "reason")
MOST_RESULTS = 5_000  # GitHub stores no more of a run, and refuses 25,000
_STATES = {NEW: "new", WORSE: "updated", BETTER: "updated", UNCHANGED: "unchanged", RESOLVED: "absent"}
_NAMESPACE = uuid.UUID("6d1b0f3e-5c0b-5d0f-9a52-0c6f6b0a3a11")  # of the ids that we make of digests
# In a message `[` begins a link and `{` a place to fill (SARIF 2.1.0, 3.11.5 and 3.11.6).
_MESSAGE = str.maketrans({"\\": "\\\\", "[": "\\[", "]": "\\]", "{": "{{", "}": "}}"})


def render(judgement: Judgement, comparison: Comparison | None = None, *, frame: Frame, only_new: bool = False) -> str:
    """Return the text of a SARIF log with one run."""
    listed = findings(judgement, comparison, frame, only_new=only_new)
    shown, left_out = listed[:MOST_RESULTS], len(listed) - MOST_RESULTS
    rules = _rules(frame, shown)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    run: dict[str, Any] = {
        "tool": {"driver": {"name": "green", "version": green.__version__, "rules": rules}},
        "automationDetails": {"id": "green/", "guid": _guid(judgement.digest)},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _notes(comparison, left_out)}],
        "properties": {"as_of": judgement.as_of, "digest": judgement.digest, "summary": judgement.summary},
    }
    if comparison is not None and comparison.base.digest is not None:
        run["baselineGuid"] = _guid(comparison.base.digest)
    head = json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})[:-3]  # up to the end of the run
    results = ",\n".join(json.dumps(_result(one, index)) for one in shown)
    return f'{head},"results":[\n{results}\n]}}]}}\n'


def message(text: str, most: int = 2000) -> str:
    """Write a text so that it is no link and no place to fill."""
    return plain(text, most).translate(_MESSAGE)


def _guid(digest: str) -> str:
    """Return the id of a judgement: the same facts and policies have the same one."""
    return str(uuid.uuid5(_NAMESPACE, digest))


def _notes(comparison: Comparison | None, left_out: int) -> list[dict[str, Any]]:
    notes = [("note", note) for note in comparison.notes] if comparison is not None else []
    if left_out > 0:
        notes.append(("warning", f"{left_out} more findings are in verdicts.json"))
    return [{"level": level, "message": {"text": message(text)}} for level, text in notes]


def _rules(frame: Frame, shown: list[Finding]) -> list[dict[str, Any]]:
    """Describe every policy, and what findings name beside them."""
    rules = [_rule(loaded) for loaded in frame.policies.policies]
    others = {one.verdict.policy: one.verdict for one in shown if frame.rule(one.verdict.policy) is None}
    for policy, verdict in sorted(others.items()):
        title = plain(verdict.title)
        rules.append({"id": plain(policy), "shortDescription": {"text": title}, "help": {"text": plain(verdict.mend)}})
    return rules


def _rule(loaded: Loaded) -> dict[str, Any]:
    policy = loaded.policy
    because, mend = plain(policy.because or policy.title, 2000), plain(policy.mend or "see the policy", 2000)
    return {
        "id": policy.id,
        "shortDescription": {"text": plain(policy.title)},
        "fullDescription": {"text": because},
        "help": {"text": f"Because: {because}\nMend: {mend}"},
        "defaultConfiguration": {"level": "warning" if loaded.enforcement.value == "advisory" else "error"},
        "properties": {"enforcement": loaded.enforcement.value, "tags": ["energy", "carbon", str(policy.kind)]},
    }


def _result(one: Finding, index: dict[str, int]) -> dict[str, Any]:
    verdict = one.verdict
    parts = [f"{verdict.subject}: {verdict.message}"]
    parts += [change_words(one), _by(one)] if one.state else []
    rule = plain(verdict.policy)
    result: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": index[rule],
        "level": _level(one),
        "message": {"text": message("; ".join(filter(None, parts)))},
        "locations": [_location(one)],
        "partialFingerprints": {"policyAndSubject/v1": one.fingerprint},
        "properties": {key: getattr(verdict, key) for key in _KEPT},
    }
    if one.state is not None:
        result["baselineState"] = _STATES[one.state]
        result["properties"]["state"] = one.state
    if verdict.verdict == "waived":
        why = f"waived by {one.waiver}" if one.waiver else "waived"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": plain(why)}]
    return result


def _by(one: Finding) -> str:
    words = cause_words(one)
    return f"moved by {words}" if words else ""


def _level(one: Finding) -> str:
    if one.is_resolved:
        return "none"
    if one.verdict.verdict == "waived":
        return "note"
    return "error" if one.code in {BREAKS, ERROR} else "warning"


def _location(one: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {"logicalLocations": [{"name": plain(one.verdict.subject), "kind": "resource"}]}
    if one.path is not None:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(one.path, errors="backslashreplace")}}
        if one.line:
            place["region"] = {"startLine": one.line}
        location["physicalLocation"] = place
    return location
