"""What tests share: the real pipeline, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

Pipeline = Callable[[Path, Path], Path]


def snakemake(work: Path, *arguments: str, logs: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the pipeline in `work` and return what it printed; its exit code is the caller's to judge."""
    config = [f"logs={logs}"] if logs is not None else []
    command = [
        str(BIN / "snakemake"),
        "--snakefile",
        str(REPO / "Snakefile"),
        "--directory",
        str(work),
        *arguments,
    ]
    if config:
        command += ["--config", *config]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """Return a function that runs the pipeline over `logs` in `work` and gives the path of the store."""

    def run(logs: Path, work: Path) -> Path:
        work.mkdir(parents=True, exist_ok=True)
        done = snakemake(work, logs=logs)
        assert done.returncode == 0, done.stdout + done.stderr + _logs(work)
        return work / "audit" / "green.duckdb"

    return run


def _logs(work: Path) -> str:
    parts = [log.read_text(encoding="utf-8") for log in sorted(work.glob("results/log/**/*.log"))]
    return "\n".join(part for part in parts if part)
