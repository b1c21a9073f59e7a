"""What `green meter` understands, what it refuses, and how little it loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

import green.cli
from green.cli.meter import rebuilt
from green.errors import UsageError
from green.meters import begin, options
from green.meters.options import Options, log_name, parse, record_of, run_id_of
from tests.conftest import BIN, REPO

HERE = Path(__file__).parent


def environ(**more: str) -> dict[str, str]:
    mine = {key: value for key, value in os.environ.items() if not key.startswith("GREEN_")}
    return mine | {"PYTHONPATH": f"{REPO}:{HERE}", **more}


def test_words_after_the_options_are_the_command() -> None:
    assert parse(["--project", "p", "--", "python", "--stop"]).command == ["python", "--stop"]
    assert parse(["--project=p", "python", "train.py", "--every", "3"]).command == [
        "python",
        "train.py",
        "--every",
        "3",
    ]
    assert parse(["--stop", "--budget", "A,B", "--budget=C", "x"]).budget == ["A", "B", "C"]


def test_values_are_read_by_their_kind() -> None:
    words = "--every 0.5s --grace 5 --seed 7 --label a=b=c --work tokens=3e11 --warn-at 80% --budget X x"
    found = parse(words.split())
    assert (found.every, found.grace, found.seed, found.warn_at) == (0.5, 5.0, 7, 0.8)
    assert (found.label, found.work) == ({"a": "b=c"}, {"tokens": 3e11})
    assert parse(["--warn-at", "0.75", "--budget", "X", "x"]).warn_at == 0.75
    assert parse(["--store", "s.duckdb", "--as-of=now", "x"]).common == ["--store", "s.duckdb", "--as-of", "now"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "name either a command to run or --pid"),
        ("--pid 3 -- x", "name either a command to run or --pid"),
        ("--no-such x", "no such option: --no-such"),
        ("--out", "--out needs a value"),
        ("--every 0 x", "no number from 0.1 to 60"),
        ("--every 61 x", "no number from 0.1 to 60"),
        ("--every nan x", "no number from 0.1 to 60"),
        ("--grace inf x", "is no number"),
        ("--warn-at 120% --budget X x", "is no number"),
        ("--pid x", "is no whole number"),
        ("--label a x", "is no KEY=VALUE"),
        ("--kind exam x", "--kind 'exam' is none"),
        ("--stop x", "are about a budget"),
        ("--follow --pid 3", "--follow is about a command"),
        *((f"--run-id {bad} x", "cannot be a folder") for bad in ("../x", "/x", "a//b", ".hidden", "a/.b", "a\tb")),
    ],
)
def test_mistakes_are_told_and_nothing_starts(words: str, said: str) -> None:
    with pytest.raises(UsageError) as told:
        parse(words.split(" ") if words else [])
    assert said in str(told.value)


def test_run_id_is_one_for_all_nodes_of_a_job_and_new_elsewhere() -> None:
    job = {"SLURM_JOB_ID": "18", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"}
    given = Options(command=["/usr/bin/python3"])
    assert run_id_of(given, job, "n1", 0.0) == run_id_of(given, job, "n2", 9.0) == "slurm-17_3"
    assert run_id_of(given, {"SLURM_JOB_ID": "18"}, "n1", 0.0) == "slurm-18"
    assert run_id_of(given, {"TORCHELASTIC_RUN_ID": "abc", "WORLD_SIZE": "8"}, "n1", 0.0) == "torch-abc"
    assert run_id_of(given, {"GREEN_RUN_ID": "outer", **job}, "n1", 0.0) == "outer"
    assert run_id_of(given, {}, "n 1", 1_767_225_600.0) == f"python3-20260101T000000Z-n-1-{os.getpid()}"
    with pytest.raises(UsageError):
        run_id_of(given, {"GREEN_RUN_ID": "../../etc"}, "n1", 0.0)


@pytest.mark.parametrize("name", ["RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"])
def test_rank_stands_in_the_name_of_the_log(name: str) -> None:
    assert log_name({name: "12"}, "node-1.example", 1) == "node-1.example-rank12.green.jsonl"
    assert log_name({}, "a/b", 2) == "a-b-2.green.jsonl"


def test_record_says_what_the_options_say_and_nothing_else() -> None:
    assert record_of(parse(["x"]), "r") == {}
    said = record_of(parse(["--site", "dc", "--team", "t", "x"]), "r")
    assert said == {"run_id": "r", "team": "t", "site": {"name": "dc"}}


def test_help_names_every_option_that_is_understood_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(green.cli, "_wanted", ["meter"])
    green.cli._register()  # noqa: SLF001 -- the program does the same before it reads its arguments
    command: Any = typer.main.get_command(green.cli.app)
    shown = {
        option.removeprefix("--").replace("-", "_") for one in command.commands["meter"].params for option in one.opts
    }
    understood = {*options.FLAGS, *options.NUMBERS, *options.WHOLE, *options.PAIRS, *options.LISTS, *options.TEXTS}
    assert shown - {"command", "help"} == (understood | {"warn_at"}) - {"session"}
    fields = {name for name in Options.__dataclass_fields__ if name not in ("command", "common")}
    assert fields == understood | {"warn_at"}


def test_options_given_to_the_long_way_reach_the_short_one() -> None:
    given = {"command": ["x"], "out": Path("o"), "label": ["a=b", "c=d"], "stop": True, "pid": None, "as_json": True}
    context: Any = SimpleNamespace(params=given)
    assert rebuilt(context) == ["--out=o", "--label=a=b", "--label=c=d", "--stop", "--json"]


def test_options_of_every_command_may_stand_before_the_name(tmp_path: Path) -> None:
    (tmp_path / "gpu0").write_text("1")
    words = [
        "--store",
        "s.duckdb",
        "meter",
        "--sensors",
        "loop_family:FAMILY",
        "--run-id",
        "x",
        "--",
        "sh",
        "-c",
        "exit 6",
    ]
    ended = subprocess.run(
        [str(BIN / "green"), *words, "--", "sh", "-c", "exit 6"],
        cwd=tmp_path,
        env=environ(RIG=str(tmp_path)),
        check=False,
    )
    assert ended.returncode == 6
    assert len(list(tmp_path.glob("logs/x/*.green.jsonl"))) == 1


def test_meter_loads_no_database_no_model_and_no_command_line() -> None:
    code = (
        "import sys; from green.meters import command, loop, begin, options, watch, child, pipe, log, clock, tally;"
        "from green.entry import main;"
        "print(*sorted({'duckdb', 'pydantic', 'typer', 'rich', 'ruamel', 'subprocess', 'pathlib', 'random', 'tempfile',"
        " 'importlib.metadata', 'pynvml'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=environ(), cwd=REPO
    )
    assert ended.stdout.strip() == ""


def test_what_runs_beside_a_run_loads_no_database_either(tmp_path: Path) -> None:
    (tmp_path / "gpu0").write_text("1")
    (tmp_path / "spy.py").write_text(
        "import sys\nfrom loop_family import Files\nclass Spy(Files):\n    def close(self):\n"
        "        open('loaded', 'w').write(' '.join(sorted(sys.modules)))\nFAMILY = Spy()\n"
    )
    command = [str(BIN / "green"), "meter", "--sensors", "spy:FAMILY", "--run-id", "x", "--", "true"]
    more = environ(RIG=str(tmp_path), PYTHONPATH=f"{REPO}:{HERE}:{tmp_path}")
    subprocess.run(command, cwd=tmp_path, env=more, check=True)
    loaded = set((tmp_path / "loaded").read_text().split())
    assert "green.meters.loop" in loaded
    assert not loaded & {"duckdb", "pydantic", "typer", "rich", "green.cli", "green.model", "green.config", "numpy"}


def dry(tmp_path: Path, *words: str) -> str:
    (tmp_path / "gpu0").write_text("300")
    command = [str(BIN / "green"), "meter", "--sensors", "loop_family:FAMILY", "--dry-run", *words]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environ(RIG=str(tmp_path)), check=True, capture_output=True, text=True
    )
    assert ended.stderr == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu0"]  # nothing is left
    return ended.stdout


def test_dry_run_says_what_is_seen_what_is_not_and_how_to_see_more(tmp_path: Path) -> None:
    lines = dry(tmp_path).splitlines()
    assert lines[1].split() == ["gpu0", "NVIDIA", "A100-SXM4-80GB", "300", "W", "power"]
    assert "not ours" in lines[2]
    assert "energy counter" in lines[3]
    assert lines[4:] == [
        "cannot see",
        "  DRAM 0: there is no such file (NO_DRAM_HERE)",
        "    mend: use a machine with RAPL",
        "knows",
        "  container: rig",
    ]


def test_dry_run_for_programs(tmp_path: Path) -> None:
    found = json.loads(dry(tmp_path, "--json"))
    assert [one["reading"] for one in found["sees"][:2]] == [300.0, 300.0]
    assert found["cannot_see"][0]["code"] == "NO_DRAM_HERE"
    assert found["facts"] == {"container": "rig"}


def test_dry_run_of_this_very_machine_tells_something() -> None:
    command = [str(BIN / "green"), "meter", "--dry-run", "--json"]
    ended = subprocess.run(command, env=environ(), check=True, capture_output=True, text=True)
    found = json.loads(ended.stdout)
    assert set(found) == {"host", "sees", "cannot_see", "facts"}


def test_family_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no family 'no_such_module:X'"):
        begin.chosen(["no_such_module:X"])


def test_two_sensors_of_one_id_are_not_mixed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG", str(tmp_path))
    families = begin.chosen(["loop_family:FAMILY", "loop_family:FAMILY"])
    found = begin.look(families, begin_asked())
    assert [sensor.about.id for sensor in found.sensors] == ["gpu0", "gpu1", "cpu0_j"]
    assert sum("its id is taken" in one.why for one in found.blind) == 3


def begin_asked() -> Any:
    from green.meters import Asked  # noqa: PLC0415 -- beside its one use

    return Asked()
