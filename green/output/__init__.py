"""Forms of a judgement; each module has render(judgement) -> str. Here: making names harmless.

Whoever writes a log chooses run ids and team names, so every form escapes them: a name must never
become a terminal command, a workflow annotation, a table cell, HTML or a mention of a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from green.policy.judge import Verdict

# The order in which people read verdicts: what needs them first.
WORST_FIRST = ("error", "fail", "unknown", "at_risk", "warn", "waived", "pass")


def plain(text: str, most: int = 300) -> str:
    """Return text on one line without control, bidirectional or other invisible characters.

    CI runners take `::` after blanks, and `##[` anywhere, for a command of theirs: both are spelled out.
    """
    shown = text if text.isprintable() else "".join(char if char.isprintable() else _spelled(char) for char in text)
    shown = shown.replace("::", "\\x3a:").replace("##[", "\\x23#[")
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _spelled(char: str) -> str:
    return " " if char in "\n\t" else char.encode("unicode_escape").decode("ascii")


def worst_first(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Sort verdicts for people; those of one sort stay in the order of policy and subject."""
    rank = {name: index for index, name in enumerate(WORST_FIRST)}
    return sorted(verdicts, key=lambda one: (rank[one.verdict], one.policy, one.subject))


def counted(summary: dict[str, int]) -> str:
    """Write how many verdicts of each sort there are."""
    return ", ".join(f"{number} {name}" for name, number in summary.items() if number) or "no verdict"


def would(found: Sequence[dict[str, Any]], subject: str) -> str:
    """Say what would make a finding pass: hours, regions, devices; of a budget for each of its plans."""
    said: dict[str, list[str]] = {}
    for run_id in dict.fromkeys(one["run_id"] for one in found):
        parts = said.setdefault(run_id, [])
        for change, word in (("hours", "in at most"), ("region", "in"), ("device", "on")):
            names = [_measured(one) for one in found if one["run_id"] == run_id and one["change"] == change]
            parts += [f"{word} {' or '.join(names)}"] if names else []
    return "; ".join(
        f"{'' if run_id == subject else f'{run_id} '}{', or '.join(parts)}" for run_id, parts in said.items()
    )


def _measured(mend: dict[str, Any]) -> str:
    return str(mend["value"]) if mend["unit"] is None else f"{mend['value']:g} {mend['unit']}"


def collapsed(rejected: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put neighbouring rejects of one file, reason and detail into one row, from its first line on."""
    rows: list[dict[str, Any]] = []
    for one in rejected:
        same = rows and all(rows[-1][key] == one[key] for key in ("file", "reason", "detail"))
        if same and one["line"] is not None and rows[-1]["line"] is not None:
            rows[-1]["lines"] += one.get("lines") or 1
        else:
            rows.append({**one, "lines": one.get("lines") or 1})
    return rows
