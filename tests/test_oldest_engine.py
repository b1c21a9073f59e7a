"""The oldest DuckDB that pyproject.toml allows, in the place of the locked one: the same verdicts, and every command.

`oldest.lock` names it; GREEN_OLDEST_DUCKDB is the folder that it was installed into (`pip install --target`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import BIN, REPO

OLDEST = os.environ.get("GREEN_OLDEST_DUCKDB", "")
EXAMPLE = REPO / "examples" / "quickstart"
NAMED = re.search(r"duckdb==(\S+)", (REPO / "oldest.lock").read_text(encoding="utf-8"))
COMMANDS = (
    ["verify"],
    ["explain", "bert-finetune"],
    ["query", "team-by-quarter"],
    [
        "plan",
        "--device",
        "NVIDIA H100 SXM5 80GB",
        "--count",
        "8",
        "--hours",
        "12",
        "--region",
        "DE",
        "--pue",
        "1.2",
        "--start",
        "2026-10-01",
    ],
    ["export", "cyclonedx"],
    ["export", "parquet", "--output", "out.parquet"],
    ["checkpoint", "--key", "key.pem"],
    ["verify", "--checkpoint", "audit/checkpoint.txt"],
    ["replay", "--logs", str(EXAMPLE)],
    ["check"],
    ["forget", "--project", "speech", "--reason", "asked for"],
    ["verify"],
)

JUDGING = {"check", "plan"}  # what the example and twelve hours of eight H100 break is said by the exit code


def test_the_oldest_is_what_the_package_allows() -> None:
    assert NAMED is not None
    assert f'"duckdb>={NAMED[1]},<' in (REPO / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def engine() -> dict[str, str]:
    if not OLDEST:
        pytest.skip("GREEN_OLDEST_DUCKDB does not name a folder: pip install --target FOLDER -r oldest.lock")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([OLDEST, str(REPO)])}
    said = subprocess.run(
        [BIN / "python", "-c", "from green.engine import duckdb; print(duckdb.__version__)"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert NAMED is not None
    assert said.stdout.strip() == NAMED[1]
    return env


def pipeline(work: Path, env: dict[str, str]) -> Path:
    work.mkdir()
    command = [BIN / "snakemake", "--snakefile", REPO / "Snakefile", "--directory", work]
    done = subprocess.run(
        [*command, "--config", f"logs={EXAMPLE}", "shards=1"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + "".join(p.read_text() for p in work.glob("results/log/**/*.log"))
    return work


def test_both_engines_give_the_same_verdicts_and_read_each_other_s_store(
    engine: dict[str, str], tmp_path: Path
) -> None:
    old, new = pipeline(tmp_path / "old", engine), pipeline(tmp_path / "new", dict(os.environ))
    judged = [json.loads((work / "results" / "verdicts.json").read_text(encoding="utf-8")) for work in (old, new)]
    assert judged[0] == judged[1]
    for command in COMMANDS:
        done = subprocess.run(
            [BIN / "green", *command], cwd=old, env=engine, capture_output=True, text=True, check=False
        )
        assert done.returncode == (1 if command[0] in JUDGING else 0), (command, done.stdout, done.stderr)
        assert done.stdout or done.stderr, command
    shutil.rmtree(old / "results")  # what remains is the store, and the newer engine reads it
    done = subprocess.run([BIN / "green", "verify"], cwd=old, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
