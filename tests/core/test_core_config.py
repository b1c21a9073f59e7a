"""Configuration: layers, paths, and the place of every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from green import config
from green.errors import UsageError

ROOT = Path("/repository")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_later_file_wins_key_by_key_and_overrides_win_over_all(work: Path) -> None:
    one = write(work / "1.yaml", "report: {title: one, most_runs: 7}\nshards: 1\ncheck: {as_of: now}\n")
    two = write(work / "2.yaml", "report: {title: two}\nshards: 256\n")
    found = config.load([one, two], {"shards": 16}, root=ROOT)
    assert (found.report.title, found.report.most_runs, found.shards, found.check.as_of) == ("two", 7, 16, "now")


def test_path_in_a_file_is_relative_to_that_file_and_on_the_command_line_to_here(work: Path) -> None:
    text = "logs: ../l\nstore: s.duckdb\nfactors: [f.csv, /abs/g.csv]\nemissions: {series: [h.csv]}\n"
    file = write(work.parent / "elsewhere" / "c.yaml", text)
    found = config.load([file], {"policies": "p"}, root=ROOT)
    assert found.logs == str(work.parent / "l")
    assert found.store == str(file.parent / "s.duckdb")
    assert found.factors == (str(file.parent / "f.csv"), "/abs/g.csv")
    assert found.emissions.series == (str(file.parent / "h.csv"),)
    assert found.policies == str(work / "p")


def test_what_nobody_says_is_here_but_policies_are_the_repository_s(work: Path) -> None:
    found = config.load([], root=ROOT)
    assert found.logs == str(work / "logs")
    assert found.store == str(work / "audit" / "green.duckdb")
    assert found.policies == str(ROOT / "policies")


def test_unknown_key_is_shown_with_its_line_and_the_near_name(work: Path) -> None:
    file = write(work / "c.yaml", "shards: 1\nreport:\n  most_run: 3\n")
    with pytest.raises(UsageError) as caught:
        config.load([file], root=ROOT)
    assert caught.value.what == 'unknown key "report.most_run"'
    assert str(caught.value.where) == "c.yaml:3:3"
    assert caught.value.mend == "did you mean most_runs?"


def test_mistake_is_placed_in_the_layer_that_says_it(work: Path) -> None:
    one = write(work / "1.yaml", "shards: 1\n")
    two = write(work / "2.yaml", "# a comment\nshards: 7\n")
    with pytest.raises(UsageError) as caught:
        config.load([one, two], root=ROOT)
    assert str(caught.value.where) == "2.yaml:2:1"
    with pytest.raises(UsageError) as caught:
        config.load([one], {"shards": 7}, root=ROOT)
    assert caught.value.where is not None
    assert caught.value.where.file == "--config"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sites: {a: {pue: 0.9}}\n", "PUE is at least 1"),
        ("sites: {a: {cost: {tariff: 1 EUR/kWh}}}\n", "EUR"),
        ("energy: {max_gap: 30}\n", "no unit"),
        ("energy: {max_gap: .inf}\n", "unit"),
        ("default_site: b\n", 'default_site "b"'),
        ("- 1\n", "not a mapping"),
        ("ingest: {most_rejects_per_file: 0}\n", "most_rejects_per_file"),
        ("factors: f.csv\n", "factors"),
        ("logs: 5\n", "logs"),
    ],
)
def test_useless_value_is_refused_in_words(work: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.load([write(work / "c.yaml", text)], root=ROOT)
    assert words in str(caught.value)


def test_values_that_snakemake_parsed_are_taken_as_they_are(work: Path) -> None:
    del work
    given = {"shards": 1, "allow_empty": True, "sites": {"a": {"pue": "1.3"}}, "report": {"title": "5"}}
    found = config.load([], given, root=ROOT)
    assert (found.shards, found.allow_empty, found.report.title) == (1, True, "5")
    assert str(found.sites["a"].pue.value if found.sites["a"].pue else None) == "1.3"


def test_norway_is_a_region_and_no_boolean(work: Path) -> None:
    file = write(work / "c.yaml", "sites: {oslo: {region: NO}}\n")
    assert config.load([file], root=ROOT).sites["oslo"].region == "NO"


def test_configuration_survives_the_way_to_the_jobs(work: Path) -> None:
    import json  # noqa: PLC0415 -- beside its one use

    text = 'sites: {a: {pue: 1.2 ± 5 %, hardware: [{device: X, average_power: "330 W"}]}}\nenergy: {max_gap: 30 s}\n'
    found, value = config.load_with_value([write(work / "c.yaml", text)], root=ROOT)
    assert config.read_back(json.dumps(value)) == found
