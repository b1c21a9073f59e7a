"""Put a finding into one sentence with its figures."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from green.policy.finding import NAMED_RUNS
from green.policy.model import AllowPolicy, BudgetPolicy, IntensityPolicy, RequirePolicy
from green.policy.window import after_us, first_us, iso, moment_of
from green.symbols import EXACT
from green.units import convert, format_quantity

if TYPE_CHECKING:
    from green.policy.bounds import Bounds
    from green.policy.finding import Finding, Moment, Number
    from green.policy.load import Loaded

_AHEAD = ("pass", "warn", "at_risk")
REASONS = {
    "MISSING_METRIC": "no figure was found",
    "MISSING_FIELD": "a field is missing",
    "NO_FACTOR": "no factor is known for it",
    "NO_SAMPLES": "no time was covered by samples",
    "NO_PUE": "no PUE is known",
    "NO_HARDWARE": "no hardware is known",
    "UNKNOWN_DEVICE": "a device is not in the catalogue",
    "BAD_UNIT": "a quantity could not be read",
    "ZERO_DENOMINATOR": "nothing was produced to divide by",
    "NON_FINITE": "the figure is not finite",
    "NEGATIVE": "the figure is negative",
    "OUT_OF_RANGE": "the figure is beyond anything physical",
    "NO_HISTORY": "there is no history of earlier runs",
    "DUPLICATE_RUN_ID": "its run_id is used in two places",
}


def in_unit(number: Number | None, bounds: Bounds | None) -> float | None:
    """Convert a figure to the unit that the policy wrote."""
    if number is None or bounds is None:
        return None
    if bounds.stored == bounds.unit:
        return float(number) + 0.0
    return float(convert(_exactly(number), bounds.stored, bounds.unit)) + 0.0  # no minus zero


def _exactly(number: Number) -> Decimal:
    return number if isinstance(number, Decimal) else Decimal(repr(number))


def sentence(finding: Finding, loaded: Loaded, moment: Moment) -> str:
    """Say what was found, with figures, in words that need no policy beside them."""
    policy = loaded.policy
    if finding.verdict == "not_applicable":
        text = "selected no run" + (" in its window" if isinstance(policy, BudgetPolicy) else "")
    elif finding.reason == "NO_MATCH":
        text = "selected no run, although it must match one"
    elif finding.verdict == "error":
        text = f"cannot be judged: {_why(finding.reason)}"
    elif finding.verdict == "unknown":
        text = _unknown(finding, loaded, moment)
    elif isinstance(policy, AllowPolicy):
        found = f"{finding.named} is not" if finding.verdict == "fail" else "is"
        text = f"{policy.field} {found} one of {', '.join(policy.allow)}"
    elif isinstance(policy, RequirePolicy):
        words = {"fail": "does not meet", "at_risk": "may not meet"}.get(finding.verdict)
        text = f"{words}: {finding.named}" if words else "meets every requirement"
    else:
        text = _figures(finding, loaded) + forecast(finding, loaded, moment)
    return text


def _why(reason: str | None) -> str:
    return f"{REASONS[reason]} ({reason})" if reason in REASONS else str(reason)


def _unknown(finding: Finding, loaded: Loaded, moment: Moment) -> str:
    policy = loaded.policy
    if isinstance(policy, BudgetPolicy) and finding.reason == "NO_HISTORY":
        since = "no run" if moment.since_us is None else f"history since {iso(moment.since_us)}"
        known = "" if finding.value is None else f"; {_shown(finding.value, loaded)} are known"
        return f"unknown: judged without a store, {since}{known} (NO_HISTORY)"
    if finding.value is not None:
        names = finding.named + (", …" if finding.unknown_runs > NAMED_RUNS else "")
        return (
            f"unknown: {finding.unknown_runs} of {_runs(finding.runs)} cannot be counted ({names}),"
            f" {_why(finding.reason)}; the rest uses {_shown(finding.value, loaded)} of {_limit(loaded)}"
        )
    if finding.reason == "MISSING_FIELD" and finding.named:
        return f"unknown: {finding.named} is missing ({finding.reason})"
    if isinstance(policy, RequirePolicy):
        return f"unknown: {finding.named}, {_why(finding.reason)}"
    subject = getattr(policy, "metric", "")
    if isinstance(policy, IntensityPolicy) and finding.reason in {"MISSING_FIELD", "ZERO_DENOMINATOR"}:
        return f"unknown: {policy.per}, {_why(finding.reason)}"
    return f"unknown: {subject}, {_why(finding.reason)}"


def _figures(finding: Finding, loaded: Loaded) -> str:
    bounds, value = loaded.bounds, finding.value
    if bounds is None or value is None:
        raise ValueError(f"{loaded.policy.id} has no figure for {finding.subject}")
    shown = _shown(value, loaded)
    lead = f"{_runs(finding.runs)} together: {shown}" if isinstance(loaded.policy, BudgetPolicy) else shown
    number = _exactly(value)
    if finding.verdict == "fail" and bounds.max is not None and (number > bounds.max or bounds.min is None):
        text = f"{lead} is {_over(number, bounds.max, loaded)} over the limit of {_shown(bounds.max, loaded)}"
    elif finding.verdict == "fail":
        text = f"{lead} is under the minimum of {_shown(bounds.min or 0, loaded)}"
    elif finding.verdict == "at_risk":
        text = f"{lead} is within {_limit(loaded)}, but {_doubt(finding, loaded)}"
    elif finding.verdict == "warn" and bounds.warn_above is not None:
        within = f"within {_limit(loaded)} and " if bounds.max is not None else ""
        text = f"{lead} is {within}above the warning of {_shown(bounds.warn_above, loaded)}"
    else:
        text = f"{lead} is within {_limit(loaded)}{_share(number, bounds)}"
    if finding.unknown_runs:
        text += f"; {finding.unknown_runs} more cannot be counted"
    return text + _points(finding)


def forecast(finding: Finding, loaded: Loaded, moment: Moment) -> str:
    """Say where a budget's calendar period would end at its pace; plans count once, for they are no pace.

    Nothing is said in the first tenth of a period, when a day's runs would be a quarter's, nor of a budget that is
    broken or unknown.
    """
    policy, bounds = loaded.policy, loaded.bounds
    if not isinstance(policy, BudgetPolicy) or policy.window.calendar is None or finding.verdict not in _AHEAD:
        return ""
    if moment.as_of_us is None or bounds is None or finding.value is None:
        return ""
    first, after = first_us(policy.window, moment.as_of_us), after_us(policy.window, moment.as_of_us)
    gone, whole = moment.as_of_us - first, after - first
    if gone * 10 < whole:
        return ""
    planned = _exactly(finding.planned or 0)
    paced = EXACT.multiply(EXACT.subtract(_exactly(finding.value), planned), Decimal(whole))
    end = EXACT.add(EXACT.divide(paced, Decimal(gone)), planned)
    text = f"; at this pace {_shown(end, loaded)} by {moment_of(after - 1).date().isoformat()}"
    if bounds.max and end > bounds.max:
        over = EXACT.multiply(EXACT.divide(EXACT.subtract(end, bounds.max), bounds.max), Decimal(100))
        text += f", {format_quantity(over, '%')} over"
    return text


def _points(finding: Finding) -> str:
    if not finding.points:
        return ""
    if finding.runs == 1:
        return "; judged as a point, for no interval is known"
    return f"; {finding.points} of {_runs(finding.runs)} judged as a point, for no interval is known"


def _runs(number: int) -> str:
    return f"{number} run" if number == 1 else f"{number} runs"


def _shown(number: Number, loaded: Loaded) -> str:
    bounds = loaded.bounds
    return "" if bounds is None else _written(number, bounds)


def _written(number: Number, bounds: Bounds) -> str:
    return format_quantity(convert(_exactly(number), bounds.stored, bounds.unit), bounds.unit)


def _limit(loaded: Loaded) -> str:
    """Name the bounds of a policy."""
    bounds = loaded.bounds
    if bounds is None:
        return ""
    return _bounded(bounds)


@lru_cache(maxsize=1024)
def _bounded(bounds: Bounds) -> str:
    """Write the bounds, the same in every sentence of a policy."""
    named = (("the limit", bounds.max), ("the minimum", bounds.min))
    parts = [f"{word} of {_written(number, bounds)}" for word, number in named if number is not None]
    return " and ".join(parts) or f"the warning of {_written(bounds.warn_above or 0, bounds)}"


def _over(number: Decimal, limit: Decimal, loaded: Loaded) -> str:
    excess = EXACT.subtract(number, limit)
    if not limit:
        return _shown(excess, loaded)
    percent = EXACT.multiply(EXACT.divide(excess, limit), Decimal(100))
    return f"{_shown(excess, loaded)} ({format_quantity(percent, '%')})"


def _share(number: Decimal, bounds: Bounds) -> str:
    if not bounds.max or bounds.stored == "1":
        return ""
    percent = EXACT.multiply(EXACT.divide(number, bounds.max), Decimal(100))
    return f" ({format_quantity(percent, '%')} used)"


def _doubt(finding: Finding, loaded: Loaded) -> str:
    bounds = loaded.bounds
    if finding.reason == "NO_UPPER_BOUND":
        return "no upper bound is known (NO_UPPER_BOUND)"
    if finding.reason == "NO_LOWER_BOUND":
        return "no lower bound is known (NO_LOWER_BOUND)"
    most = None if bounds is None else bounds.max
    if most is not None and finding.high is not None and finding.high > most:
        return f"up to {_shown(finding.high, loaded)} is possible"
    return f"as little as {_shown(finding.low or 0, loaded)} is possible"
