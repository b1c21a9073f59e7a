"""The energy stage beside other tools, as far as it can be tested without them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import measure, peer_energy, peers, work
from benchmarks.measure import Ratio

REPO = Path(__file__).parent.parent
TOLERANCE = peers.TOLERANCE


def test_goal_that_is_a_floor_is_met_from_above() -> None:
    assert Ratio("peers", "CPU", 1.8, "x", 1.7, is_floor=True).is_met is True
    assert Ratio("peers", "CPU", 1.6, "x", 1.7, is_floor=True).is_met is False
    assert Ratio("energy", "CPU", 1.6, "x", 1.7).is_met is True
    assert command.cells(Ratio("peers", "CPU", 1.8, "x", 1.7, is_floor=True))[3:5] == (">= 1.7 x", "yes")


def test_without_the_other_tools_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PEERS", tmp_path / "none")
    assert command.available(["energy", "peers", "side_by_side"], is_asked=False) == ["energy"]
    assert "make bench-peers" in capsys.readouterr().err
    assert command.available(["energy"], is_asked=True) == ["energy"]
    with pytest.raises(SystemExit, match="make bench-peers"):
        command.available(["peers"], is_asked=True)


def test_same_work_in_sql_gives_what_the_stage_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, bare = str(tmp_path), str(tmp_path / "bare.parquet")
    work.make_readings(results, "2", "200", "power")
    work.energy(results)
    work.bare_energy(results, bare)
    work.compare_energy(results, bare)
    assert float(capsys.readouterr().out) < TOLERANCE


def test_missing_device_ends_the_comparison(tmp_path: Path) -> None:
    fewer, more = tmp_path / "fewer", tmp_path / "more"
    for folder, runs in ((fewer, "1"), (more, "2")):
        folder.mkdir()
        work.make_readings(str(folder), runs, "100", "power")
        work.energy(str(folder))
    work.bare_energy(str(fewer), str(tmp_path / "bare.parquet"))
    with pytest.raises(SystemExit, match="8 of 16 devices"):
        work.compare_energy(str(more), str(tmp_path / "bare.parquet"))


def test_every_form_of_the_peers_has_its_start_to_take_off() -> None:
    assert set(peers.FORMS) <= set(peer_energy.FORMS)
    assert {f"{name.split('_')[0]}_start" for name in peers.FORMS} <= set(peer_energy.FORMS)


def test_peers_are_locked_with_hashes_and_without_an_address() -> None:
    lock = (REPO / "benchmarks" / "requirements.txt").read_text(encoding="utf-8")
    wanted = re.findall(
        r"^([a-z][\w-]*)", (REPO / "benchmarks" / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE
    )
    packages = re.findall(
        r"^([a-z0-9][\w.-]*)==\S+[^\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", lock, re.MULTILINE
    )
    assert set(wanted) <= {name for name, _ in packages}
    assert len(packages) == len(re.findall(r"^\S", lock, re.MULTILINE)), "every line is a package with its hashes"
    assert "://" not in lock
    assert measure.PEERS.parts[-3] in (REPO / ".gitignore").read_text(encoding="utf-8")
