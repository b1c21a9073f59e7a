"""`green factors` finds each fact under every spelling of its name, with its source."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from green.cli import main
from tests.conftest import REPO

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "factor_id,quantity,subject,value,low,high,unit,valid_from,valid_to,method,source,url,licence,note\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["factors", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)
    return found


def test_list_gives_every_row_of_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    written = set()
    for file in (REPO / "green" / "factors").glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as stream:
            written |= {row["factor_id"] for row in csv.DictReader(stream) if "factor_id" in row}
    assert {row["factor_id"] for row in rows(capsys, "list")} == written


def test_list_of_a_quantity_gives_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "list", "--quantity", "pue")
    assert {row["quantity"] for row in found} == {"pue"}
    code, out, _ = run(capsys, "list", "--quantity", "pue")
    assert code == 0
    assert out.splitlines()[0].split("\t") == ["factor_id", "subject", "value", "unit", "method", "licence"]
    assert len(out.splitlines()) == 1 + len(found)


def test_an_unknown_quantity_is_a_usage_error_that_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "list", "--quantity", "pie")
    assert code == 3
    assert "grid_intensity" in err


@pytest.mark.parametrize("name", ["NVIDIA A100-SXM4-80GB", "a100 80gb sxm4", "A100 SXM4 80 GB"])
def test_a_device_is_shown_under_every_spelling(capsys: pytest.CaptureFixture[str], name: str) -> None:
    found = rows(capsys, "show", name)
    assert {row["subject"] for row in found} == {"NVIDIA A100 SXM4 80GB"}
    assert {row["quantity"] for row in found} >= {"embodied", "rated_power"}
    assert all(row["source"] and row["licence"] for row in found)


@pytest.mark.parametrize("name", ["DE", "deu", "Germany", "germany"])
def test_a_region_is_shown_under_every_spelling(capsys: pytest.CaptureFixture[str], name: str) -> None:
    found = rows(capsys, "show", name, "--quantity", "grid_intensity")
    assert {row["subject"] for row in found} == {"DE"}
    year = {row["method"]: row for row in found if row["valid_from"] == "2024-01-01"}
    assert set(year) == {"direct", "lifecycle"}
    assert (year["lifecycle"]["value"], year["lifecycle"]["unit"]) == (336.38, "gCO2e/kWh")
    assert (year["direct"]["value"], year["direct"]["licence"]) == (291, "CC-BY-4.0")


def test_a_factor_is_shown_by_its_id_with_interval_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "lifetime/gpu/boavizta")
    assert code == 0
    assert out.splitlines()[0] == "lifetime of gpu: 26280 [26280, 52560] h"  # 3 years, up to 6
    assert "source    Boavizta" in out
    assert "licence   facts" in out


def test_a_zone_has_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "show", "zone/DE/iso")[1].splitlines()[0] == "zone of DE"


def test_what_is_unknown_is_a_usage_error_with_its_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "show", "NVIDIA A100-SXM5-80GB")
    assert (code, out) == (3, "")
    assert "NVIDIA A100 SXM4 80GB" in err
    assert run(capsys, "search", "frobnicator")[0] == 3


def test_an_unknown_region_is_a_usage_error_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "show", "Frnace")
    assert (code, out) == (3, "")
    assert "did you mean FR?" in err


def test_a_cloud_region_is_shown_with_its_building_and_water(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "show", "AWS eu-central-1")
    assert {row["quantity"] for row in found} == {"pue", "region_zone", "wue"}


def test_search_holds_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "search", "a100", "EMBODIED")
    assert found
    assert all("a100" in row["factor_id"] and "embodied" in row["factor_id"] for row in found)


def test_factors_of_the_organisation_are_listed_too_and_cannot_command_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "own\x1b[31m"
    row = f"own/pue,pue,acme,1.5,1.4,1.6,1,2020-01-01,,mean,{evil},https://example.org,own,\n"
    (tmp_path / "own.csv").write_text(HEADER + row, encoding="utf-8")
    (tmp_path / "config.yaml").write_text("factors: [own.csv]\n")
    monkeypatch.chdir(tmp_path)
    [found] = rows(capsys, "show", "own/pue")
    assert (found["value"], found["low"], found["high"]) == (1.5, 1.4, 1.6)
    code, out, _ = run(capsys, "show", "acme")
    assert code == 0
    assert out.startswith("pue of acme: 1.5 [1.4, 1.6]\n")
    assert "\x1b" not in out
