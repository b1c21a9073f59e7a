"""What commands share: the configuration as the command line says it, and ways to show work and results."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green import config as configuration
from green import pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from green.cli import Common
    from green.config import Config

SHOWN = Path("audit/green.duckdb")


def configured(common: Common) -> Config:
    """Load the configuration: that of the repository and the working directory, or the files given."""
    root = pipeline.repository()
    files = common.config or pipeline.layers(root)
    overrides: dict[str, Any] = {}
    if common.store is not None:
        overrides["store"] = str(common.store)
    if common.policies is not None:
        overrides["policies"] = str(common.policies)
    if common.as_of is not None:
        overrides["check"] = {"as_of": common.as_of}
    return configuration.load(files, overrides, root=root)


def store_of(common: Common) -> Path:
    """Return the store that a command reads."""
    return common.store if common.store is not None else Path(configured(common).store)


def say(text: str) -> None:
    """Print words for people."""
    print(text, file=sys.stderr)  # noqa: T201 -- the one place for words


def show(text: str) -> None:
    """Print a result."""
    print(text)  # noqa: T201 -- the one place for results


def show_json(value: object) -> None:
    """Print a result for programs."""
    show(json.dumps(value, ensure_ascii=False, indent=2))


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show progress on a terminal where a person watches; say nothing otherwise."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 -- only where somebody watches
    from rich.progress import Progress  # noqa: PLC0415 -- likewise

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
