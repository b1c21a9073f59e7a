"""The stages as jobs of the pipeline: each takes what the main process left, loads what it needs, and no more.

Seven short processes do one changed log, so that what a job imports is most of what it costs: nothing
here needs the command line, and only `ingest` the model of the configuration.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from green import handover
from green.handover import IDENTITY, INDEX, RECEIPTS, RESULTS
from green.index import write_parts, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Tick = Callable[[int], None]
    Watch = Callable[[str, int | None], AbstractContextManager[Tick]]

OF_SHARD = ("ingest", "energy")


@contextmanager
def unwatched(what: str, total: int | None) -> Iterator[Tick]:
    """Show no progress: nobody looks at the log of a job that runs."""
    del what, total
    yield lambda _: None


def run(name: str, shard: str = "", watch: Watch = unwatched) -> None:
    """Run one stage in this folder; `watch` shows the progress of what takes long."""
    if name == "ingest":
        _ingest(shard, watch)
    else:
        JOBS[name](shard)


def _ingest(shard: str, watch: Watch) -> None:
    from green import ingest  # noqa: PLC0415 -- a stage loads what it needs, and no more
    from green.index import read_index  # noqa: PLC0415 -- likewise

    config = handover.left()
    among = ingest.tried(config, handover.needs().readers)
    index = read_index(INDEX / "shard" / f"{shard}.json")
    settings = (INDEX / "ingest.settings").read_text(encoding="utf-8")
    with watch(f"reading shard {shard}", len(index)) as tick:
        ingest.ingest(
            config,
            index,
            settings=settings,
            out=RESULTS / "ingest" / shard,
            cache=RESULTS / "cache" / shard,
            progress=tick,
            among=among,
        )


def _sql(name: str, shard: str) -> None:
    from green import stages  # noqa: PLC0415 -- likewise

    needs = handover.needs()
    stages.run(
        stages.STAGES[name],
        RESULTS,
        [shard] if shard else _shards(),
        RESULTS / "energy" / f"{shard}.parquet" if shard else RESULTS / f"{name}.parquet",
        settings=needs.settings[name],
        factor_files=needs.factors,
        series_files=needs.series,
    )


def _shards() -> list[str]:
    return (INDEX / "shards.txt").read_text(encoding="utf-8").split()


def _audit(_: str) -> None:
    from green.audit import record  # noqa: PLC0415 -- likewise

    needs = handover.needs()
    receipt = record.record(
        Path(needs.store),
        RESULTS,
        _shards(),
        present=json.loads((INDEX / "sources.txt").read_text(encoding="utf-8")),
        generation=_generation(),
        config_sha256=needs.config_sha256,
        factor_files=needs.factors,
        series_files=needs.series,
        instruments=needs.settings["emissions"]["instruments"] or (),
        actor=needs.actor,
    )
    for note in receipt.notes:
        sys.stderr.write(f"warning: {note}\n")
    _receipt(RESULTS / "audit.json", {"head": receipt.head, "events": receipt.size})


def _generation() -> str:
    return (INDEX / "store").read_text(encoding="utf-8").strip()


def _receipt(path: Path, value: dict[str, Any]) -> None:
    write_text(path, json.dumps(value, sort_keys=True) + "\n")


def _check(_: str) -> None:
    from green.audit import store  # noqa: PLC0415 -- likewise
    from green.check import check  # noqa: PLC0415 -- likewise
    from green.output import json as as_json  # noqa: PLC0415 -- likewise
    from green.output import junit, markdown, sarif  # noqa: PLC0415 -- likewise
    from green.output.finding import frame  # noqa: PLC0415 -- likewise
    from green.policy.load import load  # noqa: PLC0415 -- likewise
    from green.stages import FACTORS  # noqa: PLC0415 -- likewise
    from green.whatif import MEMORY, Rates  # noqa: PLC0415 -- likewise

    needs = handover.needs()
    policies = load(Path(needs.policies), shown="policies")
    checked = check(
        Path(needs.store),
        policies,
        as_of=handover.planned_as_of(),
        actor=needs.actor,
        memory=RESULTS / "cache" / "verdicts.parquet",
        rates=Rates(needs.settings, needs.factors, needs.series, RESULTS / FACTORS, RESULTS / MEMORY, keeps=True),
    )
    write_parts(RESULTS / "verdicts.json", as_json.parts(checked.judgement))
    write_text(RESULTS / "verdicts.md", markdown.render(checked.judgement))
    where = frame(policies, needs.logs)
    write_text(RESULTS / "verdicts.sarif", sarif.render(checked.judgement, frame=where))
    write_text(RESULTS / "verdicts.junit.xml", junit.render(checked.judgement, frame=where))
    _receipt(RESULTS / "check.json", {"head": checked.head, "digest": checked.judgement.digest})
    store.remember(Path(needs.store), RECEIPTS, IDENTITY, _generation())


def _report(_: str) -> None:
    from green.report import write  # noqa: PLC0415 -- likewise

    needs = handover.needs()
    write(Path(needs.store), RESULTS, RESULTS / "report.html", SimpleNamespace(**needs.report))


JOBS: dict[str, Callable[[str], None]] = {
    "energy": lambda shard: _sql("energy", shard),
    "embodied": lambda shard: _sql("embodied", shard),
    "emissions": lambda shard: _sql("emissions", shard),
    "audit": _audit,
    "check": _check,
    "report": _report,
}
NAMES = ("ingest", *JOBS)
