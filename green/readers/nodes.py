"""Which jobs of a scheduler ran on one node at one time: the energy of such a node is in each of their figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping
    from typing import TypeVar

    Key = TypeVar("Key", bound=Hashable)

MOST_NODES = 4096  # of one job; a longer list is compared as it is written
NEVER_ENDED = "9999"
UNSAID = frozenset({"", "Unknown", "None", "None assigned"})

_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


def names(written: str) -> list[str]:
    """Return the nodes of "gpu[01-03,7],cpu1"; the text itself where it is not understood or too long."""
    found: list[str] = []
    for part in re.findall(r"[^,\[\]]+(?:\[[^\]]*\][^,\[\]]*)*", written):
        head, bracket, rest = part.partition("[")
        inside, _, tail = rest.partition("]")
        if not bracket:
            found.append(part)
            continue
        for piece in inside.split(","):
            match = _RANGE.fullmatch(piece)
            first, last = (match[1], match[2] or match[1]) if match else ("", "")
            if match is None or "[" in tail or int(last) - int(first) + len(found) > MOST_NODES:
                return [written]
            found += [f"{head}{n:0{len(first)}}{tail}" for n in range(int(first), int(last) + 1)]
    return found[:MOST_NODES] if len(found) <= MOST_NODES else [written]


def shared(jobs: Mapping[Key, tuple[str, str, str]]) -> set[Key]:
    """Return the jobs that had a node at a time when another of them had it; (nodes, start, end) of each are texts.

    Times of one table are of one form, so that their texts sort as they follow each other.
    """
    by_node: dict[str, list[tuple[str, str, Key]]] = {}
    for key, (written, start, end) in jobs.items():
        if written not in UNSAID and start not in UNSAID:
            for node in names(written):
                by_node.setdefault(node, []).append((start, NEVER_ENDED if end in UNSAID else end, key))
    return {key for spans in by_node.values() for key in _overlapping(spans)}


def _overlapping(spans: Iterable[tuple[str, str, Key]]) -> set[Key]:
    found: set[Key] = set()
    latest, owner = "", None
    for start, end, key in sorted(spans, key=lambda span: span[:2]):
        if owner is not None and start < latest:
            found |= {owner, key}
        if end > latest:
            latest, owner = end, key
    return found
