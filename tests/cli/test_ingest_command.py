"""`green ingest` of single files, as a hook before a commit calls it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from green.cli import main
from green.readers import readers

SAMPLES = Path(__file__).parents[1] / "readers"


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["ingest", *map(str, arguments)])
    return int(str(ended.value.code))


def test_strict_ends_4_where_something_is_refused_and_says_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good" / "run.yaml", tmp_path / "bad" / "run.yaml"
    for path, text in ((good, "team: x\n"), (bad, "team: x\nenergy: {total: 3 bananas}\n")):
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    assert run("--strict", good) == 0
    assert run(bad) == 0
    assert run("--strict", good, bad) == 4
    assert "BAD_UNIT (line 2)" in capsys.readouterr().out


def test_a_record_is_read_without_the_logs_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text("team: x\n", encoding="utf-8")
    (tmp_path / "broken.csv").write_bytes(b"\0\0\0")
    assert run("--strict", tmp_path / "run.yaml") == 0
    assert "broken" not in capsys.readouterr().out
    assert run("--strict", tmp_path) == 4
    assert run("--strict", tmp_path / "broken.csv") == 4


def test_a_file_that_nobody_opens_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.pt").write_bytes(b"x")
    assert run(tmp_path / "model.pt") == 0
    assert "not opened: 1 x .pt" in capsys.readouterr().out


def test_what_is_wrong_with_a_log_as_a_whole_is_not_lost_among_its_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"03-11-2026 15:13:{second:02d}, 50\n" for second in range(60))
    (tmp_path / "gpu.csv").write_text(f"timestamp, utilization.gpu [%]\n{rows}", encoding="utf-8")
    assert run(tmp_path) == 0
    shown = capsys.readouterr().out
    assert "NO_POWER_COLUMN" in shown
    assert shown.count("BAD_TIME") == 4
    assert "and 56 more" in shown
    assert run("--json", tmp_path) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["files"][0]["refused"]) == 61


@pytest.mark.parametrize("name", sorted(path.parent.name for path in SAMPLES.glob("*/expect.csv")))
def test_every_format_is_shown_as_what_it_is_read_and_what_is_refused(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (SAMPLES / name / "expect.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert run("--json", SAMPLES / name) == 0
    (found,) = json.loads(capsys.readouterr().out)
    shown = {file["file"]: file for file in found["files"]}
    for row in rows:
        file = shown[row["file"]]
        if row["method"] == "refused":
            assert (file["reader"], file["runs"]) == (None, [])
            assert file["refused"][0].startswith("NOT_RECOGNISED: ")
        else:
            assert file["reader"] == name
            assert f"{row['file']}#{row['run']}".removesuffix("#") in file["runs"]
            assert {
                code for code in row["reasons"].split() if not any(code in words for words in file["refused"])
            } == set()


def test_readers_lists_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["readers"])
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == [reader.name for reader in readers()]
    assert all(line.split(maxsplit=1)[1] for line in shown)
