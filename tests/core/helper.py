"""The pipeline's stages called in one process, on logs written for one test."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from green import index, ingest, stages
from green.audit.commit import Receipt
from green.audit.record import record
from green.config import Config
from green.tables import INGEST, quote

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
SHARD = "all"


@dataclass
class Work:
    """A working directory: logs go in, results and a store come out."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = "logs"

    @property
    def logs(self) -> Path:
        return self.folder / self.name

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def store(self) -> Path:
        return self.folder / "audit" / "green.duckdb"

    @property
    def config(self) -> Config:
        return Config(logs=str(self.logs), shards=1, **self.settings)

    def put(self, name: str, text: str | bytes) -> Path:
        """Write a file below logs."""
        path = self.logs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def scan(self) -> dict[str, list[index.File]]:
        return index.scan(self.logs, fingerprint="content", work=self.folder).sources

    def ingest(self, settings: str = "1") -> None:
        """Ingest as a job does: the outputs of the last time are deleted first, the cache stays."""
        out = self.results / "ingest" / SHARD
        for table in INGEST:
            (out / f"{table}.parquet").unlink(missing_ok=True)
        ingest.ingest(self.config, self.scan(), settings=settings, out=out, cache=self.results / "cache" / SHARD)

    def stage(self, name: str, **settings: Any) -> None:
        given = {**stages.settings_of(self.config)[name], **settings}
        out = self.results / (f"energy/{SHARD}.parquet" if name == "energy" else f"{name}.parquet")
        stages.run(stages.STAGES[name], self.results, [SHARD], out, settings=given)

    def compute(self) -> None:
        """Run every stage up to emissions."""
        self.ingest()
        for name in stages.STAGES:
            self.stage(name)

    def record(self, **more: Any) -> Receipt:
        """Commit the facts of the last computation; `more` are further arguments of `record`."""
        given = {"present": sorted(self.scan()), "generation": "g", "config_sha256": "c", **more}
        return record(self.store, self.results, [SHARD], **given)

    def ledgered(self) -> Receipt:
        self.compute()
        return self.record()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of a stage's Parquet."""
        (file,) = stages.files_of(table, self.results, [SHARD])
        with duckdb.connect() as con:
            con.execute("SET TimeZone = 'UTC'")
            return fetched(con, f"SELECT * FROM read_parquet({quote(file)})")

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return the emissions of each run."""
        return {row["run_id"]: row for row in self.rows("emissions")}

    def rejected(self) -> set[tuple[str, str]]:
        return {(row["file"], row["reason"]) for row in self.rows("rejects")}

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask the published store."""
        with duckdb.connect(str(self.store), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            return fetched(con, sql)


def fetched(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    got = con.execute(sql)
    names = [column[0] for column in got.description]
    return [dict(zip(names, row, strict=True)) for row in got.fetchall()]


def smi(readings: list[tuple[int, float | str]], device: str = "NVIDIA A100-SXM4-80GB") -> str:
    """Write an nvidia-smi log of (milliseconds after START, watts)."""
    lines = []
    for ms, power_w in readings:
        at = START + timedelta(milliseconds=ms)
        lines.append(f"{at:%Y/%m/%d %H:%M:%S}.{at.microsecond // 1000:03d}, {device}, {power_w}")
    return "\n".join(["timestamp, name, power.draw [W]", *lines]) + "\n"


def steady(watts: float, seconds: int = 60, step_s: int = 10) -> str:
    return smi([(s * 1000, watts) for s in range(0, seconds + 1, step_s)])


def native(run_id: str | None, readings: list[dict[str, Any]], sensors: list[dict[str, Any]], **more: Any) -> str:
    """Write a native power log; `t` of a reading is seconds after START."""
    header = {"format": "green/1", "clock": "utc", "sensors": sensors, **more}
    if run_id is not None:
        header["run_id"] = run_id
    lines = [header, *({**reading, "t": START.timestamp() + reading["t"]} for reading in readings)]
    return "\n".join(json.dumps(line) for line in lines) + "\n"


COLUMNS = (
    "timestamp,project_name,run_id,duration,emissions,energy_consumed,country_iso_code,on_cloud,codecarbon_version"
)


def codecarbon(*rows: tuple[str, float]) -> str:
    """Write a CodeCarbon file of (run id, kWh); each row ran for an hour."""
    lines = [f"2026-03-01T09:00:00+00:00,p,{run_id},3600,0.1,{kwh},DEU,N,2.1.0" for run_id, kwh in rows]
    return "\n".join([COLUMNS, *lines]) + "\n"
