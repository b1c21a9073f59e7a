"""A working directory whose plans are priced as `green plan` prices them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from green import plan, planned, start
from green.policy.load import load
from tests.core.helper import Work

POLICIES = """apiVersion: green/v1
bundle: {id: test, version: 1.0.0}
policies:
- {id: C, title: a run, kind: limit, metric: carbon.total, limit: {max: 100 kgCO2e}}
- {id: E, title: energy, kind: limit, metric: energy.facility, limit: {max: 500 kWh}}
- {id: B, title: a team, kind: budget, metric: carbon.total, group_by: [team], window: {rolling: 90d},
   limit: {max: 200 kgCO2e}}
- {id: Q, title: measured, kind: require, all: [{metric: quality.tier, at_least: measured}]}
"""
RECORD = {
    "run_id": "p",
    "status": "planned",
    "team": "nlp",
    "kind": "training",
    "started_at": "2026-03-01T08:00:00Z",
    "duration": "72 h",
    "site": {"region": "DE", "pue": 1.2},
    "hardware": [{"device": "NVIDIA H100 SXM", "count": 8, "load": {"value": 0.8, "low": 0.7, "high": 0.9}}],
}


def text_of(**said: Any) -> str:
    """Return a planned record as JSON, which is YAML; what is None is left out."""
    return json.dumps({key: value for key, value in {**RECORD, **said}.items() if value is not None})


class Planner(Work):
    """A working directory with policies."""

    def found(
        self, record: str, *, start_at: str | None = None, policies: str = POLICIES, **wish: Any
    ) -> dict[str, Any]:
        """Price one plan that lies beside the logs."""
        file = self.put("../plans/p/run.yaml", record)
        return self.priced(file, start_at=start_at, policies=policies, **wish)

    def priced(
        self, *paths: Path, start_at: str | None = None, policies: str = POLICIES, **wish: Any
    ) -> dict[str, Any]:
        rules = self.put("../policies/p.yaml", policies)
        folder = self.folder / "taken"
        number = len(list(self.folder.glob("taken*")))
        gathered = planned.gather(paths, self.logs, folder.with_name(f"taken{number}"))
        at = None if start_at is None else start.read_start(start_at)
        config = self.config.model_copy(update={"store": str(self.store)})
        return plan.plan(config, gathered, plan.Wish(**wish, start=at), policies=load(rules), as_of="latest")


def figures(one: dict[str, Any]) -> dict[str, tuple[float | None, ...]]:
    """Return the figures of a plan or a what-if, each with its ends."""
    return {name: (each["value"], each["low"], each["high"]) for name, each in one["figures"].items()}


def what_ifs(found: dict[str, Any]) -> dict[tuple[str, str | float], dict[str, Any]]:
    """Return the what-ifs of the only plan by what was changed."""
    (one,) = found["plans"]
    return {(each["change"], each["value"]): each for each in one["what_if"]}
