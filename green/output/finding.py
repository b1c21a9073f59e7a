"""What every form of a review shows: findings with their state, their place in the repository, their weight.

A verdict knows its place below `logs` or in a policy; a forge wants the path from the root of the repository.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green.compare import FAILING, RESOLVED, STATES
from green.output import WORST_FIRST, plain
from green.policy.judge import Verdict, exit_code
from green.symbols import EXACT
from green.units import format_quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.compare import Cause, Change, Comparison, Record
    from green.policy.judge import Judgement
    from green.policy.load import Loaded, PolicySet

BREAKS, ERROR = 1, 3  # exit codes of green.policy.judge
MOST_CAUSES = 3  # runs that a sentence names


@dataclass(frozen=True, slots=True)
class Frame:
    """Where things stand: the policies, the folder of logs, and this folder in the repository."""

    policies: PolicySet
    logs: str | None = None  # from the root of the repository; None where they lie outside
    here: str = ""  # the working directory, likewise
    _known: dict[str, Loaded] = field(default_factory=dict, init=False, repr=False, compare=False)

    def rule(self, policy: str) -> Loaded | None:
        """Return a policy by its id; a finding about a waiver has none."""
        if not self._known:
            self._known.update({loaded.policy.id: loaded for loaded in self.policies.policies})
        return self._known.get(policy)

    def path(self, policy: str, file: str | None, line: int | None) -> str | None:
        """Return the path of a verdict's place from the root of the repository, with `/`."""
        if file is None:
            return None
        rule = self.rule(policy)
        # what no policy file defines is a finding about a waiver, and points at the waiver's file
        of_policy = rule is None or (file == rule.where.file and line == (rule.where.line or None))
        return posixpath.normpath(posixpath.join(self.here, file)) if of_policy else self.below_logs(file)

    def below_logs(self, file: str | None) -> str | None:
        """Return the path of a file of the logs from the root of the repository."""
        return None if file is None else posixpath.normpath(posixpath.join(self.logs or "", file))


def frame(policies: PolicySet, logs: str) -> Frame:
    """Return the frame of a working directory: the repository is the nearest folder above with a `.git`."""
    work = Path.cwd()
    root = next((folder for folder in (work, *work.parents) if (folder / ".git").exists()), work)
    here = "" if work == root else work.relative_to(root).as_posix()
    below = posixpath.normpath(posixpath.join(here, os.path.relpath(logs, work)))
    # logs outside of the repository have no path in it: theirs is the one below logs, which names no machine's folders
    return Frame(policies, below, here) if not below.startswith("..") else Frame(policies, None, here)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding as it is shown: what it says, where, how heavy, and what became of it."""

    verdict: Verdict
    code: int  # what it alone would make the exit code be, with --strict
    path: str | None
    line: int | None
    counts: bool = True  # whether the exit code hears of it: with --fail-on new only what is new or worse
    state: str | None = None
    before: Record | None = None
    causes: tuple[Cause, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Return what stays the same as long as policy and subject do."""
        key = f"{self.verdict.policy}\0{self.verdict.subject}"
        return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def is_resolved(self) -> bool:
        """Tell whether it is the finding of the base, and gone."""
        return self.state == RESOLVED

    @property
    def waiver(self) -> str | None:
        """Return the id of the waiver that covers it."""
        return getattr(self.verdict, "waiver", None)


def findings(
    judgement: Judgement, comparison: Comparison | None, where: Frame, *, only_new: bool = False
) -> list[Finding]:
    """Return every finding, those of the base that are resolved included, in the order in which people read them.

    With `only_new`, findings that are as they were count for nothing.
    """
    codes: dict[tuple[str, str, str], int] = {}

    def code(verdict: Verdict) -> int:
        key = (verdict.verdict, verdict.enforcement, verdict.on_unknown)
        if key not in codes:
            codes[key] = exit_code(replace(judgement, verdicts=(verdict,)), strict=True)
        return codes[key]

    def made(verdict: Verdict, **more: Any) -> Finding:  # noqa: ANN401 -- fields of Finding
        place = where.path(verdict.policy, verdict.where_file, verdict.where_line)
        return Finding(verdict, code(verdict), place, verdict.where_line, **more)

    if comparison is None:
        found = [made(one) for one in judgement.verdicts if one.verdict != "pass"]
    else:
        found = [_changed(change, made, where, only_new=only_new) for change in comparison.changes]
    return sorted(found, key=_order)


def _order(one: Finding) -> tuple[int, int, str, str]:
    state = STATES.index(one.state) if one.state else 0
    return state, WORST_FIRST.index(one.verdict.verdict), one.verdict.policy, one.verdict.subject


def _changed(change: Change, made: Callable[..., Finding], where: Frame, *, only_new: bool) -> Finding:
    """Show a change: what was resolved as the base said it, a budget where the run stands that moved it."""
    if change.state == RESOLVED:
        return replace(made(verdict_of(change.before or {}), state=RESOLVED, before=change.before), code=0)
    assert change.now is not None  # noqa: S101 -- only what is resolved has no verdict now
    counts = change.state in FAILING or not only_new
    found = made(change.now, state=change.state, before=change.before, causes=change.causes, counts=counts)
    cause = next((one for one in change.causes if one.file is not None), None)
    if cause is None:
        return found
    return replace(found, path=where.below_logs(cause.file), line=cause.line)


def verdict_of(record: Record) -> Verdict:
    """Make a verdict of its record."""
    known = {name: record.get(name) for name in Verdict._fields} | {"mend": record.get("mend") or ""}
    place = record.get("where") or {}
    own = {"where_file": place.get("file"), "where_line": place.get("line"), "on_unknown": "fail", "would_pass": ()}
    return Verdict(**known | own)


def said(verdict: Verdict, subject: str = "") -> str:
    """Say what was found, with the verdict in front where the message does not begin with it."""
    lead = f"{verdict.verdict}: "
    message = verdict.message.removeprefix(lead)
    return f"{lead}{subject}{': ' if subject else ''}{message}"


def change_words(one: Finding) -> str:
    """Say what a figure was and by how much it moved; nothing where there is nothing to compare."""
    before, now = one.before, one.verdict
    if before is None or one.is_resolved:
        return ""
    if before["verdict"] not in {now.verdict, "pass"} or before["value"] is None or now.value is None:
        return f"was {before['verdict'].replace('_', ' ')}" if before["verdict"] != now.verdict else ""
    if before["unit"] != now.unit:
        return ""
    return moved(before["value"], now.value, now.unit)


def moved(before: float, now: float, unit: str | None) -> str:
    """Write a figure before, and the change since."""
    change = EXACT.subtract(Decimal(repr(now)), Decimal(repr(before)))
    if not change:
        return f"as before: {format_quantity(before, unit or '1')}"
    sign = "+" if change > 0 else "-"
    return f"was {format_quantity(before, unit or '1')}, {sign}{format_quantity(abs(change), unit or '1')}"


def cause_words(one: Finding) -> str:
    """Name the runs that moved a budget, the largest first."""
    parts = []
    for cause in one.causes[:MOST_CAUSES]:
        added = "unknown" if cause.value is None else format_quantity(cause.value, cause.unit)
        if cause.before is not None and cause.value is not None:
            added = f"{added}, {moved(cause.before, cause.value, cause.unit)}"
        parts.append(f"{plain(cause.run_id)} ({added})")
    more = len(one.causes) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")
