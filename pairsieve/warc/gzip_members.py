"""Gzip members of an archive: found from anywhere in a file, inflated one at a time in bounded
memory.

Format: RFC 1952. A WARC file "compressed record by record" (ISO 28500, annex D) holds one member
for each record.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import SEEK_END
from typing import Protocol, cast

from pairsieve.storage.files import Stream

try:
    from isal import isal_zlib
except ImportError:
    isal_zlib = None  # type: ignore[assignment]

BLOCK_BYTES = 1 << 16
PIECE_BYTES = 1 << 20
SEARCH_BYTES = 1 << 20
# a gzip header with its extra fields and name; longer ones are not found as a start
HEADER_BYTES = 4096
PROBE_BYTES = 512
INFLATE_ERRORS: tuple[type[Exception], ...] = (zlib.error, getattr(isal_zlib, "error", zlib.error))
GZIP = 16 + zlib.MAX_WBITS
_MAGIC = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")  # deflate, no reserved flag
WARC_SIGN = b"WARC/"


class Inflate(Protocol):
    """What zlib and ISA-L have in common."""

    eof: bool
    unused_data: bytes
    unconsumed_tail: bytes

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


# ISA-L inflates in half the time; where there are no wheels of it, zlib reads the same.
inflater = cast(
    Callable[[int], Inflate], isal_zlib.decompressobj if isal_zlib else zlib.decompressobj
)


@dataclass(frozen=True, slots=True)
class Member:
    """One gzip member: where it starts and ends in the file, how many bytes it inflates to, and the
    first of these.
    """

    offset: int
    end: int
    length: int
    head: bytes


class DamagedMember(ValueError):
    """A member that does not inflate to its end, or whose checksum is wrong."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"damaged gzip member at {offset}")
        self.offset = offset


def size_of_stream(stream: Stream) -> int:
    """Bytes in a seekable stream, whose position is left where it was."""
    at = stream.tell()
    size = stream.seek(0, SEEK_END)
    stream.seek(at)
    return size


def next_start(stream: Stream, at: int) -> int | None:
    """The first offset from `at` on where a gzip member starts that inflates to a WARC record; None
    where none does.
    """
    stream.seek(at)
    block = stream.read(SEARCH_BYTES)
    while block:
        more = stream.read(SEARCH_BYTES)
        window = block + more[:HEADER_BYTES]
        for found in _MAGIC.finditer(window, 0, len(block) + 3):
            if found.start() < len(block) and _starts_record(window, found.start()):
                return at + found.start()
        at, block = at + len(block), more
    return None


def _starts_record(window: bytes, start: int) -> bool:
    return any(
        begins_with(window[start : start + size], WARC_SIGN) for size in (PROBE_BYTES, HEADER_BYTES)
    )


def begins_with(compressed: bytes, sign: bytes) -> bool:
    """Whether the start of a gzip member inflates to these bytes."""
    try:
        return inflater(GZIP).decompress(compressed, len(sign)) == sign
    except INFLATE_ERRORS:
        return False


def read_members(stream: Stream, start: int, end: int | None, keep_bytes: int) -> Iterator[Member]:
    """Every member that starts at `start` or later and before `end`; of each the first `keep_bytes`
    are kept.

    Raises DamagedMember at the first that cannot be inflated, the file's cut end among them.
    """
    stream.seek(start)
    block, at = stream.read(BLOCK_BYTES), start
    while block and (end is None or at < end):
        offset, length, head = at, 0, list[bytes]()
        inflate = inflater(GZIP)
        while not inflate.eof:
            if not block:
                raise DamagedMember(offset)
            try:
                piece = inflate.decompress(block, PIECE_BYTES)
            except INFLATE_ERRORS:
                raise DamagedMember(offset) from None
            if length < keep_bytes:
                # one piece of most pages, which is then not copied
                head.append(piece[: keep_bytes - length])
            length += len(piece)
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            at += len(block) - len(rest)
            block = rest or stream.read(BLOCK_BYTES)
        yield Member(offset, at, length, b"".join(head))


def first_member_bytes(stream: Stream, skip: int, size: int) -> bytes:
    """Bytes `skip` to `skip + size` of what the member at the start of a stream inflates to; fewer
    where it ends before.
    """
    stream.seek(0)
    inflate, passed, found = inflater(GZIP), 0, b""
    block = stream.read(BLOCK_BYTES)
    while block and passed < skip + size and not inflate.eof:
        try:
            piece = inflate.decompress(block, PIECE_BYTES)
        except INFLATE_ERRORS:
            break
        found += piece[max(0, skip - passed) :]
        passed += len(piece)
        block = inflate.unconsumed_tail or stream.read(BLOCK_BYTES)
    return found[:size]
