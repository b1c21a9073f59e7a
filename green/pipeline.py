"""What the Snakefile needs at parse time: configuration, shard index, settings files, store identity.

Everything that must trigger a job when it changes stands in a small file below `results/index`,
written only if its text changed; Snakemake's own bookkeeping may be lost without harm.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green import __version__, index
from green.errors import UsageError, Where
from green.handover import CHECKED, IDENTITY, INDEX, LEFT, NEEDS, RECEIPTS, Needs
from green.layout import Layout, Layouts
from green.settled import Settled, key_of, recalled
from green.sql import text_digest
from green.tables import INGEST

if TYPE_CHECKING:
    from green.config import Config

SHARD = "all"  # of what is computed without Snakemake
INGESTED = list(INGEST)  # the tables that the ingest rule gives


@dataclass(frozen=True)
class Plan:
    """The shape of the pipeline: its shards, and the files outside results that rules list as inputs."""

    shards: list[str]
    factors: list[str]
    series: list[str]
    policies: list[str]


def repository() -> Path:
    """Return the folder that holds config.yaml, policies and the Snakefile of this green."""
    return Path(__file__).resolve().parent.parent


def layers(root: Path) -> list[Path]:
    """Return the configuration files that apply without being named: the repository's, then the one here."""
    return [path for path in (root / "config.yaml", Path("config.yaml").resolve()) if path.exists()]


def from_snakemake(root: Path, given: Any, *, main: bool) -> Plan:  # noqa: ANN401 -- Snakemake's ConfigSettings
    """Load the configuration as Snakemake was called, and plan; errors leave without a traceback."""
    if root != repository():
        raise UsageError(
            "the Snakefile and the installed green are not of one repository",
            where=Where(os.path.relpath(root)),
            mend="run the snakemake of this repository's environment, or install this repository there",
        )
    files: list[Path | str] = [*layers(root), *map(str, given.configfiles or ())]
    overrides = given.config or {}

    def settle() -> Settled:
        from green import config as configuration  # noqa: PLC0415 -- 100 ms, where the configuration changed

        return settled(*configuration.load_with_value(files, overrides, root=root))

    return plan(recalled(key_of(files, overrides, root=root), settle), main=main)


def settled(config: Config, value: dict[str, Any]) -> Settled:
    """Return what planning takes from a configuration, and what it leaves for the jobs.

    `value` is the plain value that the configuration was made of.
    """
    from green.readers import layouts, readers  # noqa: PLC0415 -- loads every reader, where the configuration changed

    texts = {str(INDEX / f"{name}.settings"): text for name, text in settings(config).items()}
    texts[str(LEFT)] = json.dumps(value, sort_keys=True, indent=1) + "\n"
    texts[str(NEEDS)] = json.dumps(asdict(_needs(config)), sort_keys=True, indent=1) + "\n"
    return Settled(
        logs=config.logs,
        fingerprint=config.ingest.fingerprint,
        shards=config.shards,
        allow_empty=config.allow_empty,
        store=config.store,
        policies=config.policies,
        factors=list(config.factors),
        series=list(config.emissions.series),
        as_of=config.check.as_of,
        layouts=[list(one) for one in layouts(readers())],
        texts=texts,
    )


def _needs(config: Config) -> Needs:
    from green import stages  # noqa: PLC0415 -- where the configuration changed
    from green.readers import installed  # noqa: PLC0415 -- likewise

    return Needs(
        store=config.store,
        policies=config.policies,
        actor=config.audit.actor,
        factors=list(config.factors),
        series=list(config.emissions.series),
        settings=stages.settings_of(config),
        report=config.report.model_dump(mode="json"),
        config_sha256=config_digest(config),
        logs=config.logs,
        readers=[one.place for one in installed()],
    )


def plan(known: Settled, *, main: bool) -> Plan:
    """Write the index (in the main process) or read what was written; the DAG depends on nothing else."""
    shards_file = INDEX / "shards.txt"
    if main:
        laid_out = Layouts(Layout(*one) for one in known.layouts)
        found = index.scan(Path(known.logs), fingerprint=known.fingerprint, layouts=laid_out)
        shards = index.write_index(found, INDEX / "shard", shards=known.shards, allow_empty=known.allow_empty)
        index.write_text(shards_file, "".join(f"{shard}\n" for shard in shards))
        for file, text in known.texts.items():
            index.write_text(Path(file), text)
        checked = {"green": __version__, "as_of": resolved(known.as_of)}
        index.write_text(CHECKED, json.dumps(checked, sort_keys=True, indent=0) + "\n")
        index.write_text(INDEX / "sources.txt", json.dumps(sorted(map(index.printable, found.sources))) + "\n")
        index.write_text(INDEX / "store", _identity(known.store) + "\n")
    shards = shards_file.read_text(encoding="utf-8").split()
    return Plan(shards, known.factors, known.series, _policies(known.policies))


def _identity(store: str) -> str:
    from green.audit.store import identity  # noqa: PLC0415 -- opens DuckDB, in the main process only

    return identity(Path(store), RECEIPTS, IDENTITY)


def _policies(named: str) -> list[str]:
    from green.policy.files import files  # noqa: PLC0415 -- pulls the YAML reader in

    folder = Path(named)
    return [str(file) for file in files(folder)] if folder.exists() else []


def settings(config: Config) -> dict[str, str]:
    """Return the text of each stage's settings file but the check's: its version and all that changes its result."""
    from green import factors, ingest, kept, stages  # noqa: PLC0415 -- where the configuration changed
    from green.readers import installed  # noqa: PLC0415 -- likewise

    readers = [f"{one.name} {one.version}" for one in installed()]  # another one reads anew
    of_stage = stages.settings_of(config)
    site_keys = ("default_site", "sites", "teams", "projects", "ingest")
    dumped = config.model_dump(mode="json", include=set(site_keys))
    out = {"ingest": {"version": ingest.VERSION, "logs": Path(config.logs).name, "readers": readers, **dumped}}
    out["ingest"]["mapped"] = config.model_dump(mode="json", include={"readers"})
    shipped = kept.digest_of(factors.shipped())
    for name, stage in stages.STAGES.items():
        # our own SQL and factor files by content: as inputs they would be paths of this machine
        out[name] = {"factors": shipped, "sql": text_digest(name), "version": stage.version, **of_stage[name]}
    out["report"] = config.report.model_dump(mode="json")
    return {name: json.dumps(value, sort_keys=True, indent=0) + "\n" for name, value in out.items()}


def resolved(as_of: str) -> str:
    """Put the clock's time in the place of `now`; nothing below the command line and the Snakefile reads a clock."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if as_of == "now" else as_of


def config_digest(config: Config) -> str:
    """Return the digest of what the configuration says, without the paths of a machine."""
    from green.audit.ledger import digest  # noqa: PLC0415 -- beside its one use

    body = config.model_dump(mode="json", exclude={"logs", "store", "policies", "factors"})
    body["emissions"]["series"] = [os.path.basename(path) for path in config.emissions.series]  # noqa: PTH119 -- text
    return digest(json.dumps(body, sort_keys=True))


def compute(config: Config, found: index.Scan, results: Path, *, cache: Path, by: str) -> None:
    """Run the stages over all sources as one shard, without Snakemake."""
    from green import ingest, stages  # noqa: PLC0415 -- as above

    out = results / "ingest" / SHARD
    ingest.ingest(config, found.sources, settings=by, out=out, cache=cache)
    of_stage = stages.settings_of(config)
    for name, stage in stages.STAGES.items():
        stages.run(
            stage,
            results,
            [SHARD],
            results / "energy" / f"{SHARD}.parquet" if stage.per_shard else results / f"{name}.parquet",
            settings=of_stage[name],
            factor_files=config.factors,
            series_files=config.emissions.series,
        )


def commit(config: Config, found: index.Scan, results: Path, store: Path, *, by: str) -> None:
    """Record in a store what `compute` left, as the rule `audit` does."""
    from green import stages  # noqa: PLC0415 -- as above
    from green.audit import record  # noqa: PLC0415 -- opens DuckDB

    record.record(
        store,
        results,
        [SHARD],
        present=sorted(map(index.printable, found.sources)),
        generation=by,
        config_sha256=config_digest(config),
        factor_files=config.factors,
        series_files=config.emissions.series,
        instruments=stages.instruments_of(config),
        actor=by,
    )
