"""Put waivers into words: what one does to a finding, and what is to be said about the waiver itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.policy.window import iso
from green.units import convert, format_quantity

if TYPE_CHECKING:
    from green.policy.finding import Moment
    from green.policy.waive import Settled, Use
    from green.policy.waivers import Granted

MOST_NAMED = 3


def ceiling(granted: Granted) -> str:
    """Write how far a waiver goes."""
    waiver, bounds = granted.waiver, granted.bounds
    if bounds is None:
        return f"for {', '.join(waiver.accept or ())}"
    parts = []
    if waiver.max is not None and bounds.max is not None:
        parts.append(f"up to {format_quantity(convert(bounds.max, bounds.stored, bounds.unit), bounds.unit)}")
    if waiver.min is not None and bounds.min is not None:
        parts.append(f"down to {format_quantity(convert(bounds.min, bounds.stored, bounds.unit), bounds.unit)}")
    return " and ".join(parts)


def remark(settled: Settled) -> str:
    """Say what a waiver does to a finding, to be read after its sentence."""
    waiver = settled.granted.waiver
    name, far = f"waiver {waiver.id}", ceiling(settled.granted)
    said = {
        "waived": f"waived by {waiver.id} {far} until {waiver.expires} (approved by {waiver.approved_by})",
        "at_risk": f"{name} holds {far}, and its interval may go beyond",
        "unknown": f"{name} holds {far}, but what cannot be counted may go beyond",
        "exceeded": f"{name} holds {far} and no further",
        "early": f"{name} is not valid before {waiver.issued}",
        "expired": f"{name} expired on {waiver.expires}",
        "undated": f"{name} needs a time of judgement, and no fact has one",
    }
    return said[settled.outcome]


def told(use: Use, moment: Moment) -> tuple[str, str | None, str]:
    """Return verdict, reason and sentence about a waiver itself."""
    waiver, far = use.granted.waiver, ceiling(use.granted)
    as_of = "" if moment.as_of_us is None else f" (as of {iso(moment.as_of_us)})"
    needed = f"; {_named(use.needed)} would need it" if use.needed else ""
    if use.exceeded:
        return "fail", "WAIVER_EXCEEDED", f"{_named(use.exceeded)} went beyond it: it holds {far}"
    if use.state == "expired":
        return "warn", "WAIVER_EXPIRED", f"expired on {waiver.expires}{as_of}{needed}"
    if use.state == "early":
        return "warn", "WAIVER_EARLY", f"is not valid before {waiver.issued}{as_of}{needed}"
    if use.state == "undated":
        return "warn", "WAIVER_UNDATED", f"is judged without a time: nobody can tell whether it is valid{needed}"
    if not use.needed:
        return "warn", "WAIVER_UNUSED", f"covers nothing that breaks {waiver.policy}"
    return "pass", None, f"covers {_named(use.needed)} {far} until {waiver.expires}"


def _named(subjects: list[str]) -> str:
    more = len(subjects) - MOST_NAMED
    return ", ".join(sorted(subjects)[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
