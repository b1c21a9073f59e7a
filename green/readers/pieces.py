"""Read JSON of any length piece by piece: the objects that begin with a known key, wherever they stand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from green.readers import Log

MOST_OBJECT = 32 * 1024 * 1024  # characters of one object: a week of scrapes each second is 15 million
MOST_BEGINNING = 1_000  # of what the pattern matches
MOST_BROKEN = 10_000  # beginnings that lead to no object, after which a file is not worth the search
CHUNK = 1 << 20


def objects(log: Log, beginning: re.Pattern[str]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the line and the value of each object that begins so; None where it is cut, wrong or too long."""
    decoder = json.JSONDecoder()
    text, line, wanted, broken = "", 1, CHUNK, 0
    with log.open() as stream:
        while broken < MOST_BROKEN:
            more = stream.read(wanted)
            text += more
            at = 0
            while broken < MOST_BROKEN and (match := beginning.search(text, at)) is not None:
                line += text.count("\n", at, match.start())
                at = match.start()
                try:
                    found, end = decoder.raw_decode(text, at)
                except (ValueError, RecursionError):
                    if more and len(text) - at < MOST_OBJECT:
                        break  # the rest of it may follow
                    yield line, None
                    broken += 1
                    found, end = None, at + 1
                else:
                    yield line, found
                line += text.count("\n", at, end)
                at = end
            else:
                kept = max(at, len(text) - MOST_BEGINNING)  # a beginning may be cut here
                line += text.count("\n", at, kept)
                at = kept
            if not more:
                return
            text = text[at:]
            wanted = max(CHUNK, len(text))  # doubled, so that a long object is not tried for each piece
