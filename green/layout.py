"""Which files belong to one run where a tool writes more than one: each reader says it for its own tool.

The scan of the logs asks before anything is opened, so that all goes by the paths below `logs`, with "/".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Layout(NamedTuple):
    """How a tool lays out its files; what is not said is as everywhere: a file is a source, a copy counts once."""

    folder: str = ""  # an expression, from the start of a path: a folder that is one run, with all below it
    beside: str = ""  # an expression for the whole path of a file that belongs to another ...
    belongs_to: str = ""  # ... whose path is this, as in re.sub
    values: str = ""  # a folder's name: what lies below it needs no ending, and equal files are no copies


class Layouts:
    """The layouts of several tools together."""

    def __init__(self, several: Iterable[Layout]) -> None:
        """Put them together."""
        several = list(several)
        self._folders = [re.compile(f"(?:{one.folder})(?=/)") for one in several if one.folder]
        self._beside = [(re.compile(one.beside), one.belongs_to) for one in several if one.beside]
        self._values = frozenset(one.values for one in several if one.values)

    def source_of(self, path: str) -> str:
        """Return the source of a file: the folder of its run, the file that it belongs to, or itself."""
        for folder in self._folders:
            if (found := folder.match(path)) is not None:
                return found[0]
        for pattern, becomes in self._beside:
            if (found := pattern.fullmatch(path)) is not None:
                return found.expand(becomes)
        return path

    def are_values(self, folder: str) -> bool:
        """Tell whether a file in this folder is a value of its own: whatever its ending, and never another's copy."""
        return not self._values.isdisjoint(folder.split("/"))
