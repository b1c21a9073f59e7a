"""Every reader has a folder of small logs, with the energies that a hand or another script computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from green.readers import readers
from green.yaml import load
from tests.core.helper import Work

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent.name for path in HERE.glob("*/expected.yaml"))
KEYS = {"joules", "methods", "basis", "flags", "rejects", "times"}


def energies(work: Work) -> dict[str, dict[str, list[Any]]]:
    """Return kWh, method and basis of what counts: run → components joined by + → the three."""
    found: dict[str, dict[str, list[Any]]] = {}
    for row in work.rows("energy"):
        if row["is_counted"] and row["energy_kwh"] is not None:
            own = found.setdefault(row["run_id"], {})
            key = "+".join(sorted(row["covers"]))
            before = own.get(key, [0.0])[0]
            own[key] = [before + float(row["energy_kwh"]), row["method"], row["basis"]]
    return found


@pytest.mark.parametrize("name", FOLDERS)
def test_logs_of_a_folder_give_the_energies_written_beside_them(name: str, tmp_path: Path) -> None:
    folder = HERE / name
    expected: dict[str, Any] = load(folder / "expected.yaml").value
    work = Work(tmp_path)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "expected.yaml":
            work.put(str(path.relative_to(folder)), path.read_bytes())
    work.ingest()
    work.stage("energy")
    assert {row["reader"] for row in work.rows("inputs")} <= {None, *(reader.name for reader in readers())}
    runs = {row["run_id"]: row for row in work.rows("run")}
    assert sorted(runs) == sorted(run_id for run_id, wanted in expected.items() if "joules" in wanted)
    rejects: dict[str | None, list[list[Any]]] = {}
    for row in work.rows("rejects"):
        rejects.setdefault(row["run_id"] or row["source"], []).append([row["line"], row["reason"]])
    energy = energies(work)
    for run_id, wanted in expected.items():
        assert set(wanted) <= KEYS
        key = lambda pair: (pair[0] or 0, pair[1])  # noqa: E731 -- used twice, here
        assert sorted(rejects.pop(run_id, []), key=key) == sorted(wanted.get("rejects", []), key=key), run_id
        if "joules" not in wanted:  # a file of many runs, or of none
            continue
        own = energy.get(run_id, {})
        joules = {key: figure[0] * 3.6e6 for key, figure in own.items()}
        assert joules == pytest.approx(wanted["joules"], rel=1e-9), run_id
        for key, method in wanted.get("methods", {}).items():
            assert own[key][1] == method, (run_id, key)
        assert {figure[2] for figure in own.values()} <= {wanted.get("basis", "device")}, run_id
        assert sorted(runs[run_id]["flags"]) == sorted(wanted.get("flags", [])), run_id
        if "times" in wanted:
            ends = [runs[run_id][name] for name in ("started_at", "ended_at")]
            assert [None if end is None else f"{end:%Y-%m-%dT%H:%M:%SZ}" for end in ends] == wanted["times"], run_id
    assert rejects == {}
