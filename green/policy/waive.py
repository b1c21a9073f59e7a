"""Apply waivers to what an evaluator found: one pure rule after the finding, the same for both evaluators.

A waiver raises a limit, so what failed, or may have, is judged again by the raised one. What is unknown
stays unknown: nobody can tell that it is below a ceiling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from green.policy.logic import as_floats, compared, exact_bounds, selects
from green.policy.model import AllowPolicy, BudgetPolicy, Select
from green.policy.sql import listed, matched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from green.policy.facts import Row
    from green.policy.finding import Finding, Moment
    from green.policy.load import Loaded
    from green.policy.model import Policy
    from green.policy.waivers import Granted

    # For each of these subjects that a waiver covers: whether it covers all of it (a list may accept a part).
    Cover = Callable[[Loaded, Granted, Sequence[str]], Mapping[str, bool]]

BREAKS = ("fail", "at_risk")  # what a waiver can help
_RANK = {"waived": 0, "at_risk": 1, "unknown": 2, "exceeded": 3}


class Settled(NamedTuple):
    """What a waiver makes of one finding: its outcome, and the reason of what stays doubtful."""

    granted: Granted
    outcome: str  # waived, at_risk, unknown, exceeded; or of one that is not valid: early, expired, undated
    reason: str | None = None


@dataclass(slots=True)
class Use:
    """What became of one waiver: the subjects that it covers and that need one, and those beyond its ceiling."""

    granted: Granted
    state: str
    needed: list[str] = field(default_factory=list)
    exceeded: list[str] = field(default_factory=list)


def settle(
    loaded: Loaded, findings: Sequence[Finding], waivers: Sequence[Granted], moment: Moment, cover: Cover
) -> tuple[dict[str, Settled], list[Use]]:
    """Return what waivers make of the findings of a policy, by subject, and the use of each waiver."""
    uses = [Use(one, one.state(moment.as_of_us)) for one in waivers]
    broken = [one for one in findings if one.verdict in BREAKS]
    settled: dict[str, Settled] = {}
    if not uses or not broken:
        return settled, uses
    subjects = [one.subject for one in broken]
    covered = [cover(loaded, use.granted, subjects) for use in uses]
    for finding in broken:
        found = []
        for use, covers in zip(uses, covered, strict=True):
            if finding.subject in covers:
                use.needed.append(finding.subject)
                found.append((use, _outcome(loaded, finding, use.granted, moment, is_whole=covers[finding.subject])))
        if found:
            settled[finding.subject] = _best(finding.subject, found)
    return settled, uses


def _best(subject: str, found: Sequence[tuple[Use, Settled]]) -> Settled:
    """Choose the waiver that helps most, of equals the first by id; one that is not valid does not help."""
    valid = [(use, one) for use, one in found if use.state == "valid"]
    if not valid:
        use, one = found[0]
        return Settled(one.granted, use.state)
    best = min((one for _, one in valid), key=lambda one: _RANK[one.outcome])
    if best.outcome == "exceeded":
        for use, _ in valid:
            use.exceeded.append(subject)
    return best


def _outcome(loaded: Loaded, finding: Finding, granted: Granted, moment: Moment, *, is_whole: bool) -> Settled:
    """Judge a finding by the bounds of a waiver."""
    if granted.bounds is None:
        return Settled(granted, "waived" if is_whole else "exceeded")
    is_budget = isinstance(loaded.policy, BudgetPolicy)
    bounds = exact_bounds(granted.bounds) if is_budget else as_floats(granted.bounds)
    verdict, reason = compared(bounds, (finding.value, finding.low, finding.high))
    if verdict == "fail":
        return Settled(granted, "exceeded")
    if is_budget and (finding.unknown_runs or moment.no_history):
        return Settled(granted, "unknown")
    return Settled(granted, "waived" if verdict == "pass" else verdict, reason)


def cover_by_sql(connection: DuckDBPyConnection) -> Cover:
    """Find what waivers cover among the facts of a connection."""

    def cover(loaded: Loaded, granted: Granted, subjects: Sequence[str]) -> Mapping[str, bool]:
        policy = loaded.policy
        if isinstance(policy, BudgetPolicy):
            return _groups(policy, granted, subjects)
        rows = connection.execute(
            f"SELECT run_id, {_whole_sql(policy, granted)} FROM fact"
            " WHERE is_current AND is_counted AND status IS DISTINCT FROM 'planned'"
            f" AND run_id IN (SELECT unnest($subjects)) AND {_matched_sql(granted)}",
            {"subjects": list(subjects)},
        ).fetchall()
        return dict(rows)

    return cover


def cover_by_rows(facts: Sequence[Row]) -> Cover:
    """Find what waivers cover among rows, in plain Python: the second opinion."""

    def cover(loaded: Loaded, granted: Granted, subjects: Sequence[str]) -> Mapping[str, bool]:
        policy = loaded.policy
        if isinstance(policy, BudgetPolicy):
            return _groups(policy, granted, subjects)
        wanted, named = set(subjects), granted.waiver.select.subject
        select = Select.model_validate(granted.waiver.select.model_dump(exclude={"subject"}))
        return {
            row["run_id"]: _is_whole(policy, granted, row)
            for row in facts
            if row["run_id"] in wanted
            and (named is None or row["run_id"] in named)
            and row["is_current"]
            and row["is_counted"]
            and row["status"] != "planned"
            and selects(select, row) is True
        }

    return cover


def _matched_sql(granted: Granted) -> str:
    select = granted.waiver.select
    named = f"run_id IN {listed(select.subject)}" if select.subject is not None else "TRUE"
    return f"{named} AND coalesce({matched(select)}, FALSE)"


def _whole_sql(policy: Policy, granted: Granted) -> str:
    """Write whether a waiver accepts every name that the list of a policy refuses."""
    if not isinstance(policy, AllowPolicy):
        return "TRUE"
    names = listed([*policy.allow, *(granted.waiver.accept or ())])
    if policy.field == "hardware":
        return f"len(list_filter(hardware, lambda item: coalesce(item, '') NOT IN {names})) = 0"
    return f"coalesce({policy.field} IN {names}, FALSE)"


def _is_whole(policy: Policy, granted: Granted, row: Row) -> bool:
    if not isinstance(policy, AllowPolicy):
        return True
    value = row[policy.field]
    names = {*policy.allow, *(granted.waiver.accept or ())}
    return all(item in names for item in (value if isinstance(value, list) else [value]))


def _groups(policy: BudgetPolicy, granted: Granted, subjects: Sequence[str]) -> dict[str, bool]:
    """Find the groups of a budget that a waiver covers, by the fields that their subject names."""
    select = granted.waiver.select
    return {
        subject: True
        for subject in subjects
        if (select.subject is None or subject in select.subject)
        and all(_fields(policy, subject).get(name) in values for name, values in select.fields().items())
    }


def _fields(policy: BudgetPolicy, subject: str) -> dict[str, str]:
    """Read the fields of a group out of its subject; finding.escaped wrote them."""
    parts, part, is_escaped = [], "", False
    for char in subject:
        if is_escaped or char not in "\\,":
            part, is_escaped = part + char, False
        elif char == "\\":
            is_escaped = True
        else:
            parts.append(part)
            part = ""
    # the run of an error has a subject without fields
    return dict(zip(policy.group_by, (one.partition("=")[2] for one in [*parts, part]), strict=False))
