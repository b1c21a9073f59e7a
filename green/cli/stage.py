"""`green stage NAME`: the plumbing that the pipeline's rules call, one stage at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from green import pipeline
from green.cli import Common, app
from green.cli.runner import progress, say
from green.errors import UsageError
from green.index import write_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.config import Config

RESULTS = pipeline.RESULTS


@app.command(epilog="Example: green stage energy --shard 3")
def stage(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="ingest, energy, embodied, emissions, audit, check, report or gate")],
    shard: Annotated[str, typer.Option(help="shard, for ingest and energy")] = "",
) -> None:
    """Run one stage of the pipeline in this folder, as its rule does."""
    common: Common = context.obj
    del common  # the stages take the configuration that the pipeline's main process left here
    run = STAGES.get(name)
    if run is None:
        raise UsageError(f'no stage "{name}"', mend=f"one of: {', '.join(STAGES)}")
    if name in ("ingest", "energy") and not shard:
        raise UsageError(f"{name} works on one shard", mend="add --shard, as in results/index/shards.txt")
    run(pipeline.left(), shard)


def _ingest(config: Config, shard: str) -> None:
    from green import ingest  # noqa: PLC0415 -- a stage loads what it needs, and no more
    from green.index import read_index  # noqa: PLC0415 -- likewise

    index = read_index(pipeline.INDEX / "shard" / f"{shard}.json")
    settings = (pipeline.INDEX / "ingest.settings").read_text(encoding="utf-8")
    with progress(f"reading shard {shard}", len(index)) as tick:
        ingest.ingest(
            config,
            index,
            settings=settings,
            out=RESULTS / "ingest" / shard,
            cache=RESULTS / "cache" / shard,
            progress=tick,
        )


def _sql(name: str) -> Callable[[Config, str], None]:
    def run(config: Config, shard: str) -> None:
        from green import stages  # noqa: PLC0415 -- likewise

        shards = [shard] if shard else _shards()
        stages.run(
            stages.STAGES[name],
            RESULTS,
            shards,
            RESULTS / "energy" / f"{shard}.parquet" if shard else RESULTS / f"{name}.parquet",
            settings=stages.settings_of(config)[name],
            factor_files=config.factors,
            series_files=config.emissions.series,
        )

    return run


def _shards() -> list[str]:
    return (pipeline.INDEX / "shards.txt").read_text(encoding="utf-8").split()


def _audit(config: Config, _: str) -> None:
    from green.audit import record  # noqa: PLC0415 -- likewise

    receipt = record.record(
        Path(config.store),
        RESULTS,
        _shards(),
        present=json.loads((pipeline.INDEX / "sources.txt").read_text(encoding="utf-8")),
        generation=(pipeline.INDEX / "store").read_text(encoding="utf-8").strip(),
        config_sha256=pipeline.config_digest(config),
        factor_files=config.factors,
        actor=config.audit.actor,
    )
    for note in receipt.notes:
        say(f"warning: {note}")
    _receipt(RESULTS / "audit.json", {"head": receipt.head, "events": receipt.size})


def _receipt(path: Path, value: dict[str, Any]) -> None:
    write_text(path, json.dumps(value, sort_keys=True) + "\n")


def _check(config: Config, _: str) -> None:
    from green.check import check  # noqa: PLC0415 -- likewise
    from green.output import json as as_json  # noqa: PLC0415 -- likewise
    from green.output import markdown  # noqa: PLC0415 -- likewise
    from green.policy.load import load  # noqa: PLC0415 -- likewise

    checked = check(
        Path(config.store),
        load(Path(config.policies), shown="policies"),
        as_of=pipeline.planned_as_of(),
        actor=config.audit.actor,
    )
    write_text(RESULTS / "verdicts.json", as_json.render(checked.judgement))
    write_text(RESULTS / "verdicts.md", markdown.render(checked.judgement))
    _receipt(RESULTS / "check.json", {"head": checked.head, "digest": checked.judgement.digest})


def _gate(config: Config, _: str) -> None:
    from green.cli.check import conclude  # noqa: PLC0415 -- likewise

    raise typer.Exit(conclude(config, as_of=pipeline.planned_as_of()))


def _report(config: Config, _: str) -> None:
    from green.report import write  # noqa: PLC0415 -- likewise

    write(Path(config.store), RESULTS, RESULTS / "report.html", config.report)


STAGES: dict[str, Callable[[Config, str], None]] = {
    "ingest": _ingest,
    "energy": _sql("energy"),
    "embodied": _sql("embodied"),
    "emissions": _sql("emissions"),
    "audit": _audit,
    "check": _check,
    "report": _report,
    "gate": _gate,
}
