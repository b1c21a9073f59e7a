"""Find the line that holds the number of a finding: of the record, the plan or the log that states it.

A run as a whole points at its first line. What is over a limit stands further down: at `energy: total`, at the
power of a device, at the region, or in the row of another tool's table.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from green.policy.model import AllowPolicy, IntensityPolicy, RequirePolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

    from green.policy.judge import Verdict
    from green.policy.load import Loaded, PolicySet

ENERGY, EMBODIED = "energy", "embodied"  # numbers that the store itself traces to a place
_OF_METRIC = {"carbon.embodied": (EMBODIED,), "time.duration": ("duration", "ended_at", "started_at")}
_OF_FIELD = {
    "region": ("site.region",),
    "site": ("site.name",),
    "hardware": ("hardware",),
    "method": (ENERGY,),
    "quality_tier": (ENERGY,),
    "duration_s": ("duration",),
}
_OF_REASON = {
    "NO_PUE": ("site.pue", "site"),
    "NO_FACTOR": ("site.region", "site"),
    "NO_HARDWARE": ("hardware",),
    "UNKNOWN_DEVICE": (EMBODIED, "hardware"),
}


class Place(NamedTuple):
    """A file below logs, and its line."""

    file: str
    line: int


class Places:
    """The places of what the newest facts of some runs say; a run that stands nowhere else has none here."""

    def __init__(self, con: duckdb.DuckDBPyConnection, run_ids: Iterable[str]) -> None:
        """Read what the store knows of these runs, each table once."""
        con.execute(
            "CREATE OR REPLACE TEMP TABLE sought AS SELECT run_id, seq, where_file, facts FROM run SEMI JOIN ("
            "SELECT run_id, max(seq) AS seq FROM run SEMI JOIN (SELECT unnest($runs) AS run_id) USING (run_id)"
            " GROUP BY run_id) USING (run_id, seq)",
            {"runs": sorted(set(run_ids))},
        )
        self._lines: dict[str, tuple[str, dict[str, int]]] = {
            run_id: (file, json.loads(lines or "{}"))
            for run_id, file, lines in con.execute(
                "SELECT run_id, where_file, json_extract(facts, '$.lines')::VARCHAR FROM sought"
            ).fetchall()
        }
        self._energy = _first(
            con.execute(
                "SELECT run_id, answer, origin, method, file, line FROM energy SEMI JOIN sought USING (run_id, seq)"
                " WHERE is_counted AND energy_kwh IS NOT NULL ORDER BY energy_kwh DESC, answer"
            ).fetchall()
        )
        self._embodied = _first(
            con.execute(
                "SELECT run_id, device_id, file, line FROM embodied SEMI JOIN sought USING (run_id, seq)"
                " ORDER BY reason IS NULL, embodied_kgco2e DESC NULLS FIRST, device_id"
            ).fetchall()
        )

    def of(self, run_id: str, keys: Sequence[str]) -> Place | None:
        """Return the place of the first key that is known, or None: then the run as a whole is the place."""
        file, lines = self._lines.get(run_id, ("", {}))
        for key in keys:
            found = {ENERGY: self._energy_place, EMBODIED: self._embodied_place}.get(key)
            place = found(run_id) if found else Place(file, lines[key]) if key in lines else None
            if place is not None:
                return place
        return None

    def _energy_place(self, run_id: str) -> Place | None:
        """Return where the largest counted answer is stated; what was metered is a whole log, and has no line."""
        answer, origin, method, file, line = self._energy.get(run_id, (None, None, None, None, None))
        if origin == "hardware":
            return self.of(run_id, (f"{answer}.average_power", f"{answer}.rated_power", str(answer)))
        is_stated = origin == "energy" or (origin == "log" and method not in {"sampled", "counter", None})
        return Place(str(file), int(line)) if is_stated and file is not None and line else None

    def _embodied_place(self, run_id: str) -> Place | None:
        device, file, line = self._embodied.get(run_id, (None, None, None))
        if device is None:
            return None
        return self.of(run_id, (f"{device}.embodied", str(device))) or (Place(file, line) if file and line else None)


def _first(rows: Iterable[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Keep the first row of each run."""
    kept: dict[str, tuple[Any, ...]] = {}
    for run_id, *rest in rows:
        kept.setdefault(run_id, tuple(rest))
    return kept


def keys_of_metric(metric: str) -> tuple[str, ...]:
    """Return what holds the number of a metric: most figures come from the energy."""
    return _OF_METRIC.get(metric, (ENERGY,))


def _keys(loaded: Loaded, verdict: Verdict) -> tuple[str, ...]:
    """Return what a finding of a policy is about, the nearest first."""
    policy = loaded.policy
    if isinstance(policy, AllowPolicy):
        return _OF_FIELD.get(policy.field, (policy.field,))
    if isinstance(policy, RequirePolicy):
        named = [one.metric for one in policy.all if one.metric and f"{one.metric} " in verdict.message]
        return keys_of_metric(named[0]) if named else ()
    nearest = _OF_REASON.get(verdict.reason or "", ())
    if isinstance(policy, IntensityPolicy) and verdict.reason in {"ZERO_DENOMINATOR", "MISSING_FIELD"}:
        nearest = (f"functional_units.{policy.per}", "functional_units")
    return (*nearest, *keys_of_metric(policy.metric))


def placed(con: duckdb.DuckDBPyConnection, policies: PolicySet, verdicts: Sequence[Verdict]) -> dict[Verdict, Verdict]:
    """Return the findings about runs whose number stands somewhere else than at the run's first line."""
    known = {loaded.policy.id: loaded for loaded in policies.policies}
    found = [
        one
        for one in verdicts
        if one.verdict != "pass" and one.policy in known and not _is_of_policy(one, known[one.policy])
    ]
    if not found:
        return {}
    places = Places(con, (one.subject for one in found))
    moved = {}
    for one in found:
        place = places.of(one.subject, _keys(known[one.policy], one))
        if place is not None and place != (one.where_file, one.where_line):
            moved[one] = one._replace(where_file=place.file, where_line=place.line)
    return moved


def _is_of_policy(verdict: Verdict, loaded: Loaded) -> bool:
    """Tell whether a verdict points at its policy: that of a budget's group does, that of a run does not."""
    return (verdict.where_file, verdict.where_line) == (loaded.where.file, loaded.where.line or None)
