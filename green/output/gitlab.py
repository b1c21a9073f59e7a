"""Findings as GitLab code quality: a JSON array that a merge request shows beside its changes.

GitLab compares the array of a branch with that of its target by the fingerprints, so that all findings stand in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from green.output import plain
from green.output.finding import BREAKS, ERROR, Finding, cause_words, change_words, findings, said

if TYPE_CHECKING:
    from green.compare import Comparison
    from green.output.finding import Frame
    from green.policy.judge import Judgement


def render(judgement: Judgement, comparison: Comparison | None = None, *, frame: Frame, only_new: bool = False) -> str:
    """Return the text of the report."""
    listed = findings(judgement, comparison, frame, only_new=only_new)
    issues = [_issue(one) for one in listed if not one.is_resolved]
    return "[\n" + ",\n".join(json.dumps(issue) for issue in issues) + ("\n]\n" if issues else "]\n")


def _issue(one: Finding) -> dict[str, Any]:
    verdict = one.verdict
    parts = [said(verdict, verdict.subject), change_words(one)]
    parts += [f"by {cause_words(one)}" if one.causes else "", f"mend: {verdict.mend}" if verdict.mend else ""]
    return {
        "type": "issue",
        "description": plain("; ".join(filter(None, parts)), 1000),
        "check_name": plain(verdict.policy),
        "fingerprint": one.fingerprint,
        "severity": _severity(one),
        "categories": ["Performance"],
        # An issue without a place is none: what is about no file is shown at the policies.
        "location": {"path": plain(one.path or "policies", 1000), "lines": {"begin": one.line or 1}},
    }


def _severity(one: Finding) -> str:
    if one.code == ERROR:
        return "blocker"
    if one.code == BREAKS:
        return "critical" if one.verdict.enforcement == "hard-mandatory" else "major"
    return "info" if one.verdict.verdict == "waived" else "minor"
