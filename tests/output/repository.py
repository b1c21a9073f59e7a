"""A git repository of run records with a store, as the tests of reviews need it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from green import review
from green.compare import Comparison
from green.config import Config
from green.policy.judge import Judgement
from green.policy.load import PolicySet, load
from tests.core.helper import Work

POLICIES = """apiVersion: green/v1
bundle: {id: test, version: 1.0.0}
policies:
- {id: A, title: a run, kind: limit, metric: energy.it, limit: {max: 50 kWh}}
- {id: B, title: a team, kind: budget, metric: energy.it, group_by: [team], window: {rolling: 90d},
   limit: {max: 100 kWh}}
"""
AS_OF = "2026-10-10"


def record(energy: int, *, status: str = "completed", team: str = "nlp") -> str:
    return (
        f"team: {team}\nstatus: {status}\nstarted_at: 2026-10-01T08:00:00Z\nduration: 3 h\n"
        f"energy:\n  basis: device\n  total: {energy} kWh\n"
    )


class Repository(Work):
    """A git repository of run records, with a store of what was recorded."""

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *who, *arguments], check=True, capture_output=True, text=True, env=own
        )
        return done.stdout

    def commit(self, message: str = "x") -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def reviewed(self, against: str, **options: bool) -> tuple[Judgement, Comparison, list[str]]:
        found, comparison, notes = review.review(self.own, self.policies, AS_OF, against=against, **options)
        assert comparison is not None
        return found, comparison, notes

    @property
    def own(self) -> Config:
        return self.config.model_copy(
            update={"store": str(self.store), "policies": str(self.folder / "policies"), "allow_empty": True}
        )

    @property
    def policies(self) -> PolicySet:
        return load(self.folder / "policies", shown="policies")


def branched(folder: Path) -> Repository:
    """Return a repository with two runs on main, both recorded, and a branch of it checked out."""
    made = Repository(folder)
    made.put("../policies/p.yaml", POLICIES)
    made.put("../.gitignore", "/audit/\n/results/\n")
    made.put("a/run.yaml", record(40))
    made.put("b/run.yaml", record(30))
    made.git("init", "-q", "-b", "main")
    made.commit()
    made.ledgered()
    made.git("checkout", "-q", "-b", "branch")
    return made
