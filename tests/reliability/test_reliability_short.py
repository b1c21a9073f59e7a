"""The short forms of the trials of docs/reliability.md: each ends 0 only where the store kept every promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.reliability import __main__ as trials
from tests.reliability.table import Outcome


@pytest.mark.parametrize(
    ("trial", "count"),
    [("tamper", 1), ("kill", 1), ("faults", 1), ("damage", 16), ("concurrent", 8), ("million", 20_001)],
)
def test_store_keeps_its_promises_in_a_short_trial(trial: str, count: int) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.reliability",
        trial,
        "--count",
        str(count),
    ]  # forks before DuckDB has threads
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPO)
    assert done.returncode == 0, done.stdout + done.stderr


def test_page_is_written_by_the_command_and_rows_of_a_trial_take_the_place_of_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n")
    monkeypatch.setattr(trials, "PAGE", page)
    for number in (1, 2):
        trials.write("tamper", number, Outcome("T", ("a",), [(number,)]).table() + "\n")
    text = page.read_text()
    assert text.count("begin tamper") == 1
    assert "| 2 |" in text
    assert "| 1 |" not in text
    assert text.count("python -m tests.reliability tamper --count 2") == 2  # the command, and what made the table
    assert "--count 1" not in text


def test_every_trial_stands_on_the_page() -> None:
    text = (REPO / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert [name for name in trials.TRIALS if f"<!-- begin {name}: " not in text] == []
