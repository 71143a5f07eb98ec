"""Gzip members of an archive: finds them from anywhere in a file, and inflates one at a time.

Format: RFC 1952. A WARC file "compressed record by record" (ISO 28500, annex D) holds one member
for each record. Memory use does not depend on the size of a member.
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

BLOCK_BYTES = 1 << 16  # read from the file at a time
PIECE_BYTES = 1 << 20  # inflated at a time
SEARCH_BYTES = 1 << 20  # searched for a start at a time

# A gzip header with its extra fields and name. The start of a longer one is not found.
HEADER_BYTES = 4096
# Most headers are this short, and a shorter probe is faster.
PROBE_BYTES = 512

INFLATE_ERRORS: tuple[type[Exception], ...] = (zlib.error, getattr(isal_zlib, "error", zlib.error))
GZIP = 16 + zlib.MAX_WBITS
_MAGIC = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")  # deflate, no reserved flag
WARC_SIGN = b"WARC/"


class Inflate(Protocol):
    """The methods of a decompressor that zlib and ISA-L both have."""

    eof: bool
    unused_data: bytes
    unconsumed_tail: bytes

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


# ISA-L inflates in half the time. It has no wheels for some platforms; zlib gives the same bytes.
inflater = cast(
    Callable[[int], Inflate], isal_zlib.decompressobj if isal_zlib else zlib.decompressobj
)


@dataclass(frozen=True, slots=True)
class Member:
    """One gzip member.

    It starts at `offset` and ends before `end` in the file. It inflates to `length` bytes, of which
    `head` holds the first.
    """

    offset: int
    end: int
    length: int
    head: bytes


class DamagedMember(ValueError):
    """A member that does not inflate to its end, or has a wrong checksum."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"damaged gzip member at {offset}")
        self.offset = offset


def size_of_stream(stream: Stream) -> int:
    """Bytes in a seekable stream. Its position is kept."""
    position = stream.tell()
    size = stream.seek(0, SEEK_END)
    stream.seek(position)
    return size


def next_start(stream: Stream, at: int) -> int | None:
    """The first offset, from `at` on, where a gzip member with a WARC record starts, or None."""
    stream.seek(at)
    block = stream.read(SEARCH_BYTES)
    while block:
        next_block = stream.read(SEARCH_BYTES)
        # A header that starts in this block may end in the next one.
        window = block + next_block[:HEADER_BYTES]
        # The magic number has 4 bytes, so up to 3 of them may be in the next block.
        for match in _MAGIC.finditer(window, 0, len(block) + 3):
            start = match.start()
            if start < len(block) and _starts_record(window, start):
                return at + start
        at += len(block)
        block = next_block
    return None


def _starts_record(window: bytes, start: int) -> bool:
    for size in (PROBE_BYTES, HEADER_BYTES):
        if begins_with(window[start : start + size], WARC_SIGN):
            return True
    return False


def begins_with(compressed: bytes, sign: bytes) -> bool:
    """Whether the start of a gzip member inflates to bytes that begin with `sign`."""
    try:
        return inflater(GZIP).decompress(compressed, len(sign)) == sign
    except INFLATE_ERRORS:
        return False


def read_members(stream: Stream, start: int, end: int | None, keep_bytes: int) -> Iterator[Member]:
    """Yield each member that starts at `start` or later, and before `end`.

    `start` must be where a member starts. Of each member the first `keep_bytes` are kept. Raises
    DamagedMember at the first member that cannot be inflated, such as one that is cut off at the
    end of the file.
    """
    stream.seek(start)
    # `block` holds the bytes of the file from `position` on.
    position = start
    block = stream.read(BLOCK_BYTES)
    while block and (end is None or position < end):
        offset = position
        length = 0
        head: list[bytes] = []
        inflate = inflater(GZIP)
        while not inflate.eof:
            if not block:
                raise DamagedMember(offset)
            try:
                piece = inflate.decompress(block, PIECE_BYTES)
            except INFLATE_ERRORS:
                raise DamagedMember(offset) from None
            if length < keep_bytes:
                # Most pages are one piece, which the slice then does not copy.
                head.append(piece[: keep_bytes - length])
            length += len(piece)
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            position += len(block) - len(rest)
            block = rest or stream.read(BLOCK_BYTES)
        yield Member(offset, position, length, b"".join(head))


def first_member_bytes(stream: Stream, skip: int, size: int) -> bytes:
    """Bytes `skip` to `skip + size` of what the first member of a stream inflates to.

    Fewer if the member ends before, or is damaged.
    """
    stream.seek(0)
    inflate = inflater(GZIP)
    passed = 0
    content = b""
    block = stream.read(BLOCK_BYTES)
    while block and passed < skip + size and not inflate.eof:
        try:
            piece = inflate.decompress(block, PIECE_BYTES)
        except INFLATE_ERRORS:
            break
        content += piece[max(0, skip - passed) :]
        passed += len(piece)
        block = inflate.unconsumed_tail or stream.read(BLOCK_BYTES)
    return content[:size]
