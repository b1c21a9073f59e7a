"""The language of policies: five kinds, each a small model that refuses what it does not know."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from green import units
from green.policy.metrics import SELECTABLE, TIER, TIERS
from green.policy.words import (
    FieldName,
    Fields,
    Groups,
    Id,
    Kinds,
    MetricName,
    Names,
    Raw,
    Statuses,
    Text,
    Unit,
)


class Enforcement(StrEnum):
    """What a broken policy does: advise, or stop a gate; only the last cannot be waived."""

    ADVISORY = "advisory"
    SOFT_MANDATORY = "soft-mandatory"
    HARD_MANDATORY = "hard-mandatory"


class OnUnknown(StrEnum):
    """What an unknown value does; it never passes."""

    FAIL = "fail"
    WARN = "warn"


class Part(BaseModel):
    """The base of all parts: unknown keys are mistakes, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)


class Matcher(Part):
    """Fields that a run has to match, all of them; a list means any of its values."""

    run_id: Names | None = None
    project: Names | None = None
    team: Names | None = None
    model: Names | None = None
    kind: Kinds | None = None
    parent: Names | None = None
    status: Statuses | None = None
    region: Names | None = None
    site: Names | None = None
    labels: dict[Text, Names] = {}

    def fields(self) -> dict[str, tuple[str, ...]]:
        """Return the fields that are named, with their accepted values."""
        found = {name: getattr(self, name) for name in SELECTABLE}
        return {name: values for name, values in found.items() if values is not None}


class Select(Matcher):
    """The runs that a policy is about; all runs where it is empty."""

    not_: Matcher | None = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _not_is_not_empty(self) -> Select:
        if self.not_ is not None and not self.not_.fields() and not self.not_.labels:
            raise ValueError("`not` is empty, so that it would leave out every run | name what to leave out")
        return self


class Limit(Part):
    """Bounds: `max` and `min` are inclusive, `warn_above` is exclusive and may be a share of `max`."""

    max: Raw | None = None
    min: Raw | None = None
    warn_above: Raw | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Limit:
        if self.max is None and self.min is None and self.warn_above is None:
            raise ValueError('an empty limit passes everything | write max, as in {max: "50 kWh"}')
        return self


class Window(Part):
    """The time that a budget counts: a rolling length, or the calendar period of as-of (UTC)."""

    rolling: str | None = None
    calendar: Literal["month", "quarter", "year"] | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Window:
        if (self.rolling is None) == (self.calendar is None):
            raise ValueError("a window is rolling or calendar | write one, as in {rolling: 90d}")
        if self.length_us is not None and self.length_us <= 0:
            raise ValueError("a window of no length counts nothing | write its length, as in {rolling: 90d}")
        return self

    @property
    def length_us(self) -> int | None:
        """Return the length of a rolling window in microseconds."""
        return None if self.rolling is None else int(units.parse(self.rolling, "s").value * 1_000_000)


class Count(Part):
    """Which runs count besides completed ones."""

    planned: bool = True
    failed: bool = True


class Check(Part):
    """One requirement: a metric with a bound, a data quality, or fields that have to be there."""

    metric: MetricName | None = None
    min: Raw | None = None
    max: Raw | None = None
    at_least: Literal["measured", "imported", "modelled", "declared"] | None = None
    present: Fields | None = None

    @model_validator(mode="after")
    def _is_one_check(self) -> Check:
        bounded = self.min is not None or self.max is not None
        forms = (
            self.metric == TIER and self.at_least in TIERS and not bounded and self.present is None,
            self.metric not in {None, TIER} and bounded and self.at_least is None and self.present is None,
            self.present is not None and self.metric is None and self.at_least is None and not bounded,
        )
        if not any(forms):
            raise ValueError(
                "not a requirement | write {metric, min}, {metric: quality.tier, at_least} or {present: []}"
            )
        return self


class Common(Part):
    """What every policy has."""

    id: Id
    title: Text
    select: Select = Select()
    enforcement: Enforcement | None = None
    on_unknown: OnUnknown | None = None
    because: str = ""
    mend: str = ""
    must_match: bool = False


class LimitPolicy(Common):
    """Each run stays within bounds."""

    kind: Literal["limit"]
    metric: MetricName
    limit: Limit


class BudgetPolicy(Common):
    """All runs of a group and a window together stay within bounds."""

    kind: Literal["budget"]
    metric: MetricName
    limit: Limit
    window: Window
    group_by: Groups = ()
    count: Count = Count()


class IntensityPolicy(Common):
    """Each run stays within bounds per functional unit."""

    kind: Literal["intensity"]
    metric: MetricName
    per: Unit
    limit: Limit


class AllowPolicy(Common):
    """A field of each run has one of the listed values."""

    kind: Literal["allow"]
    field: FieldName
    allow: Names


class RequirePolicy(Common):
    """Each run meets all requirements on data quality and disclosure."""

    kind: Literal["require"]
    all: Annotated[tuple[Check, ...], Field(min_length=1)]


Policy = LimitPolicy | BudgetPolicy | IntensityPolicy | AllowPolicy | RequirePolicy
KINDS: dict[str, type[Policy]] = {
    "limit": LimitPolicy,
    "budget": BudgetPolicy,
    "intensity": IntensityPolicy,
    "allow": AllowPolicy,
    "require": RequirePolicy,
}


class Bundle(Part):
    """The name and version of a set of policies."""

    id: Id
    version: Text


class Defaults(Part):
    """What holds for policies of the file that do not say it themselves; else soft-mandatory, and unknown fails."""

    enforcement: Enforcement | None = None
    on_unknown: OnUnknown | None = None


class PolicyFile(Part):
    """One file of policies."""

    api_version: Literal["green/v1"] = Field(alias="apiVersion")
    bundle: Bundle
    defaults: Defaults = Defaults()
    policies: Annotated[
        tuple[Annotated[Policy, Field(discriminator="kind")], ...], Field(min_length=1, max_length=1000)
    ]
