"""Attack the store as often as asked, and say what came of it: `python -m tests.reliability tamper --count 100`.

With `--write`, the table goes into docs/reliability.md. The command ends 1 where the store kept a promise not.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.reliability import concurrent, damage, faults, kill, million, tamper
from tests.reliability.table import Outcome

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
TRIALS: dict[str, tuple[Callable[[int], Outcome], int]] = {
    "tamper": (tamper.run, 100),
    "kill": (kill.run, 1000),
    "faults": (faults.run, 10),
    "damage": (damage.run, 1000),
    "concurrent": (concurrent.run, 32),
    "million": (million.run, 1_000_000),
}


def main() -> int:
    """Run one trial and print its table."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("trial", choices=sorted(TRIALS))
    parser.add_argument("--count", type=int)
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    given = parser.parse_args()
    run, most = TRIALS[given.trial]
    count = given.count or most
    started = time.perf_counter()
    outcome = run(count)
    seconds = time.perf_counter() - started
    words = f"{outcome.title}\n\n{outcome.table()}\n\n{outcome.summary}\n"
    sys.stdout.write(words)
    sys.stderr.write(f"{seconds:.0f} s\n")
    if given.write:
        write(given.trial, count, words)
    return 0 if outcome.kept else 1


def write(trial: str, count: int, words: str) -> None:
    """Put a table into the page, in the place of the one of the same trial."""
    command = f"python -m tests.reliability {trial} --count {count}"
    made = f"<!-- begin {trial}: made by `{command} --write` -->\n\n{words.strip()}\n\n<!-- end {trial} -->\n"
    block = f"```text\n{command}\n```\n\n{made}"
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(rf"```text\n[^\n]*\n```\n\n<!-- begin {trial}: .*?<!-- end {trial} -->\n", re.DOTALL)
    text = pattern.sub(lambda _: block, text) if pattern.search(text) else f"{text}\n{block}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
