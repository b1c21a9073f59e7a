"""What the configuration settled is taken from the last start only while nothing that it depends on changed."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from green import config, pipeline, settled

ROOT = pipeline.repository()


def settle() -> settled.Settled:
    return pipeline.settled(*config.load_with_value([], {"logs": "logs"}, root=ROOT))


def never() -> settled.Settled:
    raise AssertionError("settled again")


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_was_settled_is_taken_while_its_key_is_the_same() -> None:
    first = settled.recalled("key", settle)
    assert settled.recalled("key", never) == first
    other = replace(first, shards=first.shards + 1)
    assert settled.recalled("another", lambda: other) == other


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "key"}', '{"key": "key", "settled": {"logs": "x"}}'])
def test_a_memory_that_cannot_be_read_is_none(work: Path, text: str) -> None:
    first = settled.recalled("key", settle)
    (work / settled.MEMORY).write_text(text)
    assert settled.recalled("key", settle) == first


def test_the_key_follows_everything_that_a_configuration_depends_on(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "repo" / "green").mkdir(parents=True)
    code = work / "repo" / "green" / "a.py"
    code.write_text("one")
    file = work / "config.yaml"
    file.write_text("shards: 4\n")

    def key(**overrides: object) -> str:
        return settled.key_of([file], overrides, root=work / "repo")

    seen = [key()]
    assert key() == seen[0]
    seen.append(key(logs="elsewhere"))
    file.write_text("shards: 8\n")
    seen.append(key())
    code.write_text("two")  # the same size
    seen.append(key())
    packages = work / "packages"
    packages.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    seen.append(key())
    (packages / "reader-2.0.dist-info").mkdir()
    seen.append(key())
    monkeypatch.chdir(work / "repo")  # paths of the command line are relative to it
    seen.append(key())
    assert len(set(seen)) == len(seen)
