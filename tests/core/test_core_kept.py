"""Rows of shards that did not change are taken over: the result is, row for row, the one computed in full."""

from __future__ import annotations

import json
import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from green import factors, index, ingest, kept, series, stages
from green.config import Config
from green.factors.cached import fingerprint
from green.tables import quote
from tests.core.helper import Work, steady

if TYPE_CHECKING:
    from pathlib import Path

Rows = list[tuple[Any, ...]]
SHARDS = ["0", "1", "2", "3"]
RECORD = """
run_id: {run_id}
team: a
started_at: 2026-03-01T08:00:00Z
duration: {hours} h
site: {{region: {region}}}
hardware:
- {{device: NVIDIA T4, count: {count}, average_power: {power} W}}
- {{device: {device}, average_power: 300 W}}
"""


class Sharded:
    """A folder of results with four shards, each of a few runs."""

    def __init__(self, folder: Path) -> None:
        self.results = folder / "results"
        self.logs = folder / "logs"
        self.computed: list[str] = []

    def put(self, shard: str, number: int, noise: random.Random, run_id: str = "") -> None:
        path = self.logs / shard / f"run-{number}" / "run.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            RECORD.format(
                run_id=run_id or f"{shard}-{number}",
                hours=noise.randrange(1, 99),
                region=noise.choice(["FR", "DE", "gcp:us-central1", "Atlantis"]),
                count=noise.randrange(1, 9),
                power=noise.randrange(10, 70),
                device=noise.choice(["NVIDIA A100-SXM4-80GB", "NVIDIA H100 SXM5 80GB", "Nothing 9000"]),
            ),
            encoding="utf-8",
        )

    def run(self, **settings: Any) -> tuple[Rows, Rows]:
        """Compute as the jobs do, and return the rows of both results, in their order."""
        config = Config(logs=str(self.logs), shards=1)
        for shard in SHARDS:
            found = index.scan(self.logs / shard, fingerprint="content", work=self.logs).sources
            out = self.results / "ingest" / shard
            shutil.rmtree(out, ignore_errors=True)
            inner = Config(logs=str(self.logs / shard), shards=1)
            ingest.ingest(inner, found, settings="1", out=out, cache=self.results / "cache" / shard)
            self._stage("energy", [shard], f"energy/{shard}.parquet", config, settings)
        return (
            self._stage("embodied", SHARDS, "embodied.parquet", config, settings),
            self._stage("emissions", SHARDS, "emissions.parquet", config, settings),
        )

    def _stage(self, name: str, shards: list[str], out: str, config: Config, settings: dict[str, Any]) -> Rows:
        given = {**stages.settings_of(config)[name], **settings.get(name, {})}
        (self.results / out).unlink(missing_ok=True)  # as Snakemake does
        stages.run(stages.STAGES[name], self.results, shards, self.results / out, settings=given)
        with duckdb.connect() as con:
            return con.execute(f"FROM read_parquet({quote(self.results / out)})").fetchall()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note which shards were taken over."""
    seen: list[list[str]] = []
    same = kept.same

    def noted(*arguments: Any) -> list[str]:
        seen.append(same(*arguments))
        return seen[-1]

    monkeypatch.setattr(kept, "same", noted)
    return seen


def test_what_is_taken_over_is_what_a_full_computation_gives(tmp_path: Path, taken: list[list[str]]) -> None:
    noise = random.Random(7)  # noqa: S311 -- cases, not secrets
    work = Sharded(tmp_path / "again")
    for shard in SHARDS:
        for number in range(3):
            work.put(shard, number, noise)
    work.run()
    for step in range(6):
        work.put(noise.choice(SHARDS), noise.randrange(4), noise)
        again = work.run()
        full = Sharded(tmp_path / f"full-{step}")
        shutil.copytree(work.logs, full.logs)
        assert again == full.run()
    assert sum(len(one) == 3 for one in taken) >= 12, "nothing was taken over: the test compares nothing"


@pytest.mark.parametrize("is_linked", [True, False], ids=["links", "no links"])
def test_where_nothing_changed_the_kept_result_is_given_as_made_now_and_nothing_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_linked: bool
) -> None:
    noise = random.Random(5)  # noqa: S311 -- as above
    work = Sharded(tmp_path)
    for shard in SHARDS:
        work.put(shard, 0, noise)
    work.run()
    settings = stages.settings_of(Config(logs=str(work.logs), shards=1))["embodied"]
    out = work.results / "embodied.parquet"
    before = out.read_bytes()
    os.utime(out, (1, 1))
    monkeypatch.setattr(stages, "connect", lambda *_, **__: pytest.fail("it was computed"))
    if not is_linked:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    for is_there in (True, False):  # as a person runs a stage again, and as Snakemake does
        if not is_there:
            out.unlink()
        stages.run(stages.STAGES["embodied"], work.results, SHARDS, out, settings=settings)
        assert out.read_bytes() == before
        assert out.stat().st_mtime > 1
        assert not list(work.results.glob(".embodied*"))


def test_a_changed_table_of_factors_computes_anew(tmp_path: Path, taken: list[list[str]]) -> None:
    work = Sharded(tmp_path)
    for shard in SHARDS:
        work.put(shard, 0, random.Random(6))  # noqa: S311 -- as above
    work.run()
    taken.clear()
    table = tmp_path / "own.csv"
    header = (factors.files()[0]).read_text(encoding="utf-8").splitlines()[0]
    table.write_text(f"{header}\n", encoding="utf-8")
    settings = stages.settings_of(Config(logs=str(work.logs), shards=1))["embodied"]
    out = work.results / "embodied.parquet"
    stages.run(stages.STAGES["embodied"], work.results, SHARDS, out, settings=settings, factor_files=[str(table)])
    assert taken == [[]]


def test_other_settings_compute_all_of_it(tmp_path: Path, taken: list[list[str]]) -> None:
    noise = random.Random(1)  # noqa: S311 -- as above
    work = Sharded(tmp_path)
    for shard in SHARDS:
        work.put(shard, 0, noise)
    first = work.run()
    taken.clear()
    assert work.run(embodied={"lifetime_h": 1000.0}) != first
    assert taken == [[], []], "embodied has another lifetime, and emissions what follows from it"


def test_a_run_id_of_two_shards_is_computed_in_full(tmp_path: Path) -> None:
    noise = random.Random(2)  # noqa: S311 -- as above
    work = Sharded(tmp_path / "again")
    for shard in SHARDS:
        work.put(shard, 0, noise)
    work.put("3", 1, noise, run_id="0-0")
    work.run()
    work.put("3", 1, noise, run_id="0-0")
    again = work.run()
    full = Sharded(tmp_path / "full")
    shutil.copytree(work.logs, full.logs)
    assert again == full.run()


@pytest.mark.parametrize("harm", ["cut", "lost", "other", "state"])
def test_what_was_kept_and_is_damaged_is_not_used(tmp_path: Path, harm: str, taken: list[list[str]]) -> None:
    noise = random.Random(3)  # noqa: S311 -- as above
    work = Sharded(tmp_path)
    for shard in SHARDS:
        work.put(shard, 0, noise)
    whole = work.run()
    file, state = (work.results / "cache" / f"emissions.{kind}" for kind in ("parquet", "json"))
    if harm == "state":
        state.write_text("{", encoding="utf-8")
    elif harm == "lost":
        file.unlink()
    else:
        content = file.read_bytes()
        file.unlink()  # it is a link: the result itself must stay
        file.write_bytes(content[:-9] if harm == "cut" else content[::-1])
    taken.clear()
    assert work.run() == whole
    assert taken[-1] == []
    assert json.loads(state.read_text(encoding="utf-8"))["shards"].keys() == set(SHARDS)


def test_the_table_of_rejects_is_given_again_where_none_changed_and_written_anew_where_one_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(tmp_path)
    work.put("a/gpu.csv", steady(100) + "2026/03/01 09:00:00.000, NVIDIA A100-SXM4-80GB, hot\n")
    work.ledgered()
    out = work.results / "rejects.parquet"
    before = out.read_bytes()
    out.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(stages, "connect", lambda *_, **__: pytest.fail("an engine was started for it"))
        work.record()
    assert out.read_bytes() == before
    work.put("b/gpu.csv", steady(200) + "2026/03/01 09:00:00.000, NVIDIA A100-SXM4-80GB, cold\n")
    work.ledgered()
    with duckdb.connect() as con:
        files = con.execute(f"SELECT DISTINCT file FROM read_parquet({quote(out)}) ORDER BY file").fetchall()
    assert files == [("a/gpu.csv",), ("b/gpu.csv",)]


def test_hardware_that_the_site_has_and_no_log_names_reaches_the_store_when_it_changes(tmp_path: Path) -> None:
    work = Work(tmp_path, settings=fitted(1))
    for number in range(4):
        work.put(f"r{number}/gpu.csv", steady(100 + number))
    work.ledgered()
    work.settings = fitted(8)
    work.ingest("2")
    for name in stages.STAGES:
        work.stage(name)
    work.record(config_sha256="other")
    held = work.query("SELECT run_id, as_double(embodied_kgco2e) AS kg FROM current_run ORDER BY run_id")
    assert [row["kg"] for row in held] == pytest.approx([float(row["embodied_kgco2e"]) for row in work.runs().values()])
    assert all(row["kg"] > 0 for row in held)


def fitted(count: int) -> dict[str, Any]:
    hardware = [{"device": "NVIDIA A100-SXM4-80GB", "count": count}]
    return {"default_site": "x", "sites": {"x": {"region": "FR", "hardware": hardware}}}


@pytest.mark.parametrize("name", ["own.csv", "own.txt", "own.CSV", "own"])
def test_an_own_table_of_factors_counts_whatever_its_name(tmp_path: Path, name: str) -> None:
    table = tmp_path / name
    found = {fingerprint(), fingerprint([])}
    for text in ("a\n", "b\n"):
        table.write_text(text, encoding="utf-8")
        found.add(fingerprint([table]))
    assert len(found) == 3
    second = tmp_path / "second"
    second.write_text("a\n", encoding="utf-8")
    assert fingerprint([table, second]) != fingerprint([second, table])


@pytest.mark.parametrize("harm", ["restored", "state lost"])
def test_emissions_follow_the_embodied_result_that_is_there(tmp_path: Path, harm: str) -> None:
    work = Sharded(tmp_path)
    for shard in SHARDS:
        work.put(shard, 0, random.Random(2))  # noqa: S311 -- as above; its devices are known
    work.run(embodied={"lifetime_h": 1000.0})
    settings = stages.settings_of(Config(logs=str(work.logs), shards=1))
    out, file, state = (
        work.results / name for name in ("emissions.parquet", "embodied.parquet", "cache/embodied.json")
    )
    if harm == "restored":
        with duckdb.connect() as con:
            con.execute(
                f"CREATE TABLE e AS SELECT * REPLACE (embodied_kgco2e * 10 AS embodied_kgco2e) FROM {quote(file)}"
            )
            file.unlink()
            con.execute(f"COPY e TO {quote(file)} (FORMAT parquet)")
    else:
        for life_h in (1000.0, 50_000.0):
            file.unlink()
            lasting = {**settings["embodied"], "lifetime_h": life_h}
            stages.run(stages.STAGES["embodied"], work.results, SHARDS, file, settings=lasting)
            state.unlink()
            stages.run(stages.STAGES["emissions"], work.results, SHARDS, out, settings=settings["emissions"])
    stages.run(stages.STAGES["emissions"], work.results, SHARDS, out, settings=settings["emissions"])
    with duckdb.connect() as con:
        sums = [f"(SELECT sum(embodied_kgco2e) FROM read_parquet({quote(one)}))" for one in (out, file)]
        (totals,) = con.execute(f"SELECT {', '.join(sums)}").fetchall()
    assert totals[0] is not None, "two unknown sums would be equal, too"
    assert totals[0] == totals[1]


@pytest.mark.parametrize("folder", ["factors", "payloads"])
@pytest.mark.parametrize("harm", ["cut", "emptied", "renamed"])
def test_a_damaged_table_of_factors_in_the_cache_is_made_anew(tmp_path: Path, folder: str, harm: str) -> None:
    work = Work(tmp_path)
    work.put("a/gpu.csv", steady(100))
    work.ledgered()
    (file,) = (work.results / "cache" / folder).glob("*.parquet")
    whole = file.read_bytes()
    if harm == "renamed":
        head, *_ = file.stem.split("-")
        file.rename(file.with_name(f"{head}-{'0' * 64}-{'0' * 64}.parquet"))
    else:
        file.write_bytes(whole[:100] if harm == "cut" else b"")
    work.put("b/gpu.csv", steady(200))
    work.ledgered()
    (again,) = (work.results / "cache" / folder).glob("*.parquet")
    assert (again.name, again.read_bytes()) == (file.name, whole)
    assert len(work.query("FROM current_run")) == 2


def test_a_series_counts_by_its_bytes_and_by_how_its_name_says_they_are_read(tmp_path: Path) -> None:
    first, packed, moved = (tmp_path / name for name in ("s.csv", "s.csv.gz", "t.csv"))
    for file in (first, packed, moved):
        file.write_bytes(b"zone,hour_at,intensity_gco2e_per_kwh\n")
    assert series.digest([str(first)]) == series.digest([str(moved)])
    assert series.digest([str(first)]) != series.digest([str(packed)])
