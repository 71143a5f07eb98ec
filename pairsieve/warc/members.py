"""Members of an archive: finds them from anywhere in a file, and decompresses one at a time.

A WARC file "compressed record by record" (ISO 28500, annex D) holds one gzip member for each
record; with zstd and LZ4 a frame is what a member is with gzip. Memory use does not depend on the
size of a member.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import SEEK_END

from pairsieve.storage.files import Stream
from pairsieve.warc.codecs import GZIP, Codec, Inflate
from pairsieve.warc.record import ARC_LINE, starts_as_warc

BLOCK_BYTES = 1 << 16  # read from the file at a time
PIECE_BYTES = 1 << 20  # inflated at a time
STEP_BYTES = 1 << 12  # decompressed at a time where all of it is lost if there is damage in it
SEARCH_BYTES = 1 << 17  # searched for a start at a time

# A gzip header with its extra fields and name. The start of a longer one is not found.
HEADER_BYTES = 4096
# Most headers are this short, and a shorter probe is faster.
PROBE_BYTES = 512

# The first line of an ARC record is at least so long, and can be told by so many bytes.
LINE_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Member:
    """One member.

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
        super().__init__(f"damaged member at {offset}")
        self.offset = offset


def size_of_stream(stream: Stream) -> int:
    """Bytes in a seekable stream. Its position is kept."""
    position = stream.tell()
    size = stream.seek(0, SEEK_END)
    stream.seek(position)
    return size


def next_start(stream: Stream, at: int, codec: Codec = GZIP, end: int | None = None) -> int | None:
    """The first offset, from `at` on and before `end`, where a member with a record starts.

    None if there is none.
    """
    start = _next_start(stream, at, codec, end)
    return start if start is None or end is None or start < end else None


def _next_start(stream: Stream, at: int, codec: Codec, end: int | None) -> int | None:
    """The same, but it may give a start at or behind `end`."""
    stream.seek(at)
    block = stream.read(SEARCH_BYTES)
    while block and (end is None or at < end):
        next_block = stream.read(SEARCH_BYTES)
        # A header that starts in this block may end in the next one.
        window = block + next_block[:HEADER_BYTES]
        # The magic number has 4 bytes, so up to 3 of them may be in the next block.
        for match in codec.sign.finditer(window, 0, len(block) + 3):
            start = match.start()
            if start < len(block) and _starts_record(window, start, codec):
                return at + start
        at += len(block)
        block = next_block
    return None


def _starts_record(window: bytes, start: int, codec: Codec) -> bool:
    for size in (PROBE_BYTES, HEADER_BYTES):
        content = first_bytes(window[start : start + size], LINE_BYTES, codec)
        if is_start_of_record(content):
            return True
    return False


def is_start_of_record(content: bytes) -> bool:
    """Whether bytes begin as a WARC or ARC record does, behind any line ends."""
    stripped = content.lstrip(b"\r\n")
    return starts_as_warc(stripped) or ARC_LINE.match(stripped) is not None


def first_bytes(compressed: bytes, size: int, codec: Codec) -> bytes:
    """The first bytes that the start of a member decompresses to; none if it cannot be."""
    try:
        return codec.new().decompress(compressed, size)
    except codec.errors:
        return b""


def needs_input(inflate: Inflate) -> bool:
    """Whether a decompressor goes on only with more bytes. zlib keeps none, and so always does."""
    return bool(getattr(inflate, "needs_input", True))


def rest_of(inflate: Inflate) -> bytes:
    """The bytes that a decompressor was given and has not used."""
    if inflate.eof:
        return inflate.unused_data or b""
    return getattr(inflate, "unconsumed_tail", b"")


def read_members(
    stream: Stream, start: int, end: int | None, keep_bytes: int, codec: Codec = GZIP
) -> Iterator[Member]:
    """Yield each member that starts at `start` or later, and before `end`.

    `start` must be where a member starts. Of each member the first `keep_bytes` are kept. Raises
    DamagedMember at the first member that cannot be inflated, such as one that is cut off at the
    end of the file.
    """
    stream.seek(start)
    # `block` holds the bytes of the file from `position` on.
    position = start
    block = stream.read(BLOCK_BYTES)
    while True:
        position, block = _behind_zeros(stream, position, block)
        if not block or (end is not None and position >= end):
            return
        offset = position
        length = 0
        head: list[bytes] = []
        inflate = codec.new()
        while not inflate.eof:
            if not block and needs_input(inflate):
                raise DamagedMember(offset)
            try:
                piece = inflate.decompress(block, PIECE_BYTES)
            except codec.errors:
                raise DamagedMember(offset) from None
            if length < keep_bytes:
                # Most pages are one piece, which the slice then does not copy.
                head.append(piece[: keep_bytes - length])
            length += len(piece)
            rest = rest_of(inflate)
            position += len(block) - len(rest)
            block = rest
            if not block and (inflate.eof or needs_input(inflate)):
                block = stream.read(BLOCK_BYTES)
        yield Member(offset, position, length, b"".join(head))


def _behind_zeros(stream: Stream, position: int, block: bytes) -> tuple[int, bytes]:
    """Pass over zeros, with which tapes and copies by blocks fill files up, as gzip does."""
    while block:
        rest = block.lstrip(b"\0")
        position += len(block) - len(rest)
        if rest:
            return position, rest
        block = stream.read(BLOCK_BYTES)
    return position, b""


class DamagedStream(ValueError):
    """A compressed stream cannot be decompressed from some place on."""


class Decompressed:
    """The content of an archive that is one compressed stream. Offsets are those of the content.

    A damaged stream is read up to STEP_BYTES before its damage. Then EOFError is raised if it ends
    too early, else DamagedStream.
    """

    def __init__(self, stream: Stream, codec: Codec = GZIP, start: int = 0) -> None:
        stream.seek(start)
        self._stream = stream
        self._codec = codec
        self._inflate = codec.new()
        # Compressed bytes that were read, and are not inflated yet.
        self._block = b""
        # How many members were begun. What `read` gives is of the last one of them.
        self.members = 1

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Read up to `size` bytes of the content; none at its end."""
        content = b""
        while not content and (not self._inflate.eof or self._start_next_member()):
            if not self._block and needs_input(self._inflate):
                self._block = self._stream.read(BLOCK_BYTES)
                if not self._block:
                    raise EOFError("the compressed stream ends too early")
            try:
                content = self._inflate.decompress(self._block, min(size, STEP_BYTES))
            except self._codec.errors:
                raise DamagedStream("a damaged compressed stream") from None
            self._block = rest_of(self._inflate)
        return content

    def _start_next_member(self) -> bool:
        """Go on with the next member. Returns False at the end of the file."""
        block = rest_of(self._inflate) or self._stream.read(BLOCK_BYTES)
        _, self._block = _behind_zeros(self._stream, 0, block)
        if not self._block:
            return False
        self._inflate = self._codec.new()
        self.members += 1
        return True
