"""Unpack a compressed log into a temporary file, within bounds, so that every reader reads plain files.

A gzip or zstd file can unpack to a thousand times its size and more. What goes beyond the bounds, is cut or
broken is refused with the reason, and nothing of it is read.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from typing import IO, TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 4 << 30  # of one log, unpacked
FREE_BYTES = 64 << 20  # a log up to this size may be packed as tightly as it likes
MOST_RATIO = 200  # of a larger one: power logs pack to a tenth or a thirtieth
BLOCK = 1 << 18
PIECE = 1024  # of zstd at a time: it packs at most 32,768-fold, and what a piece unpacks to is held in memory
WINDOW_LOG = 27  # of zstd: 128 MiB, what its own tool unpacks without being told to
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Packed(ValueError):  # noqa: N818 -- what the file is
    """The file cannot be unpacked; the first word is the reason, the rest its words."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


def kind_of(head: bytes) -> str | None:
    """Tell by its first bytes how a file is compressed; its name may say anything."""
    return "gzip" if head.startswith(GZIP) else "zstd" if head.startswith(ZSTD) else None


def unpack(path: str | Path, kind: str, out: IO[bytes], *, most_bytes: int = MOST_BYTES) -> str:
    """Write the plain bytes of a compressed file to `out` and return their sha256."""
    digest = hashlib.sha256()
    written = 0
    with open(path, "rb") as packed:  # noqa: PTH123 -- as above
        try:
            plain = _opened(packed, kind)
            while block := plain.read(BLOCK):
                written += len(block)
                if written > most_bytes:
                    raise Packed("TOO_LARGE", f"it unpacks to more than {most_bytes} bytes")
                if written > FREE_BYTES and written > MOST_RATIO * max(packed.tell(), 1):
                    raise Packed("ZIP_BOMB", f"it unpacks to more than {MOST_RATIO} times its size")
                digest.update(block)
                out.write(block)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Packed("CUT_PACKED", str(error)[:120] or "the end is missing") from error
    return digest.hexdigest()


def _opened(packed: BinaryIO, kind: str) -> BinaryIO:
    """Open the plain bytes of a compressed stream; several streams in one file are one."""
    if kind == "gzip":
        return cast("BinaryIO", gzip.GzipFile(fileobj=packed))
    return cast("BinaryIO", _Zstd(packed))


class _Zstd:
    """The plain bytes of zstd, whose library says nothing where a file is cut."""

    def __init__(self, packed: BinaryIO) -> None:
        import zstandard  # noqa: PLC0415 -- only where such a file is read

        self.error = zstandard.ZstdError
        self.packed = packed
        self.decompressor = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG)
        self.frame = self.decompressor.decompressobj()
        self.is_open = False

    def read(self, _size: int) -> bytes:
        """Return a block of plain bytes, b"" at the end."""
        while True:
            packed = self.frame.unused_data if self.frame.eof else b""
            if self.frame.eof:
                self.frame = self.decompressor.decompressobj()
                self.is_open = False
            packed = packed or self.packed.read(PIECE)
            if not packed:
                if self.is_open:
                    raise EOFError("the last frame is cut")
                return b""
            try:
                plain = self.frame.decompress(packed)
            except self.error as error:
                raise EOFError(str(error)) from error
            self.is_open = not self.frame.eof
            if plain:
                return plain
