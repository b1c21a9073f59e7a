"""The index: one scan, stable shards, every name that a file system allows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from green import index
from green.errors import InputError
from green.layout import Layout, Layouts
from green.readers import layouts, readers


def touch(root: Path, *names: str | bytes) -> None:
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))  # noqa: PTH118 -- bytes that are no text
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 -- likewise
        with open(path, "wb") as stream:  # noqa: PTH123 -- likewise
            stream.write(b"x")


def sources(root: Path) -> dict[str, list[str]]:
    return {source: [str(file[0]) for file in files] for source, files in index.scan(root).sources.items()}


NAMES = st.lists(st.text("abcdef/", min_size=1, max_size=12), min_size=1, max_size=30, unique=True)


@settings(max_examples=100)
@given(NAMES, st.text("abcdef/", min_size=1))
def test_adding_a_source_moves_no_other(names: list[str], new: str) -> None:
    before = {name: index.shard_of(name, 16) for name in names}
    after = {name: index.shard_of(name, 16) for name in [*names, new]}
    assert all(after[name] == shard for name, shard in before.items())


def test_shard_is_the_first_digit_of_the_path_s_digest() -> None:
    # sha256("abc") = ba7816bf... (FIPS 180-4, example B.1)
    assert [index.shard_of("abc", count) for count in (1, 16, 256)] == ["all", "b", "ba"]


def test_unchanged_index_is_not_written_again_and_an_empty_shard_is_removed(tmp_path: Path) -> None:
    logs, out = tmp_path / "logs", tmp_path / "index"
    touch(logs, *(f"{n}.csv" for n in range(40)))
    shards = index.write_index(index.scan(logs), out, shards=16)
    before = {path.name: path.stat().st_ino for path in out.iterdir()}
    assert index.write_index(index.scan(logs), out, shards=16) == shards
    assert {path.name: path.stat().st_ino for path in out.iterdir()} == before
    gone = shards[0]
    for source in index.read_index(out / f"{gone}.json"):
        (logs / source).unlink()
    assert index.write_index(index.scan(logs), out, shards=16) == shards[1:]
    assert not (out / f"{gone}.json").exists()
    assert {p.name: p.stat().st_ino for p in out.iterdir()} == {n: i for n, i in before.items() if n != f"{gone}.json"}


def test_run_folder_owns_all_below_it_down_to_the_next_record(tmp_path: Path) -> None:
    touch(tmp_path, "a/run.yaml", "a/x.csv", "a/deep/y.csv", "a/deep/run.json", "a/deep/z/w.log", "b.csv")
    assert sources(tmp_path) == {
        "a": ["a/run.yaml", "a/x.csv"],
        "a/deep": ["a/deep/run.json", "a/deep/y.csv", "a/deep/z/w.log"],
        "b.csv": ["b.csv"],
    }


def test_native_logs_of_one_folder_are_one_source_and_others_are_their_own(tmp_path: Path) -> None:
    touch(tmp_path, "j/0.green.jsonl", "j/1.green.jsonl.gz", "j/2.csv", "0.green.jsonl")
    assert sources(tmp_path) == {
        "j": ["j/0.green.jsonl", "j/1.green.jsonl.gz"],
        "j/2.csv": ["j/2.csv"],
        ".": ["0.green.jsonl"],
    }


def test_every_name_that_a_file_system_allows_survives_the_index(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    names = [b"a\nb.csv", b"q'\"\\.csv", b"\xff.csv", b"\xfe.csv", b" .csv", "é\u2028🚀.csv".encode(), b"-rf.csv"]
    touch(logs, *names, b".hidden.csv", b".git/x.csv")
    (shard,) = index.write_index(index.scan(logs), tmp_path / "index", shards=1)
    back = index.read_index(tmp_path / "index" / f"{shard}.json")
    assert {os.fsencode(source) for source in back} == set(names)
    assert back == index.scan(logs).sources


def test_two_undecodable_names_stay_two_when_they_are_shown() -> None:
    assert index.printable("\udcff.csv") != index.printable("\udcfe.csv")


def test_links_to_folders_to_nothing_and_to_themselves_are_left_out(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    touch(logs, "real/a.csv")
    for name, target in (
        ("d.csv", "."),
        ("up", ".."),
        ("gone.csv", "nowhere"),
        ("self.csv", "self.csv"),
        ("run.yaml", "run.yaml"),
    ):
        (logs / name).symlink_to(target)
    (logs / "link.csv").symlink_to("real/a.csv")
    assert sources(logs) == {"real/a.csv": ["real/a.csv"], "link.csv": ["link.csv"]}


@pytest.mark.parametrize(
    ("name", "is_opened"),
    [
        ("mlruns/0/abc/metrics/power", True),
        ("other/power", False),
        ("notmlruns/power", False),
        ("a.CSV", True),
        ("a.csv.gz", True),
        ("a.csv.zst", True),
        ("a.pt", False),
        ("a.yaml", True),
        ("a.benchmark", True),
        ("a.gz", False),
    ],
)
def test_ending_decides_what_is_opened_but_below_mlruns(tmp_path: Path, name: str, is_opened: bool) -> None:  # noqa: FBT001 -- a column of the table
    touch(tmp_path, name)
    found = index.scan(tmp_path)
    assert (list(found.sources) == [name], found.skipped.total()) == (is_opened, 0 if is_opened else 1)


def test_our_own_folders_inside_logs_are_left_out_and_others_of_that_name_are_not(tmp_path: Path) -> None:
    touch(tmp_path, "results/a.json", "audit/b.json", ".snakemake/c.json", "sub/results/d.json", "e.csv")
    assert set(index.scan(tmp_path, work=tmp_path).sources) == {"e.csv", "sub/results/d.json"}


def test_folders_nest_as_deep_as_the_file_system_lets_them(tmp_path: Path) -> None:
    deep = str(tmp_path)
    for _ in range(1200):
        deep += "/a"
        os.mkdir(deep)  # noqa: PTH102 -- pathlib is slow on such a path
    Path(f"{deep}/x.csv").write_bytes(b"x")
    assert list(index.scan(tmp_path).sources) == ["a/" * 1200 + "x.csv"]
    for _ in range(1200):  # the folder is taken down from below: pytest's own way would nest too deep
        for name in os.listdir(deep):  # noqa: PTH208 -- likewise
            os.unlink(f"{deep}/{name}")  # noqa: PTH108 -- likewise
        os.rmdir(deep)  # noqa: PTH106 -- likewise
        deep = deep[:-2]


def test_content_fingerprint_does_not_see_the_time_and_sees_the_bytes(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    before = index.scan(tmp_path, fingerprint="content").sources
    os.utime(tmp_path / "a.csv", (1, 1))
    assert index.scan(tmp_path, fingerprint="content").sources == before
    (tmp_path / "a.csv").write_bytes(b"y")
    assert index.scan(tmp_path, fingerprint="content").sources != before


def test_no_folder_and_an_empty_one_are_input_errors_unless_allowed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        index.scan(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no log and no run record"):
        index.write_index(index.scan(tmp_path), tmp_path / "i", shards=1)
    assert index.write_index(index.scan(tmp_path), tmp_path / "i", shards=1, allow_empty=True) == []


RUN = "0123456789abcdef0123456789abcdef"
TASKS_OF = "01234567-89ab-cdef-0123-456789abcdef"


def test_files_that_a_tool_keeps_for_one_run_are_one_source(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "x_carbontracker.log",
        "x_carbontracker_output.log",
        "y_carbontracker_output.log",
        "emissions.csv",
        f"emissions_base_{TASKS_OF}.csv",
        f"deep/emissions_my_own_{TASKS_OF}.csv.gz",
        "deep/emissions_2024.csv",
        f"mlruns/0/{RUN}/meta.yaml",
        f"mlruns/0/{RUN}/metrics/system/gpu_0_power_usage_watts",
        "mlruns/0/meta.yaml",
        "deep/wandb/run-20260211_121423-kj3gdsjx/files/wandb-events.jsonl",
        "deep/wandb/run-20260211_121423-kj3gdsjx/files/wandb-metadata.json",
        "deep/wandb/debug.log",
    )
    assert sources(tmp_path) == {
        "x_carbontracker.log": ["x_carbontracker.log", "x_carbontracker_output.log"],
        "y_carbontracker.log": ["y_carbontracker_output.log"],
        "emissions.csv": ["emissions.csv", f"emissions_base_{TASKS_OF}.csv"],
        "deep/emissions.csv.gz": [f"deep/emissions_my_own_{TASKS_OF}.csv.gz"],
        "deep/emissions_2024.csv": ["deep/emissions_2024.csv"],
        f"mlruns/0/{RUN}": [f"mlruns/0/{RUN}/meta.yaml", f"mlruns/0/{RUN}/metrics/system/gpu_0_power_usage_watts"],
        "mlruns/0/meta.yaml": ["mlruns/0/meta.yaml"],
        "deep/wandb/run-20260211_121423-kj3gdsjx": [
            "deep/wandb/run-20260211_121423-kj3gdsjx/files/wandb-events.jsonl",
            "deep/wandb/run-20260211_121423-kj3gdsjx/files/wandb-metadata.json",
        ],
        "deep/wandb/debug.log": ["deep/wandb/debug.log"],
    }


def test_a_reader_says_how_its_tool_lays_out_the_files_of_a_run(tmp_path: Path) -> None:
    plug = Layout(r"(?:.*/)?plugs/\d{4}", r"(.*)\.part\d+\.csv", r"\1.csv", values="plugs")
    touch(tmp_path, "plugs/2026/a", "plugs/2026/b/c.csv", "plugs/20261/d.csv", "x.csv", "x.part1.csv", "other/a")
    assert "plugs/2026/b/c.csv" in sources(tmp_path)
    found = index.scan(tmp_path, layouts=Layouts([plug])).sources
    assert {source: [str(file[0]) for file in files] for source, files in found.items()} == {
        "plugs/2026": ["plugs/2026/a", "plugs/2026/b/c.csv"],
        "plugs/20261/d.csv": ["plugs/20261/d.csv"],
        "x.csv": ["x.csv", "x.part1.csv"],
    }


def test_the_layouts_of_the_readers_go_through_the_memory_of_the_pipeline_unchanged() -> None:
    own = layouts(readers())
    kept = [Layout(*one) for one in json.loads(json.dumps([list(one) for one in own]))]
    assert len(kept) == 4
    for path in ("a_carbontracker_err.log", f"x/mlruns/0/{RUN}/meta.yaml", "wandb/latest-run/files/a.json", "a.csv"):
        assert Layouts(kept).source_of(path) == Layouts(own).source_of(path)


def test_a_reader_need_not_say_a_layout() -> None:
    class Plug:
        layout = Layout("plugs")

    assert layouts([Plug(), object()]) == [Plug.layout]  # type: ignore[list-item]  # what matters of a reader here
