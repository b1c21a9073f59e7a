"""What a run that starts now may still use: each policy's limit, what others used of it, and what a kWh of it counts.

The meter asks in a program of its own (`python -m green.allowance`, JSON in and out), for a meter loads no database.
There is no second calculator: a run of 1 kWh goes through the stages, on a copy of the store that is thrown away.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from green import config as configuration
from green import pipeline
from green.audit import store
from green.check import facts
from green.errors import GreenError, InputError, UsageError
from green.explain.facts import rows
from green.explain.policy import explain_policy
from green.policy.load import load
from green.policy.metrics import CATALOGUE, nearest
from green.policy.model import BudgetPolicy, LimitPolicy
from green.review import Review

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from green.config import Config
    from green.policy.load import Loaded, PolicySet

ALL = "all"
# What grows with a run's energy alone. Of the whole carbon it is the part of use: what the hardware cost comes on top.
LINEAR = ("energy.it", "energy.facility", "carbon.operational", "water.onsite", "water.offsite", "water.total")
PARTLY = {"carbon.total": "carbon.operational"}


def allowance(
    config: Config, record: Mapping[str, object], run_id: str, named: Sequence[str], source: str
) -> dict[str, Any]:
    """Return the guards of a run, the policies that cannot guard it with the reason, and what a kWh of it counts."""
    policies = load(Path(config.policies), shown=os.path.relpath(config.policies))
    wanted = _chosen(policies, named)
    with TemporaryDirectory(prefix="green-allowance-") as temp:
        folder = Path(temp) / "logs" / source
        folder.mkdir(parents=True)
        now = pipeline.resolved("now")
        probe = {
            **record,
            "run_id": run_id,
            "status": "completed",
            "started_at": now,
            "ended_at": now,
            "energy": {"total": "1 kWh", "basis": "device"},
        }
        (folder / "run.json").write_text(json.dumps(probe), encoding="utf-8")
        review = Review(config, policies, Path(temp) / "work")
        _, published = review.head(Path(temp) / "logs", now)
        earlier = _earlier(Path(config.store), run_id)
        with store.reader(published) as con:
            facts(con)
            return _allowed(con, policies, wanted, run_id, now, earlier, has_history=not review.no_history)


def _chosen(policies: PolicySet, named: Sequence[str]) -> list[Loaded]:
    """Return the policies that were named; with `all`, those that bound a sum from above."""
    if ALL in named:
        kinds = (LimitPolicy, BudgetPolicy)
        return [one for one in policies.policies if isinstance(one.policy, kinds)]
    known = {one.policy.id: one for one in policies.policies}
    for name in named:
        if name not in known:
            raise UsageError(f"--budget: no policy {name!r}", mend=nearest(name, tuple(known)))
    return [known[name] for name in dict.fromkeys(named)]


def _earlier(history: Path, run_id: str) -> Mapping[str, Any] | None:
    """Return what the store has of this run already, which was cut and goes on; its plan used nothing."""
    if not history.exists():
        return None
    query = "SELECT * FROM runs WHERE run_id = $run_id AND status IS DISTINCT FROM 'planned'"
    with store.reader(history) as con:
        return next(iter(rows(con, query, run_id=run_id)), None)


def _before(earlier: Mapping[str, Any] | None, metric: str, linear: str) -> float | None:
    """Return what the run used before: of a metric that is watched in part at least that part, None where unknown."""
    if earlier is None:
        return 0.0
    known = (earlier[CATALOGUE[name].column] for name in (metric, linear))
    return next((one for one in known if one is not None), None)


def _codes(row: Mapping[str, Any] | None, metric: str) -> list[str]:
    """Return why a metric of a run is unknown."""
    told = [] if row is None else row["unknown_reasons"]
    return [code for code in told if code in CATALOGUE[metric].reasons] or ["MISSING_METRIC"]


def _allowed(  # noqa: PLR0913 -- what a guard is made of
    con: duckdb.DuckDBPyConnection,
    policies: PolicySet,
    wanted: Sequence[Loaded],
    run_id: str,
    as_of: str,
    earlier: Mapping[str, Any] | None,
    *,
    has_history: bool,
) -> dict[str, Any]:
    one_kwh = rows(con, "SELECT * FROM runs WHERE run_id = $run_id", run_id=run_id)[0]
    found: dict[str, Any] = {"guards": [], "unwatched": []}
    for loaded in wanted:
        policy, bounds = loaded.policy, loaded.bounds
        metric = getattr(policy, "metric", "")
        linear = PARTLY.get(metric, metric)
        if not isinstance(policy, LimitPolicy | BudgetPolicy) or bounds is None or bounds.max is None:
            why = "it sets no upper limit of a sum"
        elif linear not in LINEAR:
            why = f"{metric} does not grow with energy alone"
        elif (per_kwh := one_kwh[CATALOGUE[linear].column]) is None:
            why = f"{linear} of a kWh is unknown ({', '.join(_codes(one_kwh, linear))})"
        elif (before := _before(earlier, metric, linear)) is None:
            why = f"what the run used before is unknown ({', '.join(_codes(earlier, linear))})"
        elif isinstance(policy, BudgetPolicy) and not has_history:
            why = "there is no store that says what was used before (NO_HISTORY)"
        else:
            explained = explain_policy(con, policies, policy.id, as_of=as_of)
            group = _group(explained, policy, run_id)
            if group is None:
                why = "it is not about this run"
            else:
                subject, used, unknown = group
                found["guards"].append(
                    {
                        "policy": policy.id,
                        "title": policy.title,
                        "metric": metric,
                        "subject": subject,
                        "unit": bounds.stored,
                        "limit": float(bounds.max),
                        "warn_above": None if bounds.warn_above is None else float(bounds.warn_above),
                        "used": used + before,
                        "per_kwh": per_kwh,
                        "unknown_runs": unknown,
                        "is_part": metric in PARTLY,
                    }
                )
                continue
        found["unwatched"].append({"policy": policy.id, "why": why})
    return {**found, "kgco2e_per_kwh": one_kwh["operational_kgco2e"], "pue": one_kwh["facility_energy_kwh"]}


def _group(
    explained: Mapping[str, Any], policy: LimitPolicy | BudgetPolicy, run_id: str
) -> tuple[str, float, int] | None:
    """Return the budget that a run belongs to, what the others used of it, and how many of them nobody knows."""
    if isinstance(policy, LimitPolicy):
        subjects = {one["subject"] for one in explained["subjects"]}
        return ("", 0.0, 0) if run_id in subjects else None
    subject = next((row["subject"] for row in explained["runs"] if row["run_id"] == run_id), None)
    if subject is None:
        return None
    others = [row["value"] for row in explained["runs"] if row["subject"] == subject and row["run_id"] != run_id]
    return subject, sum(value for value in others if value is not None), others.count(None)


def main() -> None:
    """Answer one question from stdin on stdout; what can be mended goes to stderr as everywhere."""
    asked = json.load(sys.stdin)
    try:
        root = pipeline.repository()
        config = configuration.load(asked["config"] or pipeline.layers(root), asked["overrides"], root=root)
        answer = allowance(config, asked["record"], asked["run_id"], asked["budget"], _source(config, asked))
    except GreenError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    json.dump(answer, sys.stdout)


def _source(config: Config, asked: Mapping[str, Any]) -> str:
    """Return where the run's folder lies below `logs:`, for teams and projects may go by its path."""
    folder = Path(asked["folder"])
    logs = Path(config.logs).resolve()
    if folder.is_relative_to(logs):
        return folder.relative_to(logs).as_posix()
    if not asked["run_id"]:
        raise InputError("the run has no run_id")
    return str(asked["run_id"])


if __name__ == "__main__":
    main()
