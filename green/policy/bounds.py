"""The bounds of a policy as exact numbers: in the unit of the facts, or of an intensity as written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from green import units
from green.policy.metrics import CATALOGUE, TIER, Metric
from green.policy.model import AllowPolicy, BudgetPolicy, IntensityPolicy, Limit, Policy, RequirePolicy
from green.symbols import EXACT, factor

MOST = Decimal("1e12")  # a run's figure above this is nonsense, and its sum would overflow DECIMAL(38,18)
_PLACES = Context(prec=60, rounding=ROUND_HALF_UP)


class BadBound(ValueError):  # noqa: N818 -- a mistake of the policy's author, told as a UsageError
    """A bound that does not fit its metric, with its path inside the policy."""

    def __init__(self, path: tuple[str | int, ...], what: str, mend: str) -> None:
        """Keep the path, for the caller knows the lines."""
        super().__init__(what)
        self.path = path
        self.what = what
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of one metric; `unit` is as the policy wrote it, the numbers are in `stored`."""

    max: Decimal | None
    min: Decimal | None
    warn_above: Decimal | None
    stored: str
    unit: str
    # An intensity is (value * up / down) / (amount * per_up / per_down): each side is converted before the
    # division, so that 120 kgCO2e over 3e11 tokens is exactly 0.4 gCO2e/Mtoken.
    scale: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    def ratio(self, value: float, amount: float) -> float:
        """Return an intensity in `stored`; the compiled SQL does the same operations in this order."""
        up, down, per_up, per_down = self.scale
        return (value * up / down) / (amount * per_up / per_down)


def exact(value: Decimal | float) -> Decimal:
    """Round to the eighteen places of DECIMAL(38,18), half away from zero as DuckDB does."""
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    return number.quantize(Decimal("1e-18"), context=_PLACES)


def bounds_of(policy: Policy) -> Bounds | None:
    """Return the bounds of a limit, budget or intensity; None for the other kinds."""
    if isinstance(policy, AllowPolicy | RequirePolicy):
        return None
    metric = CATALOGUE[policy.metric]
    if not metric.unit:
        raise BadBound(("metric",), f"{metric.name} is a rank, not a number", "use kind: require with at_least")
    if isinstance(policy, IntensityPolicy):
        return _intensity(policy, metric)
    if isinstance(policy, BudgetPolicy):
        _check_budget(policy, metric)
    return _of_metric(policy.limit, metric, ("limit",))


def check_bounds(policy: Policy) -> None:
    """Refuse a requirement whose bound does not fit its metric."""
    if not isinstance(policy, RequirePolicy):
        return
    for index, check in enumerate(policy.all):
        if check.metric is not None and check.metric != TIER:
            _of_metric(Limit(max=check.max, min=check.min), CATALOGUE[check.metric], ("all", index))


def _of_metric(limit: Limit, metric: Metric, path: tuple[str | int, ...]) -> Bounds:
    found = read(limit, metric.unit, metric.unit, path)
    for key in ("max", "min", "warn_above"):
        check_share(metric, getattr(found, key), (*path, key))
    return found


def check_share(metric: Metric, number: Decimal | None, path: tuple[str | int, ...]) -> None:
    """Refuse a share of more than the whole: it is a forgotten percent sign, and nothing would exceed it."""
    if metric.dimension == "share" and number is not None and number > 1:
        raise BadBound(path, f"{metric.name} is a share and at most 100 %", f'did you mean "{number:f} %"?')


def read(limit: Limit, expected: str, stored: str, path: tuple[str | int, ...]) -> Bounds:
    """Read the bounds of a limit, and check that they make sense together."""
    raw = next(raw for raw in (limit.max, limit.min, limit.warn_above) if raw is not None)
    upper = bound(limit.max, expected, (*path, "max"))
    lower = bound(limit.min, expected, (*path, "min"))
    is_share = isinstance(limit.warn_above, str) and limit.warn_above.endswith("%") and expected != "1"
    if is_share:
        if upper is None:
            raise BadBound((*path, "warn_above"), "a share of max, without a max", "write max, or a quantity")
        share = bound(limit.warn_above, "1", (*path, "warn_above")) or Decimal(0)
        warn: Decimal | None = EXACT.multiply(upper, share)
    else:
        warn = bound(limit.warn_above, expected, (*path, "warn_above"))
    if upper is not None and warn is not None and warn > upper:
        raise BadBound((*path, "warn_above"), "warns above the limit itself", "write less than max")
    if upper is not None and lower is not None and lower > upper:
        raise BadBound((*path, "min"), "min is above max", "nothing could pass: swap them")
    return Bounds(upper, lower, warn, stored, _written(raw, stored))


def _written(raw: object, stored: str) -> str:
    unit = units.unit_of(raw)
    return stored if unit == "1" else unit


def bound(raw: object, unit: str, path: tuple[str | int, ...]) -> Decimal | None:
    """Read one bound in `unit`: a finite number that is not negative, without a tolerance."""
    if raw is None:
        return None
    try:
        found = units.parse(raw, unit)
    except units.BadQuantity as error:
        raise BadBound(path, error.what, error.mend) from error
    if found.low is not None:
        raise BadBound(path, "a limit has no tolerance", "write one number")
    if found.value > MOST:
        raise BadBound(path, "beyond what a ledger can hold", f"at most 1e12 {unit}")
    return found.value


def _check_budget(policy: BudgetPolicy, metric: Metric) -> None:
    if not metric.is_additive:
        raise BadBound(("metric",), f"{metric.name} cannot be summed", "use kind: limit, for each run")
    if policy.limit.min is not None:
        raise BadBound(("limit", "min"), "a budget has no minimum", "write max")


def _intensity(policy: IntensityPolicy, metric: Metric) -> Bounds:
    """Read bounds per functional unit; they are kept in the unit of the first one written."""
    if not metric.is_additive:
        raise BadBound(("metric",), f"{metric.name} per unit makes no sense", "use kind: limit")
    stored = f"{metric.unit}/{policy.per}"
    limit = policy.limit
    key, raw = next((key, raw) for key in ("max", "min", "warn_above") if (raw := getattr(limit, key)) is not None)
    bound(raw, stored, ("limit", key))  # first against the metric, so that a mistake names its dimension
    unit = units.unit_of(raw)
    above, _, below = unit.partition("/")
    up, down = factor(metric.unit, above)
    per_up, per_down = factor(policy.per, below)
    found = read(limit, unit, unit, ("limit",))
    scale = (float(up), float(down), float(per_up), float(per_down))
    return Bounds(found.max, found.min, found.warn_above, unit, unit, scale)
