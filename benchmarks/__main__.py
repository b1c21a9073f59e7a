"""Run the benchmarks and print each ratio beside its goal: `python -m benchmarks [NAME...] [--json]`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import check, energy, ingest, meter, meter_cost, peers, pipeline, policy, readers, side_by_side
from benchmarks.measure import NO_PEERS, PEERS

if TYPE_CHECKING:
    from benchmarks.measure import Ratio

BENCHMARKS = {
    "check": check.measure,
    "energy": energy.measure,
    "ingest": ingest.measure,
    "meter_cost": meter_cost.measure,
    "pipeline": pipeline.measure,
    "policy": policy.measure,
    "readers": readers.measure,
    "peers": peers.measure,
}
SIDE_BY_SIDE = "side_by_side"  # gives a page, not ratios
METER = "meter"  # likewise
NEED_PEERS = {"meter_cost", "peers", SIDE_BY_SIDE, METER}
COLUMNS = ("benchmark", "what", "measured", "goal", "met", "detail")


def cells(ratio: Ratio) -> tuple[str, ...]:
    """Write one ratio as a row of the table."""
    goal = "" if ratio.goal is None else f"{'>=' if ratio.is_floor else '<='} {ratio.goal:g} {ratio.unit}"
    met = {None: "", True: "yes", False: "no"}[ratio.is_met]
    return ratio.benchmark, ratio.what, f"{ratio.value:.3g} {ratio.unit}", goal, met, ratio.detail


def table(ratios: list[Ratio]) -> str:
    """Write the ratios as a table of Markdown, aligned for a terminal."""
    rows = [COLUMNS, *map(cells, ratios)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(COLUMNS))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def main() -> None:
    """Run what is named, all where nothing is; a missed goal is a result, not an error."""
    names = [*BENCHMARKS, SIDE_BY_SIDE, METER]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"of {', '.join(names)}; all where none is named")
    parser.add_argument("--json", action="store_true", help="one array on stdout, an object a ratio or a figure")
    parser.add_argument("--write", action="store_true", help=f"write {SIDE_BY_SIDE} and {METER} to their pages in docs")
    given = parser.parse_args()
    unknown = set(given.name) - set(names)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    ratios: list[Ratio] = []
    found: side_by_side.Result | None = None
    rig: meter.Result | None = None
    for name in available(given.name or names, is_asked=bool(given.name)):
        print(f"{name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"green-bench-{name}-") as folder:
            if name == SIDE_BY_SIDE:
                found = side_by_side.measure(Path(folder))
            elif name == METER:
                rig = meter.measure(Path(folder))
            else:
                ratios += BENCHMARKS[name](Path(folder))
    show(ratios, found, rig, as_json=given.json)
    if found:
        found.check()
        if given.write:  # a page that does not hold is not written
            side_by_side.PAGE.write_text(found.page(), encoding="utf-8")
    if rig and given.write:
        meter.PAGE.write_text(rig.page(), encoding="utf-8")


def available(chosen: list[str], *, is_asked: bool) -> list[str]:
    """Leave out what needs the other tools where they are not installed; who asked for it is told instead."""
    if PEERS.exists() or not set(chosen) & NEED_PEERS:
        return chosen
    if is_asked:
        sys.exit(f"benchmark: {NO_PEERS}")
    print(f"left out: {', '.join(sorted(NEED_PEERS))} ({NO_PEERS})", file=sys.stderr)
    return [name for name in chosen if name not in NEED_PEERS]


def show(
    ratios: list[Ratio], found: side_by_side.Result | None, rig: meter.Result | None = None, *, as_json: bool
) -> None:
    """Print the ratios, and the cases below them."""
    rows = found.rows if found else []
    if as_json:
        objects = [{**asdict(r), "is_met": r.is_met} for r in ratios]
        objects += [{**asdict(r), "difference_percent": r.difference_percent} for r in rows]
        objects += [{**asdict(r), "error_percent": r.error_percent} for r in (rig.rows if rig else [])]
        print(json.dumps(objects, indent=2))
        return
    if ratios:
        print(table(ratios))
    if found:
        print(found.table())
    if rig:
        print(rig.table())


if __name__ == "__main__":
    main()
