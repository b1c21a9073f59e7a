"""Tell at C speed whether the lines of a log are alike: all readings, of the same cells, in one form.

A line without its digits is its skeleton (` //  ::., , NVIDIA A, . W`). A log has a few distinct ones, and only
those are looked at; where digits may stand and how many, is left to the SQL that reads them.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from green.readers import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from green.readers import Columns

DIGITS = b"0123456789"
TIME = b"// ::."  # 2026/01/31 23:59:59.999
MOST_DEVICES = 256  # of one log
BLOCK = 1 << 20  # bytes of a large log at a time; DuckDB takes lines of twice that length
MOST_SKELETONS = 65_536  # that are remembered
MOST_SKELETON = 4096  # bytes of one

_PLAIN = re.compile(rb"[ !#-~]+")  # printable, no quote
_POWER = re.compile(rb" ?\.?( W)?")
_DEVICE = re.compile(rb" ?[A-Za-z:.\-]*")


class Form(NamedTuple):
    """How the cells of a log are written."""

    is_spaced: bool  # a blank before the time
    has_unit: bool  # " W" after the power


class Part(NamedTuple):
    """Lines of a log that are alike."""

    block: bytes
    lines: int
    form: Form
    is_one: bool  # they differ in their digits alone


class Alike:
    """What is known of skeletons, over all logs."""

    def __init__(self) -> None:
        self.known: dict[tuple[Columns, bytes], Form | None] = {}

    def look(self, columns: Columns, block: bytes) -> Part | None:
        """Count the lines of a block and tell their form; None where they are not alike."""
        if not block.endswith(b"\n"):
            return None
        skeletons = block.translate(None, DIGITS)
        end = skeletons.index(b"\n") + 1
        lines = len(skeletons) // end
        if skeletons == skeletons[:end] * lines:
            form = self._form(columns, skeletons[: end - 1])
            return None if form is None else Part(block, lines, form, is_one=True)
        rows = skeletons[:-1].split(b"\n")
        forms = {self._form(columns, skeleton) for skeleton in set(rows)}
        form = forms.pop()
        return None if form is None or forms else Part(block, len(rows), form, is_one=False)

    def _form(self, columns: Columns, skeleton: bytes) -> Form | None:
        key = (columns, skeleton)
        if key not in self.known:
            if len(self.known) >= MOST_SKELETONS:
                self.known.clear()
            self.known[key] = _form(columns, skeleton)
        return self.known[key]


def _form(columns: Columns, skeleton: bytes) -> Form | None:
    """Tell the form of a line by its skeleton; None where it may be anything but a plain reading."""
    cells = skeleton.split(b",")
    if len(cells) != columns.width or len(skeleton) > MOST_SKELETON or _PLAIN.fullmatch(skeleton) is None:
        return None
    time, power = cells[columns.time], _POWER.fullmatch(cells[columns.power])
    if time.removeprefix(b" ") != TIME or power is None:
        return None
    if columns.device is not None and _DEVICE.fullmatch(cells[columns.device]) is None:
        return None
    return Form(time.startswith(b" "), power[1] is not None)


class Blocks:
    """The lines of a log below its header, in blocks that end with a line; a small log is one."""

    def __init__(self, stream: BinaryIO, head: bytes, start: int) -> None:
        self.stream = stream
        self.head = head
        self.start = start
        self.hash = sha256(head)
        self.size = len(head)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks; a line that has no end is the last, and ends no block well."""
        rest = self.head[self.start :]
        while self.size >= HEAD_BYTES and (more := self.stream.read(BLOCK - len(rest))):
            self.hash.update(more)
            self.size += len(more)
            rest += more
            cut = rest.rfind(b"\n") + 1
            if not cut:
                break
            yield _with_ends(rest[:cut])
            rest = rest[cut:]
        if rest:
            yield _with_ends(rest)

    @property
    def known(self) -> tuple[str, int]:
        """The sha256 of the log and its bytes, when all blocks were read."""
        return self.hash.hexdigest(), self.size


def _with_ends(block: bytes) -> bytes:
    """Return lines as Windows ends them with the ends of others; the log's hash is of its own bytes."""
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def device_of(columns: Columns, row: bytes) -> bytes | None:
    """Return the cell of a line that names its device."""
    return None if columns.device is None else row.split(b",", columns.device + 1)[columns.device]


def first_rows(columns: Columns, block: bytes) -> list[bytes]:
    """Return the first lines of a log, one a device: up to the first device that comes again."""
    rows: dict[bytes | None, bytes] = {}
    start = 0
    while start < len(block) and len(rows) < MOST_DEVICES:
        end = block.index(b"\n", start)
        row = block[start:end]
        device = device_of(columns, row)
        if device in rows:
            break
        rows[device] = row
        start = end + 1
    return list(rows.values())
