"""The records of a file that is read from its front: not compressed, or one compressed stream.

Both WARC and ARC are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from pairsieve.attempt import Failure, attempt
from pairsieve.storage.resume import TRANSIENT_ERRORS
from pairsieve.warc.heads import BLANK_LINE, MAX_HEAD_BYTES
from pairsieve.warc.members import BLOCK_BYTES
from pairsieve.warc.record import (
    ARC_LINE,
    WARC_SIGN,
    BadRecord,
    Record,
    RecordHead,
    read_record_head,
    record_of,
    starts_as_warc,
)

SOURCE_ERRORS = (*TRANSIENT_ERRORS, EOFError, ValueError)
# Most heads are shorter.
USUAL_HEAD_BYTES = 1 << 13
# The start of a record behind a place that cannot be read. Both kinds are checked when it is read.
_WARC_START = re.compile(rb"(?<=\n)WARC/\d", re.IGNORECASE)
_ARC_START = re.compile(rb"(?<=\n)" + ARC_LINE.pattern, re.IGNORECASE)
# Heads of ARC records are shorter; what a search holds in memory at once besides a block.
OVERLAP_BYTES = 1 << 14
# What follows the block of a WARC record (ISO 28500, 4).
SEPARATOR = b"\r\n\r\n"
# How often reading goes back to look for records in a block whose length is wrong. Behind that, it
# only goes on forward: otherwise a file of wrong lengths would be read many times over.
MAX_RETURNS = 100


class Source(Protocol):
    """What is read from the front."""

    @property
    def read(self) -> Callable[[int], bytes]: ...


@dataclass(frozen=True, slots=True)
class ForwardOnly:
    """A source for which going back would be slow."""

    read: Callable[[int], bytes]


class _Window:
    """The bytes of a source from `offset` on, as many as were asked for.

    An exception of the source counts as its end, and is kept in `error`: what was read before it is
    not lost.
    """

    def __init__(self, source: Source, offset: int) -> None:
        self._source = source
        self._buffer = bytearray()
        self.offset = offset
        self.error: Exception | None = None

    def peek(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        self._fill(size)
        return bytes(self._buffer[:size])

    def skip(self, size: int) -> bool:
        """Pass over bytes. False if there were not as many."""
        while size > len(self._buffer):
            size -= len(self._buffer)
            self.offset += len(self._buffer)
            self._buffer = bytearray(self._read())
            if not self._buffer:
                return False
        del self._buffer[:size]
        self.offset += size
        return True

    def skip_line_ends(self) -> bool:
        """Pass over line ends and zeros, which fill files up. False at the end of the source."""
        while self._fill(1):
            rest = self._buffer.lstrip(b"\r\n\0")
            self.offset += len(self._buffer) - len(rest)
            self._buffer = rest
            if rest:
                return True
        return False

    def skip_to_record(self, is_arc: bool) -> bool:
        """Pass over bytes, at least one, up to the head of a record. False if there is none."""
        start = _ARC_START if is_arc else _WARC_START
        while True:
            match = start.search(self._buffer, 1)
            if match is not None:
                self.skip(match.start())
                head = self.head()
                if head is not None and "warc-type" in head.fields:
                    return True
                if not is_arc:
                    self._skip_false_start(head)
                continue
            # A start may lie across the end of what was read.
            self.skip(max(0, len(self._buffer) - OVERLAP_BYTES))
            if not self._fill(len(self._buffer) + 1):
                return False

    def _skip_false_start(self, head: RecordHead | None) -> None:
        """Pass over the starts that share the blank line of one that begins no record, or lack one
        as it does: a hostile file has a start in every line. The byte before the next start stays.
        """
        if head is not None:
            # One with CR alone as line end has no blank line that others share.
            if self._buffer[head.block_start - 1 : head.block_start] == b"\n":
                self.skip(head.block_start - 1)
            return
        ahead = self.peek(2 * MAX_HEAD_BYTES)
        blank = BLANK_LINE.search(ahead)
        if blank is not None:
            self.skip(max(0, blank.end() - MAX_HEAD_BYTES - 1))
        else:
            is_end = len(ahead) < 2 * MAX_HEAD_BYTES
            self.skip(max(0, (len(ahead) if is_end else MAX_HEAD_BYTES) - 1))

    def head(self) -> RecordHead | None:
        """The head of the record that begins here; None if none does."""
        head = read_record_head(self.peek(USUAL_HEAD_BYTES))
        return head or read_record_head(self.peek(MAX_HEAD_BYTES))

    def go_to(self, offset: int) -> bool:
        """Read on at an offset. False if the source can only be read forward."""
        seek = getattr(self._source, "seek", None)
        if seek is None:
            return False
        seek(offset)
        self._buffer.clear()
        self.offset = offset
        return True

    def _fill(self, size: int) -> bool:
        """Have `size` bytes in the buffer. False if there are not as many."""
        while len(self._buffer) < size:
            piece = self._read()
            if not piece:
                return False
            self._buffer += piece
        return True

    def _read(self) -> bytes:
        if self.error is not None:
            return b""
        try:
            return self._source.read(BLOCK_BYTES)
        except SOURCE_ERRORS as error:
            self.error = error
            return b""


def read_records(source: Source, keep_bytes: int, offset: int = 0) -> Iterator[Record | BadRecord]:
    """Yield every record, its payload cut at `keep_bytes`; a BadRecord for what cannot be read.

    Behind such a place reading goes on at the next start of a record. `source` stands at `offset`.
    Raises EOFError if there is nothing at all, and what the source raises.
    """
    window = _Window(source, offset)
    if not window.skip_line_ends() and window.error is None:
        raise EOFError("no record in the file")
    yield from _records_in(window, keep_bytes)
    if window.error is not None:
        raise window.error


def _records_in(window: _Window, keep_bytes: int) -> Iterator[Record | BadRecord]:
    is_arc = not starts_as_warc(window.peek(len(WARC_SIGN)))
    returns = 0
    while window.skip_line_ends():
        start = window.offset
        head = window.head()
        reason = _reason_against(head, window)
        if head is not None and reason is None:
            content = window.peek(head.block_start + min(_length(head), keep_bytes))
            if _pass_over(window, head):
                yield _record_of(head, content, start)
                continue
            reason = "length_mismatch" if window.peek(1) else "damaged"
            if is_arc and window.peek(1) and not _ARC_START.search(content):
                # Nothing but a line end closes an ARC record, so what follows may be the rest of
                # this one: files that were copied as text have longer lines than they say. What the
                # length covers is read, as warcio does.
                yield _record_of(head, content, start)
                if not window.skip_to_record(is_arc):
                    return
                continue
            if returns < MAX_RETURNS and window.go_to(start + head.block_start):
                returns += 1
        yield BadRecord(reason or "", start)
        if not window.skip_to_record(is_arc):
            return


def _record_of(head: RecordHead, content: bytes, start: int) -> Record | BadRecord:
    """The record with a head. Whatever its content makes the parser raise is its reason."""
    parse = partial(record_of, head, block_end=len(content), offset=start)
    record = attempt(parse, content)
    return BadRecord(record.reason, start) if isinstance(record, Failure) else record


def _reason_against(head: RecordHead | None, window: _Window) -> str | None:
    if head is None:
        # A head is None, too, where everything ends inside it.
        start = window.peek(MAX_HEAD_BYTES)
        is_cut = starts_as_warc(start) and len(start) < MAX_HEAD_BYTES
        return "damaged" if is_cut else "not_a_record"
    return "length_mismatch" if head.length is None else None


def _length(head: RecordHead) -> int:
    assert head.length is not None
    return head.length


def _pass_over(window: _Window, head: RecordHead) -> bool:
    """Pass over a record. Whether it ends where its length says.

    There stand an empty line, another record, or the end.
    """
    if not window.skip(head.block_start + _length(head)):
        return False
    if window.peek(len(SEPARATOR)) == SEPARATOR or not window.skip_line_ends():
        return True
    return window.head() is not None


def read_record(source: Source, offset: int, keep_bytes: int) -> Record:
    """The record at which a source stands.

    Raises BadRecord, EOFError, and what the source raises.
    """
    record = next(read_records(source, keep_bytes, offset))
    if isinstance(record, BadRecord):
        raise record
    return record
