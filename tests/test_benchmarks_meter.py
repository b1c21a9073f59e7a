"""The table of meters against the truth, as far as it can be tested without the other tools."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks import meter, meter_tools
from benchmarks.meter import Result, Row
from tests.meters import rig as truth

FOUND = Row("1 GPU", "Green, by counter", 1000.0, 990.0, 1)
NOTHING = Row("1 GPU", "Zeus", 1000.0, None, 0, "ended with: Not Supported")


def test_a_row_is_compared_with_the_truth_and_nothing_is_no_zero() -> None:
    assert FOUND.error_percent == pytest.approx(-1.0)
    assert FOUND.cells == ("1 GPU", "Green, by counter", "1,000", "990", "−1.00 %", "")
    assert NOTHING.error_percent is None
    assert NOTHING.cells[3:] == ("nothing", "", "ended with: Not Supported")


def test_every_tool_of_the_table_can_be_run_and_what_cannot_is_on_the_page() -> None:
    assert set(meter_tools.TOOLS) == {*meter.WAYS, *meter.TITLES}
    page = Result([FOUND, NOTHING], {"zeus": "0.16.0"}).page()
    assert all(name in page and why in page for name, why in meter.LEFT_OUT.items())
    assert "| 1 GPU | Zeus | 1,000 | nothing |  | ended with: Not Supported |" in page


def test_the_page_is_one_that_the_command_wrote() -> None:
    page = meter.PAGE.read_text(encoding="utf-8")
    tables = re.findall(r"^\| case .*?(?=\n\n)", page, re.DOTALL | re.MULTILINE)
    head, _, tail = Result([], {"zeus": "0"}).page().partition("| case |")
    assert len(tables) == 1
    assert page.startswith(head.partition("Versions:")[0]), f"write it anew: {meter.COMMAND}"
    assert page.endswith(tail.partition("Not on the rig:")[2]), f"write it anew: {meter.COMMAND}"


def test_a_tool_that_is_not_installed_is_told_before_the_minutes_of_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "PEERS", Path(sys.executable))  # our own environment has none of the others
    with pytest.raises(SystemExit, match=r"No package metadata was found for zeus; .*make bench-peers"):
        meter._versions()  # noqa: SLF001 -- to measure takes minutes


@pytest.mark.skipif(not truth.has_gcc(), reason=truth.NO_GCC)
def test_ours_on_the_rig_makes_a_log_by_each_way(tmp_path: Path) -> None:
    truth.load()
    with truth.Rig(tmp_path / "rig", devices=2) as rig:
        said = meter_tools.metered(0.0, 0.0, tmp_path, [0.0, 0.0])
        assert said["devices"] == rig.control.devices
    counters = (tmp_path / "counter/rig/0.green.jsonl").read_text(encoding="utf-8").splitlines()
    powers = (tmp_path / "power/rig/0.green.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(counters) == len(powers) == 6  # header, begin, two instants, end, footer
    assert '"gpu1_j"' in counters[0]
    assert '"gpu1_j"' not in powers[0]
