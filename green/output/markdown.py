"""The judgement as a comment for a pull request: one table, the worst first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from green.output import counted, plain, worst_first, would

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.policy.judge import Judgement, Verdict

MARK = "<!-- green: verdicts -->"  # a bot finds its comment by this line and updates it in place
MOST_CHARS = 60_000  # GitHub refuses comments above 65,536
_SPECIAL = re.compile(r"[\\`*_{}\[\]#|~$:@<>&\"]|(?<=www)\.", re.IGNORECASE)


def render(judgement: Judgement) -> str:
    """Return Markdown of at most 60,000 characters; what does not fit is counted."""
    head = [
        MARK,
        f"### Green: {judgement.worst.replace('_', ' ')}",
        "",
        f"{counted(judgement.summary).replace('_', ' ')} (as of {judgement.as_of or 'no known time'})",
        "",
    ]
    listed = [one for one in worst_first(judgement.verdicts) if one.verdict != "pass"]
    if listed:
        head += ["| verdict | policy | subject | what was found | mend |", "|---|---|---|---|---|"]
    tail = [*_idle(judgement), "", f"Digest `{judgement.digest}`", ""]
    return fitted(head, list(map(_row, listed)), tail)


def fitted(head: Sequence[str], rows: Sequence[str], tail: Sequence[str]) -> str:
    """Put lines together, with as many rows as a comment holds; the others are counted."""
    room = MOST_CHARS - 200 - sum(len(line) + 1 for line in [*head, *tail])
    return "\n".join([*head, *within(rows, room, ["", "… and {} more in `verdicts.json`"]), *tail])


def within(rows: Sequence[str], room: int, more: Sequence[str]) -> list[str]:
    """Return the rows that fit into so many characters, and `more` with the number of the others."""
    shown: list[str] = []
    for row in rows:
        room -= len(row) + 1
        if room < 0:
            return [*shown, *(line.format(len(rows) - len(shown)) for line in more)]
        shown.append(row)
    return shown


def _row(verdict: Verdict) -> str:
    cells = (
        f"**{verdict.verdict.replace('_', ' ')}**",
        f"{escape(verdict.policy, 64)} {escape(verdict.title)}",
        escape(verdict.subject),
        escape(verdict.message, 600),
        mended(verdict),
    )
    return f"| {' | '.join(cells)} |"


def mended(verdict: Verdict) -> str:
    """Write what mends a finding: the policy's advice, and what would make it pass."""
    words = would([one._asdict() for one in verdict.would_pass], verdict.subject)
    return "<br>".join(filter(None, (escape(verdict.mend, 600), f"Would pass {escape(words, 600)}" if words else "")))


def _idle(judgement: Judgement) -> list[str]:
    if not judgement.idle:
        return []
    names = ", ".join(escape(one.policy, 64) for one in judgement.idle[:50])
    return ["", f"Selected no run: {names}" + (", …" if len(judgement.idle) > 50 else "")]  # noqa: PLR2004 -- a line's worth


def escape(text: str, most: int = 300) -> str:
    """Write a name so that Markdown, HTML, mentions, links and annotations stay text."""
    return _SPECIAL.sub(_entity, plain(text, most))


def _entity(match: re.Match[str]) -> str:
    char = match.group()
    # A numeric entity is no mark of Markdown. Mentions and issue numbers are looked for after the
    # entities are resolved, so that a zero-width space has to part them from their name.
    return f"&#{ord(char)};" + ("&#8203;" if char in "@#" else "")
