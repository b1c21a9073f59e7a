"""Judge facts by policies: a pure function of facts, policies, as-of and the engine's version."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import starmap
from typing import TYPE_CHECKING, Any, NamedTuple

import green
from green.policy import reference
from green.policy.budget_sql import END_US
from green.policy.compile import compile_policy
from green.policy.facts import fetch, prepare
from green.policy.finding import Finding, Moment
from green.policy.load import Loaded, PolicySet
from green.policy.model import BudgetPolicy, Enforcement, OnUnknown
from green.policy.sentence import in_unit, sentence
from green.policy.waive import Settled, Use, cover_by_rows, cover_by_sql, settle
from green.policy.waiver_words import remark, told
from green.policy.waivers import POLICY, TITLE
from green.policy.window import iso, read_as_of
from green.policy.written import recorded, signed
from green.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from green.policy.finding import Mend
    from green.policy.waive import Cover

# The order of a roll-up: the worst first.
VERDICTS = ("error", "fail", "unknown", "at_risk", "warn", "waived", "pass", "not_applicable")


class Verdict(NamedTuple):
    """One verdict for one subject of one policy, as `verdicts.json` has it."""

    policy: str
    title: str
    subject: str
    verdict: str
    enforcement: str
    metric: str | None
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    unit: str | None
    reason: str | None
    message: str
    mend: str
    where_file: str | None
    where_line: int | None
    on_unknown: str  # not part of the record: it decides the exit code
    waiver: str | None = None
    would_pass: tuple[Mend, ...] = ()  # beside the verdict, like its place: no digest depends on it

    def record(self) -> dict[str, Any]:
        """Return the verdict as a JSON object with the keys of the contract, in their order."""
        return {
            "policy": self.policy,
            "title": self.title,
            "subject": self.subject,
            "verdict": self.verdict,
            "enforcement": self.enforcement,
            "metric": self.metric,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "limit": self.limit,
            "unit": self.unit,
            "reason": self.reason,
            "message": self.message,
            "mend": self.mend,
            "waiver": self.waiver,
            "where": {"file": self.where_file, "line": self.where_line},
            **({"would_pass": [one._asdict() for one in self.would_pass]} if self.would_pass else {}),
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """All verdicts, sorted by policy and subject; what selected nothing stands apart in `idle`."""

    as_of: str | None
    digest: str
    summary: dict[str, int]
    verdicts: tuple[Verdict, ...]  # all; but for known passes, where the lines of an earlier check were taken
    idle: tuple[Verdict, ...]
    lines: tuple[str, ...]  # every verdict as `verdicts.json` has it
    policy_digest: str
    no_history: bool

    @property
    def worst(self) -> str:
        """Return the roll-up of all verdicts."""
        return next((name for name in VERDICTS if self.summary[name]), "not_applicable")


def judge(
    connection: DuckDBPyConnection, policies: PolicySet, *, as_of: str = "latest", no_history: bool = False
) -> Judgement:
    """Judge the relations `fact` and `unit` by the compiled SQL of each policy."""
    moment = moment_of(connection, as_of, no_history=no_history)
    prepare(connection)

    def compiled(loaded: Loaded) -> list[Finding]:
        rows = connection.execute(compile_policy(loaded, moment)).fetchall()
        return list(starmap(Finding, rows))  # the columns of a policy's SQL are the fields, in their order

    return conclude(policies, moment, compiled, cover_by_sql(connection))


def judge_by_reference(
    connection: DuckDBPyConnection, policies: PolicySet, *, as_of: str = "latest", no_history: bool = False
) -> Judgement:
    """Judge the same facts by the reference evaluator: a second opinion, without SQL."""
    moment = moment_of(connection, as_of, no_history=no_history)
    facts, units = fetch(connection)
    evaluate = partial(reference.evaluate, moment=moment, facts=facts, units=units)
    return conclude(policies, moment, evaluate, cover_by_rows(facts))


def moment_of(connection: DuckDBPyConnection, as_of: str, *, no_history: bool) -> Moment:
    """Resolve as-of; `latest` is the latest end among the facts, so that no clock is read."""
    query = f"SELECT min(end_us), max(end_us) FROM (SELECT {END_US} AS end_us FROM fact WHERE is_counted)"
    first, last = connection.execute(query).fetchall()[0]
    return Moment(last if as_of == "latest" else read_as_of(as_of), first, no_history)


def conclude(
    policies: PolicySet, moment: Moment, evaluate: Callable[[Loaded], list[Finding]], cover: Cover
) -> Judgement:
    """Put findings into verdicts, apply waivers, count and sign them."""
    verdicts: list[Verdict] = []
    for loaded in policies.policies:
        verdicts += worded(policies, loaded, evaluate(loaded), moment, cover)
    return sum_up(policies, moment, verdicts)


def worded(
    policies: PolicySet,
    loaded: Loaded,
    findings: list[Finding],
    moment: Moment,
    cover: Cover,
    *,
    is_all: bool = True,
) -> list[Verdict]:
    """Put the findings of a policy into verdicts, and add those about its waivers.

    No finding is one, too, unless there are others that are known already (`is_all` is False).
    """
    frame = _frame(loaded)
    settled, uses = settle(loaded, findings, policies.waivers_of(loaded.policy.id), moment, cover)
    listed = findings or ([_nothing(loaded, moment)] if is_all else [])
    verdicts = [_verdict(frame, finding, moment, settled) for finding in listed]
    return verdicts + [_of_waiver(use, loaded, moment) for use in uses]


def sum_up(
    policies: PolicySet,
    moment: Moment,
    verdicts: list[Verdict],
    passes: int = 0,
    among: Callable[[Sequence[tuple[str, str, str, str]]], list[str]] | None = None,
) -> Judgement:
    """Sort, count and sign verdicts; of further `passes` only lines are known, and `among` puts others between."""
    verdicts.sort(key=lambda one: (one.policy, one.subject, one.verdict))
    listed = tuple(one for one in verdicts if one.verdict != "not_applicable")
    idle = tuple(one for one in verdicts if one.verdict == "not_applicable")
    lines = [recorded(one) for one in listed]
    if among is not None:
        lines = among([(one.policy, one.subject, one.verdict, line) for one, line in zip(listed, lines, strict=True)])
    summary = dict.fromkeys(VERDICTS, 0) | Counter(one.verdict for one in verdicts)
    summary["pass"] += passes
    as_of = None if moment.as_of_us is None else iso(moment.as_of_us)
    parts = {
        "as_of": as_of,
        "engine": green.__version__,
        "no_history": moment.no_history,
        "policies": policies.digest,
    }
    digest = _digest(json.dumps(parts), [*lines, *map(recorded, idle)])
    return Judgement(as_of, digest, summary, listed, idle, tuple(lines), policies.digest, moment.no_history)


def _digest(head: str, lines: list[str]) -> str:
    """Sign lines, a thousand at a time: fifty thousand are 20 MB, and would be touched twice more as one text."""
    signs = sha256(head.encode("ascii"))
    for first in range(0, len(lines), 1000):
        signs.update(("\n" + "\n".join(map(signed, lines[first : first + 1000]))).encode("ascii"))
    return signs.hexdigest()


def _nothing(loaded: Loaded, moment: Moment) -> Finding:
    """Say what it means that no run was found; a budget without history cannot tell."""
    if loaded.policy.must_match:
        return Finding("*", "error", "NO_MATCH", runs=0)
    if isinstance(loaded.policy, BudgetPolicy) and moment.no_history:
        return Finding("*", "unknown", "NO_HISTORY", runs=0)
    return Finding("*", "not_applicable", runs=0)


class _Frame(NamedTuple):
    """What is the same in every verdict of a policy."""

    loaded: Loaded
    policy: str
    title: str
    enforcement: str
    metric: str | None
    limit: float | None
    unit: str | None
    on_unknown: str


def _frame(loaded: Loaded) -> _Frame:
    policy, bounds = loaded.policy, loaded.bounds
    limit = None
    if bounds is not None:
        limit = bounds.max if bounds.max is not None else bounds.min
        limit = limit if limit is not None else bounds.warn_above
    return _Frame(
        loaded=loaded,
        policy=policy.id,
        title=policy.title,
        enforcement=loaded.enforcement.value,
        metric=getattr(policy, "metric", None),
        limit=in_unit(limit, bounds),
        unit=None if bounds is None else bounds.unit,
        on_unknown=loaded.on_unknown.value,
    )


def _verdict(frame: _Frame, finding: Finding, moment: Moment, settled: Mapping[str, Settled]) -> Verdict:
    loaded = frame.loaded
    bounds = loaded.bounds
    is_run = finding.where_file is not None
    verdict, why, waiver = finding.verdict, finding.reason, None
    message = sentence(finding, loaded, moment)
    if finding.subject in settled:
        one = settled[finding.subject]
        message += f"; {remark(one)}"
        if one.outcome in {"waived", "at_risk"}:
            verdict, why, waiver = one.outcome, one.reason, one.granted.waiver.id
    return Verdict(
        policy=frame.policy,
        title=frame.title,
        subject=finding.subject,
        verdict=verdict,
        enforcement=frame.enforcement,
        metric=frame.metric,
        value=in_unit(finding.value, bounds),
        low=in_unit(finding.low, bounds),
        high=in_unit(finding.high, bounds),
        limit=frame.limit,
        unit=frame.unit,
        reason=why,
        message=message,
        mend=_mend(loaded, finding),
        where_file=finding.where_file if is_run else loaded.where.file,
        where_line=finding.where_line if is_run else loaded.where.line or None,
        on_unknown=frame.on_unknown,
        waiver=waiver,
    )


def _of_waiver(use: Use, loaded: Loaded, moment: Moment) -> Verdict:
    """Return the verdict about a waiver itself; one that is exceeded weighs as much as its policy."""
    verdict, why, message = told(use, moment)
    return Verdict(
        policy=POLICY,
        title=TITLE,
        subject=use.granted.waiver.id,
        verdict=verdict,
        enforcement=loaded.enforcement.value,
        metric=None,
        value=None,
        low=None,
        high=None,
        limit=None,
        unit=None,
        reason=why,
        message=message,
        mend="" if why is None else reason(why).mend,
        where_file=use.granted.where.file,
        where_line=use.granted.where.line or None,
        on_unknown=loaded.on_unknown.value,
    )


def _mend(loaded: Loaded, finding: Finding) -> str:
    """Return what to do: for a broken limit the policy's advice, for an unknown figure how to make it known."""
    if finding.verdict in {"unknown", "error"} and finding.reason is not None:
        return reason(finding.reason).mend or loaded.policy.mend
    return loaded.policy.mend


def exit_code(judgement: Judgement, *, strict: bool = False) -> int:
    """Return 0 compliant, 1 broken, 2 (strict) doubtful, 3 where a policy could not be judged."""
    codes = {_code(verdict) for verdict in judgement.verdicts}
    if 3 in codes:  # noqa: PLR2004 -- the exit code of an error, green.errors.UsageError
        return 3
    if 1 in codes:
        return 1
    return 2 if strict and 2 in codes else 0  # noqa: PLR2004 -- the exit code that docs/policies.md lists


def _code(verdict: Verdict) -> int:
    if verdict.verdict == "error":
        return 3
    is_broken = verdict.verdict == "fail" or (verdict.verdict == "unknown" and verdict.on_unknown == OnUnknown.FAIL)
    if is_broken and verdict.enforcement != Enforcement.ADVISORY:
        return 1
    return 2 if is_broken or verdict.verdict in {"unknown", "at_risk", "warn"} else 0
