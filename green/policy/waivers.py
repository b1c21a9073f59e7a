"""Waivers: who may exceed a limit, up to which ceiling, and until when.

A waiver raises a limit and never removes it; it has an owner, another person who approved it, and a last day.
They stand in `waivers.yaml`, apart from the policies, so that CODEOWNERS can guard that file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from green.errors import UsageError, Where
from green.policy.bounds import BadBound, Bounds, bound, check_share
from green.policy.metrics import CATALOGUE, nearest
from green.policy.model import AllowPolicy, BudgetPolicy, Enforcement, LimitPolicy, Matcher, Part
from green.policy.window import us_of
from green.policy.words import Id, Names, Raw, Text, printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from green.policy.load import Loaded
    from green.policy.model import Policy

    WhereOf = Callable[..., Where]  # the place of a key of the waiver, given the path to it

POLICY = "GRN-WAIVER"  # the policy of findings about waivers themselves; no other may have this id
TITLE = "A waiver is valid, used and kept"
MOST_DAYS = 180
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(text: str) -> str:
    """Let a calendar day through, and nothing that only looks like one."""
    wrong = f'"{text[:40]}" is no day | write it as in 2026-12-31'
    if _DATE.fullmatch(text) is None:
        raise ValueError(wrong)
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(wrong) from error
    return text


Day = Annotated[str, AfterValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Words = Annotated[str, AfterValidator(printable), Field(max_length=1000)]


class Covered(Matcher):
    """What a waiver covers: runs by their fields, groups of a budget by theirs, or subjects as verdicts name them."""

    subject: Names | None = None

    @model_validator(mode="after")
    def _covers_something_named(self) -> Covered:
        if self.subject is None and not self.fields() and not self.labels:
            raise ValueError("a waiver for everything is no waiver | name what it covers, as in {run_id: bert-07}")
        return self


class Waiver(Part):
    """One waiver, as its file says it."""

    id: Id
    policy: Id
    select: Covered
    max: Raw | None = None
    min: Raw | None = None
    accept: Names | None = None
    owner: Text
    approved_by: Text
    reason: Words
    issued: Day
    expires: Day

    @model_validator(mode="after")
    def _is_accountable(self) -> Waiver:
        if self.owner.strip().casefold() == self.approved_by.strip().casefold():
            raise ValueError("owner and approved_by are one person | somebody else has to approve it")
        days = (date.fromisoformat(self.expires) - date.fromisoformat(self.issued)).days
        if days < 0:
            raise ValueError("it expires before it is issued | mend one of the two days")
        if days > MOST_DAYS:
            raise ValueError(f"it is valid for {days} days | at most {MOST_DAYS} after it is issued")
        return self


class WaiverFile(Part):
    """One file of waivers."""

    api_version: Literal["green/v1"] = Field(alias="apiVersion")
    waivers: Annotated[tuple[Waiver, ...], Field(max_length=1000)]


@dataclass(frozen=True, slots=True)
class Granted:
    """A waiver with its place, and with the bounds that hold in the place of the policy's."""

    waiver: Waiver
    where: Where
    bounds: Bounds | None

    def canonical(self) -> dict[str, Any]:
        """Return what the waiver says, as plain JSON values, for the digest and the ledger."""
        return self.waiver.model_dump(mode="json", exclude_none=True)

    def state(self, as_of_us: int | None) -> str:
        """Return "valid", "early", "expired" or, without an as-of, "undated"; both days count whole, in UTC."""
        if as_of_us is None:
            return "undated"
        if as_of_us < _first_us(self.waiver.issued):
            return "early"
        day_after = date.fromisoformat(self.waiver.expires) + timedelta(days=1)
        return "expired" if as_of_us >= _first_us(day_after.isoformat()) else "valid"


def _first_us(day: str) -> int:
    return us_of(datetime.fromisoformat(day).replace(tzinfo=UTC))


def granted(waiver: Waiver, loaded: Loaded | None, known: tuple[str, ...], where: WhereOf) -> Granted:
    """Check a waiver against its policy; `where` gives the place of a key of it."""
    if loaded is None:
        raise UsageError(f'no policy "{waiver.policy}"', where=where("policy"), mend=nearest(waiver.policy, known))
    if loaded.enforcement is Enforcement.HARD_MANDATORY:
        raise UsageError(
            f"{waiver.policy} is hard-mandatory and cannot be waived",
            where=where("policy"),
            mend="remove the waiver, or have the policy's owner make it soft-mandatory",
        )
    _check_select(waiver, loaded.policy, where)
    try:
        bounds = _raised(waiver, loaded)
    except BadBound as error:
        raise UsageError(error.what, where=where(*error.path), mend=error.mend) from error
    return Granted(waiver, where(), bounds)


def _check_select(waiver: Waiver, policy: Policy, where: WhereOf) -> None:
    if not isinstance(policy, BudgetPolicy):
        return
    names = [*waiver.select.fields(), *(["labels"] if waiver.select.labels else [])]
    for name in names:
        if name not in policy.group_by:
            groups = f"its groups have {', '.join(policy.group_by)}" if policy.group_by else "it has no groups"
            raise UsageError(
                f"a budget is waived for a group, and {groups}: {name} selects none",
                where=where("select", name),
                mend=f"select by {' or '.join(policy.group_by)}" if policy.group_by else 'write select: {subject: "*"}',
            )


def _raised(waiver: Waiver, loaded: Loaded) -> Bounds | None:
    """Return the bounds with the waiver's in their place; each has to exist and to be wider."""
    if isinstance(loaded.policy, AllowPolicy):
        _check_accepted(waiver, loaded.policy)
        return None
    bounds = loaded.bounds
    if bounds is None:
        raise BadBound(
            ("policy",),
            f"{waiver.policy} has no bound that could be raised, so that it cannot be waived",
            "write what has to be waivable as a policy of kind limit",
        )
    if waiver.accept is not None:
        raise BadBound(("accept",), f"{waiver.policy} has no list to accept into", "write max, the ceiling")
    if bounds.max is None and bounds.min is None:
        raise BadBound(("policy",), f"{waiver.policy} only warns, so that there is nothing to waive", "remove it")
    if waiver.max is None and waiver.min is None:
        key = "max" if bounds.max is not None else "min"
        raise BadBound((), "no ceiling: a waiver raises a limit, it does not remove it", f"write {key}")
    most = _moved(waiver, "max", bounds.max, bounds.stored)
    least = _moved(waiver, "min", bounds.min, bounds.stored)
    if isinstance(loaded.policy, LimitPolicy):
        check_share(CATALOGUE[loaded.policy.metric], most, ("max",))
    return Bounds(most, least, None, bounds.stored, bounds.unit, bounds.scale)


def _moved(waiver: Waiver, key: str, own: Decimal | None, stored: str) -> Decimal | None:
    """Return a bound of the waiver in the place of the policy's own, which has to be narrower."""
    moved = bound(getattr(waiver, key), stored, (key,))
    if moved is None:
        return own
    if own is None:
        raise BadBound((key,), f"{waiver.policy} has no {key}", "name the bound that the policy has")
    if not (moved > own if key == "max" else moved < own):
        raise BadBound((key,), f"not beyond the {key} of {waiver.policy}", "a waiver widens a bound")
    return moved


def _check_accepted(waiver: Waiver, policy: AllowPolicy) -> None:
    if waiver.max is not None or waiver.min is not None:
        key = "max" if waiver.max is not None else "min"
        raise BadBound((key,), f"{policy.id} allows names, not quantities", "write accept: [the names]")
    if waiver.accept is None:
        raise BadBound((), "nothing is accepted: a waiver widens a list, it does not remove it", "write accept")
    for name in waiver.accept:
        if name in policy.allow:
            raise BadBound(("accept",), f'"{name}" is allowed anyway', "accept what the policy does not allow")
