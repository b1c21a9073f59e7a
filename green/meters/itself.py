"""How the meter starts another program of Green: by this interpreter, from where this Green lies, and nothing else."""

from __future__ import annotations

import os
import sys


def words(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of ours; files of the working directory cannot take a library's place."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environ() -> dict[str, str]:
    """Return this environment, with the folder that holds `green` among the paths of Python."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 -- pathlib costs 10 ms to load
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
