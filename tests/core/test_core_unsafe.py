"""What lies in a folder of logs can be anything: it is read, or refused with its reason, and hurts nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from green import ingest
from green.cli import main
from green.config import Config
from green.engine import duckdb
from green.index import scan
from green.unpack import FREE_BYTES, Packed, kind_of, unpack

if TYPE_CHECKING:
    from pathlib import Path

SMI = b"timestamp, index, power.draw [W]\n2026/01/01 00:00:00.000, 0, 60 W\n2026/01/01 00:01:00.000, 0, 60 W\n"


def rejects(logs: Path, work: Path, **settings: Any) -> tuple[dict[str, str], list[str]]:
    """Ingest a folder and return the reason of each refused file, and the runs."""
    config = Config.model_validate({"logs": str(logs), "ingest": settings})
    out = work / "ingest"
    ingest.ingest(config, scan(logs).sources, settings="", out=out, cache=work / "cache")
    with duckdb.connect() as con:
        reasons = dict(con.execute(f"SELECT file, reason FROM '{out}/rejects.parquet'").fetchall())
        runs = con.execute(f"SELECT run_id FROM '{out}/run.parquet' ORDER BY 1").fetchall()
    return reasons, [run for (run,) in runs]


def zstd(text: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(text)


PACKED = {"gzip": gzip.compress(SMI, mtime=0), "zstd": zstd(SMI), "two frames": zstd(SMI[:40]) + zstd(SMI[40:])}


@pytest.mark.parametrize("packed", list(PACKED.values()), ids=list(PACKED))
def test_packed_log_is_read_whatever_its_name(tmp_path: Path, packed: bytes) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.csv.gz").write_bytes(packed)
    (logs / "b.csv").write_bytes(packed.replace(b"x", b"x"))
    assert rejects(logs, tmp_path)[1] == ["a.csv.gz", "b.csv"]


@pytest.mark.parametrize("has_record", [True, False])
def test_log_and_its_packed_copy_beside_it_are_one_log(tmp_path: Path, *, has_record: bool) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    if has_record:
        (logs / "run.yaml").write_text("team: x\n", encoding="utf-8")
    (logs / "a.csv").write_bytes(SMI)
    (logs / "a.csv.gz").write_bytes(gzip.compress(SMI))
    reasons, runs = rejects(logs, tmp_path)
    assert reasons == {"a.csv.gz": "DUPLICATE_INPUT"}
    assert runs == (["logs"] if has_record else ["a.csv"])


def test_cut_broken_and_monstrous_files_are_refused(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    whole = {"gz": gzip.compress(os.urandom(9_000)), "zst": zstd(os.urandom(9_000))}
    for ending, packed in whole.items():
        (logs / f"cut.csv.{ending}").write_bytes(packed[: len(packed) // 2])
        (logs / f"broken.csv.{ending}").write_bytes(packed[:5] + b"\xff" * 20 + packed[25:])
    (logs / "large.csv.gz").write_bytes(gzip.compress(SMI * 2_000))
    reasons, runs = rejects(logs, tmp_path, most_unpacked_bytes=1 << 16)
    assert reasons.pop("large.csv.gz") == "TOO_LARGE"
    assert reasons == dict.fromkeys(("cut.csv.gz", "cut.csv.zst", "broken.csv.gz", "broken.csv.zst"), "CUT_PACKED")
    assert runs == []


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_bomb_is_refused_before_it_is_large(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(pack(bytes(FREE_BYTES + (8 << 20))))
    assert path.stat().st_size < 200_000
    kind = kind_of(path.read_bytes())
    assert kind is not None
    with pytest.raises(Packed) as refused:
        unpack(path, kind, io.BytesIO())
    assert refused.value.reason == "ZIP_BOMB"


def test_links_out_of_the_logs_pipes_and_devices_are_refused_and_never_opened(tmp_path: Path) -> None:
    logs, secret = tmp_path / "logs", tmp_path / "secret.csv"
    (logs / "sub").mkdir(parents=True)
    secret.write_bytes(SMI)
    (logs / "good.csv").write_bytes(SMI)
    (logs / "inside.csv").symlink_to(logs / "good.csv")
    (logs / "outside.csv").symlink_to(secret)
    (logs / "dotted.csv").symlink_to("sub/../../secret.csv")
    (logs / "nowhere.csv").symlink_to("gone")
    (logs / "itself.csv").symlink_to("itself.csv")
    (logs / "zero.csv").symlink_to("/dev/zero")
    (logs / "run.d").mkdir()
    (logs / "run.d" / "run.yaml").symlink_to(secret)
    os.mkfifo(logs / "pipe.csv")
    reasons, runs = rejects(logs, tmp_path)
    assert reasons == {
        "outside.csv": "OUTSIDE",
        "dotted.csv": "OUTSIDE",
        "zero.csv": "NOT_A_FILE",
        "pipe.csv": "NOT_A_FILE",
        "run.d/run.yaml": "OUTSIDE",
    }
    assert runs == ["good.csv", "inside.csv"]


ODD_NAMES = [
    'quo"te.csv',
    "it's; DROP TABLE run.csv",
    "new\nline.csv",
    "::error file=x,line=1::boo.csv",
    "\x1b[31mred\x1b[0m.csv",
    "[a-z]*?{x}.csv",
    "-rf.csv",
    "${HOME} `id` $(id).csv",
    "%s %d {0} {x!r}.csv",
    "<script>alert(1)</script>.csv".replace("/", "|"),
    "\u202egnp.csv",
    " .csv",
]


def test_names_may_hold_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in ODD_NAMES:
        (logs / name).write_bytes(SMI)
    (logs / os.fsdecode(b"\xff\xfe.csv")).write_bytes(SMI)
    reasons, runs = rejects(logs, tmp_path)
    assert reasons == {}
    assert sorted(runs) == sorted([*ODD_NAMES, "\\xff\\xfe.csv"])
    for arguments in (["ingest", str(logs)], ["ingest", "--json", str(logs)]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert "\x1b" not in shown
        assert "--json" in arguments or "\u202e" not in shown
        assert not any(line.startswith("::") for line in shown.splitlines())
    assert {file["file"] for file in json.loads(shown)[0]["files"]} >= set(ODD_NAMES)


BAD = {  # thirteen kinds of bad
    "empty.csv": b"",
    "nul.csv": b"\0" * 5000,
    "random.csv": bytes(range(256)) * 40,
    "digits.csv": SMI + b"2026/01/01 00:02:00.000, 0, " + b"9" * 100_000 + b" W\n",
    "long.csv": SMI + b"x" * 3_000_000 + b"\n",
    "deep.json": b"[" * 200_000,
    "deep.green.jsonl": b'{"format": "green/1", "sensors": ' + b"[" * 100_000,
    "infinite.csv": SMI + b"2026/01/01 00:02:00.000, 0, 1e999 W\n2026/01/01 00:02:01.000, 0, nan W\n",
    "cut.csv.gz": gzip.compress(SMI)[:30],
    "bom.csv": b"\xff\xfe" + SMI,
    "header.csv": SMI.splitlines()[0],
    "quotes.csv": b'timestamp,run_id,duration,emissions,energy_consumed\n"' * 300,
    "year.csv": SMI.replace(b"2026/", b"9999/"),
}


def test_one_bad_file_among_good_ones_changes_only_its_own_verdict(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    good = [f"good-{number}.csv" for number in range(len(BAD))]
    for number, name in enumerate(good):
        (logs / name).write_bytes(SMI.replace(b"60 W", b"%d W" % (60 + number)))
    _, alone = rejects(logs, tmp_path / "alone")
    for name, text in BAD.items():
        (logs / name).write_bytes(text)
    reasons, runs = rejects(logs, tmp_path / "both")
    assert alone == sorted(good)
    assert set(good) <= set(runs)
    assert reasons.keys() <= BAD.keys()
    assert BAD.keys() - reasons.keys() <= {"header.csv"}  # a log that says nothing yet is no mistake
