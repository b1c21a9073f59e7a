"""What the main process leaves for the jobs of the pipeline: all that they take from the configuration.

A job reads it without the models that check the configuration, which cost 100 ms, and without the modules that plan.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green.errors import UsageError, Where

if TYPE_CHECKING:
    from green.config import Config

RESULTS = Path("results")
INDEX = RESULTS / "index"
LEFT = INDEX / "config.json"  # no input of a rule: it holds paths
NEEDS = INDEX / "needs.json"  # likewise
CHECKED = INDEX / "check.settings"  # what the check depends on beside its policies: the moment it is as of
RECEIPTS = (RESULTS / "audit.json", RESULTS / "check.json")
IDENTITY = RESULTS / "cache" / "identity.txt"  # of the store, as long as nobody touches it


@dataclass(frozen=True)
class Needs:
    """What jobs take from the configuration; read without the models that check it, which cost 100 ms a job."""

    store: str
    policies: str
    actor: str | None
    factors: list[str]
    series: list[str]
    settings: dict[str, dict[str, Any]]
    report: dict[str, Any]
    config_sha256: str
    logs: str
    readers: list[str]  # where they are, by name: to look for them costs 30 ms


def left() -> Config:
    """Return the configuration that the main process left for its jobs."""
    from green import config as configuration  # noqa: PLC0415 -- 100 ms, for ingest only

    return configuration.read_back(_left(LEFT))


def needs() -> Needs:
    """Return what the main process left for the jobs that need no model of the configuration."""
    return Needs(**json.loads(_left(NEEDS)))


def _left(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(
            "no pipeline was planned here", where=Where(str(file)), mend="`green stage` is run by snakemake"
        ) from error


def planned_as_of() -> str:
    """Return the as-of that the main process wrote down for the check."""
    return str(json.loads(CHECKED.read_text(encoding="utf-8"))["as_of"])
