"""Damage the sample logs at random and read them as the pipeline does: `python -m tests.readers.mutate [N] [SEED]`.

Whatever the bytes, a source ends in rows and diagnostics, within 2 s of CPU and 512 MB more than before. Prints each
log that does not, with the seed that makes it again, and ends 1.
"""

from __future__ import annotations

import faulthandler
import gzip
import io
import resource
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from green.config import Config
from green.draft import Rows
from green.readers import readers
from green.readers.mapped import Mapped
from green.sink import SampleFile
from green.source import Shard, close_source, open_source
from green.testing import EXPECTED, mutated

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).parent
MOST_S = 2.0
MOST_BYTES = 512 << 20
RECORD = b"run_id: x\nteam: search\nsite: {region: DE, pue: 1.2}\nhardware: [{device: NVIDIA A100, count: 2}]\n"
OWN = {
    "readers": [
        {
            "name": "own",
            "match": "*own.csv",
            "time": {"column": "t", "unit": "s", "relative": True},
            "columns": [{"column": "p", "unit": "W"}],
        }
    ]
}


def logs() -> dict[str, bytes]:
    """Return the sample logs of every reader by name, plain and packed, a record and a mapped table."""
    found = {
        f"{path.parent.name}-{path.name}": path.read_bytes()
        for path in sorted(SAMPLES.glob("*/*"))
        if path.is_file() and path.name not in {EXPECTED, "expected.yaml"} and path.suffix not in {".py", ".pyc"}
    }
    found["own.csv"] = b"t,p\n0,3600\n1,3600\n"
    found["run.yaml"] = RECORD
    found["packed.csv.gz"] = gzip.compress(found["nvidia_smi-two.csv"])
    return found


class TooLongError(Exception):
    """A log took more CPU than any log may."""


@contextmanager
def bounds() -> Iterator[None]:
    """Bound CPU and memory of what is within."""

    def late(*_: object) -> None:
        raise TooLongError(f"more than {MOST_S} s of CPU")

    with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123 -- not a file of ours
        held = int(stream.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    kept = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_S)
    resource.setrlimit(resource.RLIMIT_AS, (held + MOST_BYTES, before[1]))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, kept)
        resource.setrlimit(resource.RLIMIT_AS, before)


def fault(folder: Path, name: str, text: bytes) -> str | None:
    """Read one damaged log as the pipeline does; return what went wrong."""
    (folder / name).write_bytes(text)
    config = Config.model_validate({"logs": str(folder), **OWN})
    shard = Shard(config, folder, SampleFile(io.StringIO()), Rows(), [], [*map(Mapped, config.readers), *readers()])
    source = "." if name == "run.yaml" else name
    try:
        with bounds():
            close_source(shard, open_source(shard, source, [(name, len(text), 0)]))
    except Exception as error:  # noqa: BLE001 -- whatever is raised is the finding
        return f"{type(error).__name__}: {error}"
    finally:
        (folder / name).unlink()
    tables = shard.rows.tables
    if not tables.get("run") and not tables.get("rejects"):
        return "neither a run nor a reject: the log is lost without a word"
    return None


def check(count: int, seed: int) -> list[str]:
    """Read `count` damaged logs, spread over all samples; return the faults."""
    found = []
    samples = logs()
    each = -(-count // len(samples))
    with tempfile.TemporaryDirectory(prefix="green-mutate-") as folder:
        for name, text in samples.items():
            for number, damaged in enumerate(mutated(text, each, seed)):
                wrong = fault(Path(folder), name, damaged)
                if wrong is not None:
                    found.append(f"{name}, mutation {number} of seed {seed}: {wrong}")
    return found


def main() -> None:
    """Read the command line, check, and say how long it took."""
    faulthandler.enable()
    count, seed = (int(word) for word in [*sys.argv[1:], *("2000", "0")[len(sys.argv) - 1 :]])
    begun = time.process_time()
    found = check(count, seed)
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.stdout.write(f"{count} damaged logs, {len(found)} faults, {time.process_time() - begun:.0f} s of CPU\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
