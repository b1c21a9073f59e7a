"""The documentation: every command that it shows is run, and every part that is made from the program is compared."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import types
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import duckdb
import pytest

from docs import generate
from green import record as records
from green.readers.native import READER as NATIVE
from green.symbols import SYMBOLS
from tests.conftest import BIN, REPO, snakemake
from tests.readers.fake import FakeSink, write_log

if TYPE_CHECKING:
    from collections.abc import Iterator

FENCE = re.compile(r"^```(\w*)(?: file=(\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PAGES = [
    page
    for page in [*REPO.glob("*.md"), *REPO.glob("docs/**/*.md"), *REPO.glob("policies/*.md")]
    if "```console" in page.read_text(encoding="utf-8")
]
ALL = sorted([*REPO.glob("*.md"), *REPO.glob("docs/**/*.md"), *REPO.glob("policies/*.md")])


def name_of(page: Path) -> str:
    return str(page.relative_to(REPO))


def fenced(page: Path) -> list[tuple[str, str, str]]:
    """Return language, file and text of every block."""
    return [(kind, file, text) for kind, file, text in FENCE.findall(page.read_text(encoding="utf-8"))]


def file_of(page: str, file: str) -> str:
    return next(text for _, name, text in fenced(REPO / page) if name == file)


def steps(text: str) -> Iterator[tuple[str, int, str]]:
    """Give the commands of a console block: command, exit code, what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        code = re.search(r"# exit (\d+)$", command)
        yield command, int(code[1]) if code else 0, printed


def pattern(printed: str) -> str:
    """Turn what a page prints into a pattern: a line of … is any lines, … in a line any text of it."""
    lines = []
    for line in printed.splitlines():
        whole = ".*?".join(re.escape(part) for part in line.split("…"))
        lines.append(r"(?:.*\n)*" if line == "…" else rf"{whole}\n")
    return "".join(lines)


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of the pages: this folder's snakemake, and a make that does what the Makefile does."""
    tools = tmp_path_factory.mktemp("bin")
    script(tools / "snakemake", f'exec "{BIN}/snakemake" --snakefile "{REPO}/Snakefile" "$@"')
    script(tools / "make", "snakemake --config logs=examples/quickstart && exec green report --format text")
    path = os.pathsep.join([str(tools), str(BIN), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "GREEN": str(REPO), "COLUMNS": "200"}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that looks like this one after `make run`."""
    work = tmp_path_factory.mktemp("example")
    (work / "examples").symlink_to(REPO / "examples")
    shutil.copytree(REPO / "policies", work / "policies")
    config = (REPO / "config.yaml").read_text(encoding="utf-8")
    (work / "config.yaml").write_text(f"{config}\nshards: 1\n", encoding="utf-8")
    done = snakemake(work, logs=work / "examples" / "quickstart")
    assert done.returncode == 0, done.stderr
    return work


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_shows_commands_that_work_and_print_what_it_says(
    page: Path, example: Path, shell: dict[str, str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    if page.name == "tutorial.md":  # it begins with an empty folder
        work.mkdir()
    else:
        shutil.copytree(example, work, symlinks=True)
        for other in ("elsewhere", "quarter"):  # one shard is enough to see that another folder works
            (work / other).mkdir()
            (work / other / "config.yaml").write_text("shards: 1\n", encoding="utf-8")
    for kind, file, text in fenced(page):
        if file:
            (work / file).parent.mkdir(parents=True, exist_ok=True)
            (work / file).write_text(text, encoding="utf-8")
        for command, code, printed in steps(text) if kind == "console" else ():
            ran = ["bash", "-o", "pipefail", "-c", command]
            done = subprocess.run(ran, cwd=work, env=shell, capture_output=True, text=True, check=False)
            assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
            if printed:
                assert re.fullmatch(pattern(printed), done.stdout), f"{command}\n{done.stdout}"


def test_make_run_is_the_two_commands_that_the_pages_are_tested_with() -> None:
    recipe = (REPO / "Makefile").read_text(encoding="utf-8").partition("\nrun:")[2].partition("\n\n")[0]
    assert re.search(r"\$\(BIN\)/snakemake (\$\(SHOW\) )?--config logs=\$\(LOGS\)", recipe)
    assert "$(BIN)/green report --format text" in recipe
    assert "LOGS   ?= examples/quickstart" in (REPO / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", generate.pages(), ids=name_of)
def test_generated_parts_are_what_the_program_says(page: Path) -> None:
    mend = f"{name_of(page)} is out of date: run `{generate.COMMAND}`"
    assert page.read_text(encoding="utf-8") == generate.rendered(page), mend


def test_every_generated_part_stands_on_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in generate.pages())
    assert {name for name in generate.BLOCKS if f"<!-- begin {name}: " not in text} == set()


def anchors(page: Path) -> set[str]:
    """Return the anchors that a forge gives to the headings of a page."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), f"{name_of(page)}: {target}"
        assert not anchor or anchor in anchors(found), f"{name_of(page)}: {target}"


def test_readme_leads_to_every_page_and_the_index_to_every_decision() -> None:
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    assert [name_of(p) for p in (REPO / "docs").glob("*.md") if f"(docs/{p.name})" not in readme] == []
    index = (REPO / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    decisions = sorted((REPO / "docs" / "adr").glob("0*.md"))
    assert [p.name for p in decisions if f"]({p.name})" not in index] == []
    numbers = [int(p.name[:4]) for p in decisions]
    assert all(after == before + 1 for before, after in pairwise([0, *numbers]))


@pytest.mark.parametrize("page", ALL, ids=name_of)
def test_pages_name_no_folder_of_a_machine(page: Path) -> None:
    assert re.findall(r"/(?:work|root|home|Users|tmp)/\w+", page.read_text(encoding="utf-8")) == []


def walk(store: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "walk.py").write_text(file_of("docs/store.md", "walk.py"), encoding="utf-8")
    command = [sys.executable, "-I", str(folder / "walk.py"), str(store)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_program_on_the_store_page_finds_the_head_that_verify_finds(example: Path, tmp_path: Path) -> None:
    store = example / "audit" / "green.duckdb"
    command = [str(BIN / "green"), "verify", "--store", str(store), "--json"]
    proof = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert walk(store, tmp_path).stdout == f"{proof['events']} events, head {proof['head']}\n"


@pytest.mark.parametrize(
    ("tampering", "event"),
    [
        ("UPDATE ledger SET payload = replace(payload, '\"', '\"\"') WHERE seq = 7", 7),
        ("UPDATE ledger SET actor = 'actor-000000000000' WHERE seq = 3", 3),
        ("UPDATE ledger SET recorded_at = recorded_at + INTERVAL 1 SECOND WHERE seq = 4", 4),
        ("UPDATE ledger SET prev_hash = repeat('0', 64) WHERE seq = 5", 5),
        ("DELETE FROM ledger WHERE seq = 9", 10),
    ],
)
def test_program_on_the_store_page_finds_a_changed_event(
    example: Path, tmp_path: Path, tampering: str, event: int
) -> None:
    store = tmp_path / "green.duckdb"
    shutil.copyfile(example / "audit" / "green.duckdb", store)
    with duckdb.connect(str(store)) as con:
        con.execute(tampering)
    done = walk(store, tmp_path)
    assert done.returncode != 0
    assert done.stderr == f"event {event} is not what was recorded\n"


def test_program_on_the_store_page_is_short() -> None:
    text = file_of("docs/store.md", "walk.py")
    assert len([line for line in text.splitlines() if line.strip()]) <= 25  # a page of code, no more


def test_record_on_the_records_page_has_no_mistake_and_every_key_but_one(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(file_of("docs/records.md", "logs/nlp/bert-large-07/run.yaml"), encoding="utf-8")
    read = records.read(str(path), "run.yaml")
    assert read.mistakes == []
    assert {key for key in type(read.record).model_fields if not getattr(read.record, key)} == {"device_hours"}


def test_native_log_on_the_records_page_is_read_whole(tmp_path: Path) -> None:
    log = write_log(tmp_path, file_of("docs/records.md", "native.green.jsonl"), timezone=UTC)
    sink = FakeSink()
    assert NATIVE.recognises(log)
    NATIVE.read(log, sink)
    assert sink.rejects == []
    assert sink.powers() == [300.0, 310.5, None, 305.0]
    assert dict(sink.runs[0].units) == {"tokens": 120000.0}
    assert sink.runs[0].status == "completed"


def test_records_page_lists_every_unit() -> None:
    text = (REPO / "docs" / "records.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"[\w%]+", text.partition("| dimension | units |")[2].partition("\n\n")[0]))
    assert set(SYMBOLS) - listed == {"KB", "1"}, "KB is another spelling of kB, 1 is a number without a unit"


def test_reader_of_the_contributing_page_reads_its_log(tmp_path: Path) -> None:
    module = types.ModuleType("watts")
    exec(file_of("CONTRIBUTING.md", "watts.py"), module.__dict__)  # noqa: S102 -- code that our page tells people to run
    reader: Any = module.__dict__["READER"]
    log = write_log(tmp_path, "unix_seconds;watts\n1791489600;41.5\n1791489601;broken\nnoon;40\n1791489602.5;43\n")
    assert reader.recognises(log)
    assert not reader.recognises(write_log(tmp_path, "unix_seconds,watts\n1791489600,41.5\n", name="b.log"))
    sink = FakeSink()
    reader.read(log, sink)
    times = [(t_us, power_w, line) for _, t_us, power_w, _, line in sink.samples]
    assert times == [(1791489600000000, 41.5, 2), (1791489601000000, None, 3), (1791489602500000, 43.0, 5)]
    assert sink.rejects == [(3, "UNREADABLE_POWER"), (4, "BAD_TIME")]


def test_package_of_the_page_is_a_reader_that_conforms(tmp_path: Path) -> None:
    for kind, file, text in fenced(REPO / "docs" / "readers_own.md"):
        if file:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(text, encoding="utf-8")
            assert kind in {"python", "toml", "text"}
    points = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    installed = tmp_path / "green_plug-1.0.dist-info"  # what an installer leaves of the page's pyproject.toml
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: green-plug\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in named.items()) for group, named in points.items()]
    (installed / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    listed = subprocess.run([BIN / "green", "readers"], env=env, capture_output=True, text=True, check=True).stdout
    assert ["plug", "plug meter, plug-log 1"] in [line.split(maxsplit=1) for line in listed.splitlines()]
    tested = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "tests")]
    done = subprocess.run(tested, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_picture_stands_alone_and_can_be_read_aloud() -> None:
    root = ET.parse(REPO / "docs" / "img" / "flow.svg").getroot()  # noqa: S314 -- our own file
    names = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert {"title", "desc"} <= set(names)
    assert not {"script", "image", "use", "foreignObject"} & set(names)
    text = (REPO / "docs" / "img" / "flow.svg").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)|@import", text) == []
    shown = re.search(
        r'<img src="docs/img/flow\.svg"[^>]* alt="([^"]+)"', (REPO / "README.md").read_text(encoding="utf-8")
    )
    assert shown is not None
    assert all(stage in shown[1] for stage in ("ingest", "energy", "embodied", "emissions", "audit", "check", "report"))
