"""Compare a judgement with that of a base: what is new, worse, unchanged, better or resolved.

A finding is a verdict that is no pass; it is the same one on both sides where policy and subject are the same.
Pure: both judgements are there already, however they were made (green.review).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from green.policy.judge import VERDICTS, exit_code
from green.symbols import EXACT, BadQuantity
from green.units import convert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from green.policy.judge import Judgement, Verdict

Record = dict[str, Any]  # a verdict as `verdicts.json` has it
Key = tuple[str, str]  # policy and subject

NEW, WORSE, UNCHANGED, BETTER, RESOLVED = STATES = ("new", "worse", "unchanged", "better", "resolved")
FAILING = (NEW, WORSE)  # what `--fail-on new` looks at
_SILENT = ("pass", "not_applicable")
_RANK = {name: rank for rank, name in enumerate(VERDICTS)}  # the worst is 0
_UNBOUNDED = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Base:
    """What is compared with: its name for people, its digest where it has one, and its verdicts."""

    name: str
    digest: str | None
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """A run that moved a budget: what it adds now and added before, and where it is written; None is unknown."""

    run_id: str
    value: float | None
    before: float | None
    unit: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A finding of either side; `now` is missing where it was resolved, `before` where it is new."""

    state: str
    now: Verdict | None
    before: Record | None
    causes: tuple[Cause, ...] = ()

    @property
    def key(self) -> Key:
        """Return policy and subject."""
        if self.now is not None:
            return self.now.policy, self.now.subject
        record = self.before or {}
        return record["policy"], record["subject"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every finding of both sides with its state, in the order of policy and subject, and notes for people."""

    base: Base
    changes: tuple[Change, ...]
    before: Mapping[Key, Record]  # passes included: what a figure was before
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Return how many findings are in each state."""
        return dict.fromkeys(STATES, 0) | Counter(change.state for change in self.changes)


def compare(judgement: Judgement, base: Base, notes: Iterable[str] = ()) -> Comparison:
    """Pair the findings of a judgement with those of the base."""
    before: dict[Key, list[Record]] = defaultdict(list)
    now: dict[Key, list[Verdict]] = defaultdict(list)
    for record in base.records:
        before[record["policy"], record["subject"]].append(record)
    for verdict in judgement.verdicts:
        now[verdict.policy, verdict.subject].append(verdict)
    changes = []
    for key in sorted(before.keys() | now.keys()):
        # Two verdicts of one key are rare (a run whose id reads like a group): the worst are paired with the worst,
        # so that neither can hide behind the other.
        news = sorted(now[key], key=lambda one: _RANK[one.verdict]) if key in now else []
        olds = sorted(before[key], key=lambda one: _RANK[one["verdict"]]) if key in before else []
        changes += [Change(state, one, was) for one, was in zip_longest(news, olds) if (state := _state(one, was))]
    known = {key: min(records, key=lambda one: _RANK[one["verdict"]]) for key, records in before.items()}
    return Comparison(base, tuple(changes), known, tuple(notes))


def _state(now: Verdict | None, before: Record | None) -> str | None:
    """Tell what became of a finding; None where there is none on either side."""
    is_now = now is not None and now.verdict not in _SILENT
    was = before is not None and before["verdict"] not in _SILENT
    if now is None or before is None or not (is_now and was):
        return NEW if is_now else RESOLVED if was else None
    rank, old_rank = _RANK[now.verdict], _RANK[before["verdict"]]
    if rank != old_rank:
        return WORSE if rank < old_rank else BETTER
    return _moved(now, before)


def _moved(now: Verdict, before: Record) -> str:
    """Compare how far two findings of the same verdict are beyond their bound; what cannot be compared is worse."""
    record = now.record()
    if None in {record["value"], before["value"]}:
        return UNCHANGED if record["value"] == before["value"] else WORSE
    is_down = _is_minimum(record)
    if is_down != _is_minimum(before):
        return WORSE  # the other bound is broken now
    try:
        far, old_far = (
            _beyond(record, record["unit"], is_down=is_down),
            _beyond(before, record["unit"], is_down=is_down),
        )
    except BadQuantity:
        return WORSE
    return UNCHANGED if far == old_far else WORSE if far > old_far else BETTER


def _is_minimum(record: Record) -> bool:
    """Tell whether the limit in question is a minimum: broken below it, in doubt above it."""
    value, limit, verdict = record["value"], record["limit"], record["verdict"]
    if limit is None:
        return False
    return bool((verdict in {"fail", "waived"} and value < limit) or (verdict == "at_risk" and value > limit))


def _beyond(record: Record, unit: str | None, *, is_down: bool) -> tuple[Decimal, ...]:
    """Return how far the figure, and for a doubt the end of its interval, is beyond the limit, in a unit."""

    def exact(number: float) -> Decimal:
        figure = Decimal(repr(number))
        return figure if record["unit"] == unit else convert(figure, record["unit"] or "1", unit or "1")

    limit = exact(record["limit"] or 0.0)
    sign = -1 if is_down else 1
    value = sign * EXACT.subtract(exact(record["value"]), limit)
    if record["verdict"] != "at_risk":
        return (value,)
    end = record["low"] if is_down else record["high"]
    return (value, _UNBOUNDED if end is None else sign * EXACT.subtract(exact(end), limit))


def code(judgement: Judgement, comparison: Comparison | None, *, strict: bool) -> int:
    """Return the exit code; with a comparison only what is new or worse counts."""
    if comparison is None:
        return exit_code(judgement, strict=strict)
    found = tuple(one.now for one in comparison.changes if one.state in FAILING and one.now is not None)
    return exit_code(replace(judgement, verdicts=found), strict=strict)
