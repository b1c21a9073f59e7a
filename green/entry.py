"""The command `green` as it is installed: a pipeline's job and a meter start without the rest of the command line."""

from __future__ import annotations

import atexit
import gc
import os
import sys

# The collector walks through every living object again and again: a job makes ten thousands that it
# keeps, hardly any in a circle, and ends soon.
COLLECT_AFTER = 200_000


def main() -> None:
    """Run a job as its rule calls it, or the command line for all else, mistakes and people who watch included."""
    gc.set_threshold(COLLECT_AFTER)
    # pydantic looks through every installed package for plugins of its own: none is meant to change what we read.
    name, _, value = "PYDANTIC_DISABLE_PLUGINS=__all__".partition("=")
    os.environ.setdefault(name, value)
    words = sys.argv[1:]
    if words[:1] == ["stage"] and not sys.stderr.isatty() and _is_job(words[1:]):
        _job(words[1], words[-1] if words[2:] else "")
        atexit._run_exitfuncs()  # noqa: SLF001 -- as multiprocessing ends its children
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # the kernel takes a process apart for nothing; Python needs 20 ms a job
    if words[:1] == ["meter"] and "--help" not in words[: words.index("--") if "--" in words else None]:
        from green.meters.command import main as meter  # noqa: PLC0415 -- a run beside it should not feel the rest

        sys.exit(meter(words[1:]))
    from green.cli import main as command_line  # noqa: PLC0415 -- 100 ms that a job should not pay

    command_line()


def _is_job(words: list[str]) -> bool:
    """Tell whether this is `NAME`, or `NAME --shard SHARD` where the stage works on one."""
    from green import jobs  # noqa: PLC0415 -- other commands load it where they need it

    name, *rest = words or [""]
    if name in jobs.OF_SHARD:
        return len(rest) == len(("--shard", "3")) and rest[0] == "--shard"
    return name in jobs.NAMES and not rest


def _job(name: str, shard: str) -> None:
    """Run a job, and say what can be mended as the command line says it."""
    from green import jobs  # noqa: PLC0415 -- as above
    from green.errors import GreenError, damage, is_damage  # noqa: PLC0415 -- likewise

    try:
        jobs.run(name, shard)
    except Exception as error:  # an engine that was never loaded has no class to name here: all else goes on below
        if not isinstance(error, GreenError) and not is_damage(error):
            raise
        said = error if isinstance(error, GreenError) else damage(error)
        sys.stderr.write(f"{said}\n")
        sys.exit(said.exit_code)
