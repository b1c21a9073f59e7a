"""Findings as JUnit XML, the form that Jenkins, GitLab and most other CI servers show as tests.

A policy is a suite, a finding a test case. Passes are one case a suite, for ten thousand would help nobody. A case
fails where the exit code does: what only warns passes with its words, what was waived or there before is skipped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from green.output import plain
from green.output.finding import BREAKS, ERROR, Finding, cause_words, change_words, findings, said

if TYPE_CHECKING:
    from green.compare import Comparison
    from green.output.finding import Frame
    from green.policy.judge import Judgement


def render(judgement: Judgement, comparison: Comparison | None = None, *, frame: Frame, only_new: bool = False) -> str:
    """Return the text of the report: one suite a policy, in the order of their ids."""
    found: dict[str, list[Finding]] = {loaded.policy.id: [] for loaded in frame.policies.policies}
    for one in findings(judgement, comparison, frame, only_new=only_new):
        if not one.is_resolved:
            found.setdefault(one.verdict.policy, []).append(one)
    idle = {verdict.policy for verdict in judgement.idle}
    suites, totals = [], [0, 0, 0]
    for policy, own in sorted(found.items()):
        cases = [_case(one) for one in own]
        passes = _verdicts(judgement, policy) - len(own)
        if passes:
            words = "1 subject passes" if passes == 1 else f"{passes} subjects pass"
            cases.append(("", f"<testcase classname={_quoted(policy)} name={_quoted(words)}/>"))
        elif policy in idle:
            words = '<skipped message="the policy selected no run"/>'
            cases.append(
                ("skipped", f'<testcase classname={_quoted(policy)} name="selected no run">{words}</testcase>')
            )
        kinds = [kind for kind, _ in cases]
        counts = [len(cases), kinds.count("failure"), kinds.count("error")]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        suites.append(
            f'<testsuite name={_quoted(_title(frame, policy))} {_counts(counts)} skipped="{kinds.count("skipped")}">\n'
            + "".join(f"{case}\n" for _, case in cases)
            + "</testsuite>\n"
        )
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="green" {_counts(totals)}>\n'
    return head + "".join(suites) + "</testsuites>\n"


def _counts(counts: list[int]) -> str:
    return 'tests="{}" failures="{}" errors="{}"'.format(*counts)


def _title(frame: Frame, policy: str) -> str:
    rule = frame.rule(policy)
    return policy if rule is None else f"{policy} {rule.policy.title}"


def _verdicts(judgement: Judgement, policy: str) -> int:
    """Count the verdicts of a policy by the recorded lines, for not every judgement has its passes as verdicts.

    The lines are sorted by policy, so that two searches find its part.
    """

    def name(line: str) -> str:
        return line.split('"', 4)[3]

    return bisect_right(judgement.lines, policy, key=name) - bisect_left(judgement.lines, policy, key=name)


def _case(one: Finding) -> tuple[str, str]:
    """Return what a finding is to JUnit, and its element."""
    verdict = one.verdict
    rows = [said(verdict), change_words(one), cause_words(one) and f"by {cause_words(one)}"]
    place = "" if one.path is None else f"{one.path}:{one.line}" if one.line else one.path
    rows += [f"{verdict.title} ({verdict.enforcement})", place, f"mend: {verdict.mend}" if verdict.mend else ""]
    body = escape("\n".join(plain(row, 2000) for row in rows if row))
    kind = _kind(one)
    if kind == "skipped":
        why = f"waived by {one.waiver}" if one.waiver else "waived" if verdict.verdict == "waived" else f"{one.state}"
        inner = f"<skipped message={_quoted(f'{why}: {verdict.message}')}/>"
    elif kind:
        inner = f"<{kind} type={_quoted(verdict.verdict)} message={_quoted(verdict.message)}>{body}</{kind}>"
    else:
        inner = f"<system-out>{body}</system-out>"
    return kind, f"<testcase classname={_quoted(verdict.policy)} name={_quoted(verdict.subject)}>{inner}</testcase>"


def _kind(one: Finding) -> str:
    if one.verdict.verdict == "waived" or (not one.counts and one.code in {BREAKS, ERROR}):
        return "skipped"
    return {BREAKS: "failure", ERROR: "error"}.get(one.code, "")


def _quoted(text: str) -> str:
    return quoteattr(plain(text, 2000))
