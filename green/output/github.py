"""Findings as annotations of GitHub Actions: lines that its runner takes off stdout and shows beside the code.

Everything that somebody else wrote is escaped as the runner unescapes it, so that no name ends a line, a
property or the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.output import counted, plain
from green.output.finding import BREAKS, ERROR, Finding, cause_words, change_words, findings

if TYPE_CHECKING:
    from green.compare import Comparison
    from green.output.finding import Frame
    from green.policy.judge import Judgement

MOST_OF_A_LEVEL = 10  # a step shows no more errors, warnings and notices than ten of each
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(judgement: Judgement, comparison: Comparison | None = None, *, frame: Frame, only_new: bool = False) -> str:
    """Return one command a finding, the worst first, and a last line that counts."""
    levels: dict[str, list[Finding]] = {"error": [], "warning": [], "notice": []}
    for one in findings(judgement, comparison, frame, only_new=only_new):
        if not one.is_resolved:
            levels[_level(one)].append(one)
    lines = [_command(level, one) for level, found in levels.items() for one in found[:MOST_OF_A_LEVEL]]
    left_out = sum(len(found[MOST_OF_A_LEVEL:]) for found in levels.values())
    if left_out:
        lines.append(f"{left_out} more findings: see the summary or verdicts.json")
    counts = comparison.counts if comparison is not None else judgement.summary
    against = "" if comparison is None else f", against {plain(comparison.base.name)}"
    lines.append(f"green: {counted(counts)}{against} (as of {judgement.as_of or 'no known time'})")
    return "\n".join([*lines, ""])


def _level(one: Finding) -> str:
    """An error is what ends the check; a finding that was there before is shown and does not."""
    if one.verdict.verdict == "waived" or not one.counts:
        return "notice"
    return "error" if one.code in {BREAKS, ERROR} else "warning"


def _command(level: str, one: Finding) -> str:
    verdict = one.verdict
    state = f"{one.state}: " if one.state else ""
    properties = []
    if one.path is not None and not one.path.startswith("../"):
        properties.append(("file", one.path))
        if one.line:
            properties.append(("line", str(one.line)))
    properties.append(("title", f"{state}{verdict.verdict} {verdict.policy} {verdict.title}"))
    written = ",".join(f"{name}={plain(text).translate(_PROPERTY)}" for name, text in properties)
    rows = [f"{verdict.subject}: {verdict.message}", change_words(one), cause_words(one) and f"by {cause_words(one)}"]
    rows.append(f"mend: {verdict.mend}" if verdict.mend else "")
    data = "\n".join(plain(row, 2000) for row in rows if row)
    return f"::{level} {written}::{data.translate(_DATA)}"
