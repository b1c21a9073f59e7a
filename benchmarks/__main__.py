"""Run the benchmarks and print each ratio beside its goal: `python -m benchmarks [NAME...] [--json]`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import energy, ingest, pipeline

if TYPE_CHECKING:
    from benchmarks.measure import Ratio

BENCHMARKS = {"energy": energy.measure, "ingest": ingest.measure, "pipeline": pipeline.measure}
COLUMNS = ("benchmark", "what", "measured", "goal", "met", "detail")


def cells(ratio: Ratio) -> tuple[str, ...]:
    """Write one ratio as a row of the table."""
    goal = "" if ratio.goal is None else f"<= {ratio.goal:g} {ratio.unit}"
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"of {', '.join(BENCHMARKS)}; all where none is named")
    parser.add_argument("--json", action="store_true", help="one array on stdout, an object a ratio")
    given = parser.parse_args()
    unknown = set(given.name) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    ratios: list[Ratio] = []
    for name in given.name or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix=f"green-bench-{name}-") as folder:
            ratios += BENCHMARKS[name](Path(folder))
    print(json.dumps([{**asdict(r), "is_met": r.is_met} for r in ratios], indent=2) if given.json else table(ratios))


if __name__ == "__main__":
    main()
