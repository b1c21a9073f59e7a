"""The watch over a budget while a run runs: energy goes in, and what is to be done comes out."""

from __future__ import annotations

from dataclasses import dataclass

WARN, OVER = "warn", "over"
SMALLER = {"kWh": "Wh", "kgCO2e": "gCO2e", "L": "mL"}


def quantity(value: float, unit: str) -> str:
    """Write an amount for a person, in the smaller unit where it is below one of the larger."""
    smaller = SMALLER.get(unit)
    return f"{value * 1000:.3g} {smaller}" if smaller and 0 < abs(value) < 1 else f"{value:.4g} {unit}"


@dataclass(frozen=True, slots=True)
class Guard:
    """One policy that the run is held to, as it stands when the run starts."""

    policy: str
    title: str
    metric: str
    unit: str
    limit: float
    warn_above: float | None  # in `unit`, exclusive
    used: float  # by other runs of its group and window; 0 for a limit of a run
    per_kwh: float  # in `unit`, for each kWh at the devices
    subject: str = ""  # the group of a budget, such as team=nlp


@dataclass(frozen=True, slots=True)
class Decision:
    """A guard was reached: `warn` or `over`, by `value` of its unit."""

    kind: str
    guard: Guard
    value: float

    def words(self) -> str:
        """Say it to a person."""
        guard = self.guard
        whom = f" ({guard.subject})" if guard.subject else ""
        lead = f"{guard.policy}{whom} {'is used up' if self.kind == OVER else 'warns'}"
        share = f" is {self.value / guard.limit:.0%} of" if guard.limit else ", and"
        used = f", {quantity(guard.used, guard.unit)} by others" if guard.used else ""
        return (
            f"{lead}: {quantity(self.value, guard.unit)}{share} the limit of"
            f" {quantity(guard.limit, guard.unit)} ({guard.metric}{used})"
        )


class Watch:
    """Tells once a guard that its share is reached, and once that its limit is broken."""

    def __init__(self, guards: list[Guard], warn_at: float | None = None) -> None:
        """Watch guards; `warn_at` is a share of each limit, above which it warns instead of where its policy says."""
        self.guards = guards
        self._warn_above = [g.warn_above if warn_at is None else warn_at * g.limit for g in guards]
        self._told: set[tuple[str, int]] = set()

    def see(self, energy_kwh: float) -> list[Decision]:
        """Return what is new at this energy of the run, at its devices."""
        found: list[Decision] = []
        for number, (guard, warn_above) in enumerate(zip(self.guards, self._warn_above, strict=True)):
            value = guard.used + guard.per_kwh * energy_kwh
            if value > guard.limit:
                kind = OVER
            elif warn_above is not None and value > warn_above:
                kind = WARN
            else:
                continue
            if (kind, number) not in self._told:
                self._told.update({(kind, number), (WARN, number)})
                found.append(Decision(kind, guard, value))
        return found
