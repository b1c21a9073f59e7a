"""Damaged logs end in diagnostics: a bounded part of `python -m tests.readers.mutate`."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from green.sink import FileSink
from tests.readers import mutate


def test_damaged_logs_end_in_diagnostics() -> None:
    assert mutate.check(600, seed=20) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", b"timestamp, power.draw [W]\n" + b"9" * 5_000_000),
        ("b.json", b'[{"metric":{"__name__":"kepler_node_cpu_watts"},"values":[[1,"' + b"9" * 2_000_000 + b'"]]}]'),
        ("c.json", b'[{"metric":{"__name__":"kepler_node_cpu_watts"},"values":' + b'{"metric":{' * 100_000),
        ("d.txt", b"JobID|State|Elapsed\n1|" + b"|" * 4_000_000),
        ("e.txt", b"kepler_node_cpu_watts{" + b'a="b",' * 300_000 + b"} 1\n"),
        ("f.tsv", b"task_id\tstatus\thash\texit\trealtime\n1\tCOMPLETED\tx\t0\t" + b"9" * 100_000 + b"\n"),
        ("g.txt", b"JobID|State|Start|End|NodeList|ConsumedEnergyRaw\n" + b"1|COMPLETED|1|2|n[0-999999999]|5\n" * 9),
        ("h.csv.gz", gzip.compress(bytes(40 << 20))),
        ("run.yaml", b"a: &a [x]\n" + b"b: " + b"[" * 100_000),
    ],
)
def test_a_monstrous_file_takes_no_longer_than_any(tmp_path: Path, name: str, text: bytes) -> None:
    assert mutate.fault(tmp_path, name, text) is None


def test_what_is_lost_without_a_word_or_raised_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    assert mutate.fault(tmp_path, "a.csv", mutate.logs()["nvidia_smi-two.csv"]) is None
    monkeypatch.setattr(FileSink, "sample", lost)
    assert mutate.fault(tmp_path, "a.csv", mutate.logs()["nvidia_smi-two.csv"]) == "ZeroDivisionError: "
