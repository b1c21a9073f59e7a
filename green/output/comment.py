"""A comparison as a comment for a pull request: what it adds, what that does to the budgets, and what to do.

What was there before is folded. The first line is the hidden mark by which a bot finds its comment again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.compare import BETTER, NEW, RESOLVED, UNCHANGED, WORSE, Comparison
from green.output import counted
from green.output.finding import BREAKS, ERROR, Finding, change_words, findings, moved
from green.output.markdown import MARK, escape, fitted, mended, within
from green.policy.model import BudgetPolicy
from green.symbols import EXACT
from green.units import format_quantity

if TYPE_CHECKING:
    from green.compare import Cause
    from green.output.finding import Frame
    from green.policy.judge import Judgement, Verdict

MOST_CAUSES = 5
# Characters of each part: together they leave most of the comment to what is new.
OF_NOTES, OF_BUDGETS, OF_FOLDED = 4_000, 10_000, 14_000
_COLUMNS = [
    "| | verdict | policy | subject | what was found | since the base | mend |",
    "|---|---|---|---|---|---|---|",
]


def render(judgement: Judgement, comparison: Comparison, *, frame: Frame, only_new: bool = False) -> str:
    """Return Markdown of at most 60,000 characters; what does not fit is counted."""
    listed = findings(judgement, comparison, frame, only_new=only_new)
    open_rows = [_row(one, frame) for one in listed if one.state in {NEW, WORSE}]
    head = [MARK, f"### Green: {_headline(comparison)}", "", _answer(listed, only_new=only_new), ""]
    head += within([f"- {escape(note)}" for note in comparison.notes], OF_NOTES, ["- … and {} more notes"])
    head += [""] if comparison.notes else []
    tail = [*_budgets(judgement, comparison, frame), *_folded(listed, frame)]
    against = escape(comparison.base.name)
    tail += ["", f"{counted(judgement.summary).replace('_', ' ')}, against {against}"]
    tail += [f"(as of {judgement.as_of or 'no known time'}, digest `{judgement.digest[:16]}`)", ""]
    return fitted([*head, *_COLUMNS] if open_rows else head, open_rows, tail)


def _headline(comparison: Comparison) -> str:
    found = {state: number for state, number in comparison.counts.items() if number}
    return ", ".join(f"{number} {state}" for state, number in found.items()) or "no finding"


def _answer(listed: list[Finding], *, only_new: bool) -> str:
    """Say whether the check ends in an error, and what it looks at."""
    ending = [one for one in listed if one.counts and one.code in {BREAKS, ERROR}]
    waived = sum(one.verdict.verdict == "waived" for one in listed if not one.is_resolved)
    words = f"**{_many(len(ending))} this check.**" if ending else "No finding breaks this check."
    words += " Only what is new or worse counts." if only_new else ""
    return words + (f" {waived} waived." if waived else "")


def _many(number: int) -> str:
    return "1 finding breaks" if number == 1 else f"{number} findings break"


def _row(one: Finding, frame: Frame) -> str:
    verdict = one.verdict
    waiver = f" ({escape(one.waiver, 64)})" if one.waiver else ""
    since = [escape(change_words(one)), *(_cause(cause, frame) for cause in one.causes[:MOST_CAUSES])]
    since += [f"and {len(one.causes) - MOST_CAUSES} more runs"] if len(one.causes) > MOST_CAUSES else []
    place = _place(one.path, one.line)
    cells = (
        one.state or "",
        f"**{verdict.verdict.replace('_', ' ')}**{waiver}",
        f"{escape(verdict.policy, 64)} {escape(verdict.title)}",
        escape(verdict.subject) + (f"<br>{place}" if place else ""),
        escape(verdict.message.removeprefix(f"{verdict.verdict}: "), 600),
        "<br>".join(filter(None, since)),
        mended(verdict),
    )
    return f"| {' | '.join(cells)} |"


def _cause(cause: Cause, frame: Frame) -> str:
    """Name a run with what it adds and where it is written."""
    added = "unknown" if cause.value is None else format_quantity(cause.value, cause.unit)
    change = ""
    if cause.before is not None and cause.value is not None:
        change = f", {moved(cause.before, cause.value, cause.unit)}"
    place = _place(frame.below_logs(cause.file), cause.line)
    return f"{escape(cause.run_id)}: {escape(added + change)}" + (f" ({place})" if place else "")


def _place(path: str | None, line: int | None) -> str:
    if path is None:
        return ""
    return escape(f"{path}:{line}" if line else path)


def _budgets(judgement: Judgement, comparison: Comparison, frame: Frame) -> list[str]:
    """Show every budget that moved or is no pass: before, now, what is left."""
    rows = []
    for verdict in judgement.verdicts:
        rule = frame.rule(verdict.policy)
        if rule is None or not isinstance(rule.policy, BudgetPolicy) or verdict.value is None or verdict.limit is None:
            continue
        before = comparison.before.get((verdict.policy, verdict.subject), {})
        was = before.get("value") if before.get("unit") == verdict.unit else None
        if was != verdict.value or verdict.verdict != "pass":
            rows.append(_budget(verdict, was))
    if not rows:
        return []
    columns = ["| budget | group | before | now | limit | left |", "|---|---|---|---|---|---|"]
    return ["", "**Budgets**", "", *columns, *within(rows, OF_BUDGETS, ["", "… and {} more budgets"])]


def _budget(verdict: Verdict, was: float | None) -> str:
    unit = verdict.unit or "1"
    value, limit = verdict.value or 0.0, verdict.limit or 0.0
    left = EXACT.subtract(*(EXACT.create_decimal(repr(number)) for number in (limit, value)))
    room = format_quantity(abs(left), unit)
    known = "" if verdict.verdict not in {"unknown", "error"} else " at most"  # the rest cannot be counted
    cells = (
        f"{escape(verdict.policy, 64)} {escape(verdict.title)}",
        escape(verdict.subject),
        "nothing" if was is None else escape(format_quantity(was, unit)),
        escape(format_quantity(value, unit)),
        escape(format_quantity(limit, unit)),
        f"**{escape(room)} over**" if left < 0 else escape(room) + known,
    )
    return f"| {' | '.join(cells)} |"


def _folded(listed: list[Finding], frame: Frame) -> list[str]:
    """Fold what was there before, and what is there no more."""
    found = [one for one in listed if one.state in {UNCHANGED, BETTER, RESOLVED}]
    if not found:
        return []
    names = ", ".join(f"{sum(one.state == s for one in found)} {s}" for s in (UNCHANGED, BETTER, RESOLVED))
    rows = within([_row(one, frame) for one in found], OF_FOLDED, ["", "… and {} more in `verdicts.json`"])
    return ["", f"<details><summary>{names}</summary>", "", *_COLUMNS, *rows, "", "</details>"]
