"""The installed command runs jobs on a short way, and says what the long way says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GREEN = Path(sys.executable).parent / "green"


def _green(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GREEN, *words], cwd=folder, capture_output=True, text=True, check=False)


def test_a_job_without_a_plan_says_so_and_ends_3(tmp_path: Path) -> None:
    ended = _green(tmp_path, "stage", "embodied")
    assert ended.returncode == 3
    assert ended.stderr.startswith("error: no pipeline was planned here\n  --> results/index/needs.json\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), 'no stage "nothing"'),
        (("energy",), "energy works on one shard"),
        (("audit", "--shards", "3"), "No such option"),
        ((), "Missing argument"),
    ],
)
def test_a_mistaken_call_of_a_stage_is_told_by_the_command_line(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    ended = _green(tmp_path, "stage", *words)
    assert ended.returncode == 3
    assert said in ended.stderr


def test_a_stage_shows_its_help(tmp_path: Path) -> None:
    ended = _green(tmp_path, "stage", "--help")
    assert ended.returncode == 0
    assert "Run one stage of the pipeline" in ended.stdout


@pytest.mark.parametrize("module", ["green.jobs", "green.audit.record", "green.stages"])
def test_what_a_job_starts_with_loads_no_model_and_no_command_line(module: str) -> None:
    code = f"import sys, {module}; print(*{{'typer', 'pydantic', 'rich', 'ruamel'}} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""
