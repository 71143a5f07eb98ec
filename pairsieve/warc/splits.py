"""Splits of files: byte ranges that workers read at the same time.

Each record belongs to exactly one split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pairsieve.storage import files
from pairsieve.storage.files import Stream
from pairsieve.storage.resume import ResumedStream
from pairsieve.warc.gzip_members import BLOCK_BYTES, WARC_SIGN, first_member_bytes, size_of_stream

Form = Literal["members", "gzip stream", "plain", "ARC"]
"""How the records of a file are packed.

members: each record is a gzip member of its own. gzip stream: all records are in one gzip member.
plain: not compressed. ARC: the older format, compressed or not.
"""

ARC_SIGN = b"filedesc:"
# Between headers and block of a record, and between two records.
SEPARATOR = b"\r\n\r\n"
GZIP_SIGN = b"\x1f\x8b"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)


class NotAnArchive(ValueError):
    """A file that does not start with a WARC or ARC record."""


@dataclass(frozen=True, slots=True)
class Split:
    """The records of a file that start at `start` or later, and before `end`.

    If `end` is None, the split goes to the end of the file.
    """

    path: str
    form: Form = "members"
    start: int = 0
    end: int | None = None


def split_file(path: str, split_bytes: int | None, options: files.Options) -> Iterator[Split]:
    """Yield the splits of a file.

    A file that is compressed record by record is split every `split_bytes`; any other file is one
    split. Raises NotAnArchive, EOFError for an empty file, OSError if it cannot be opened.
    """
    with ResumedStream(path, options) as stream:
        form = form_of(stream)
        size = size_of_stream(stream)
    # Only members can be found from the middle of a file.
    if form != "members" or split_bytes is None:
        yield Split(path, form)
        return
    for start in range(0, size, split_bytes):
        end = start + split_bytes
        yield Split(path, form, start, end if end < size else None)


def form_of(stream: Stream) -> Form:
    """How the records of a file are packed, by its first bytes. Raises NotAnArchive, EOFError."""
    stream.seek(0)
    raw = stream.read(len(ARC_SIGN))
    if not raw:
        raise EOFError("an empty file")
    is_gzip = raw.startswith(GZIP_SIGN)
    start = first_member_bytes(stream, 0, BLOCK_BYTES) if is_gzip else raw
    if start.startswith(ARC_SIGN):
        return "ARC"
    if not start.startswith(WARC_SIGN):
        raise NotAnArchive("the file does not start with a WARC or ARC record")
    if not is_gzip:
        return "plain"
    return "gzip stream" if _has_second_record(stream, start) else "members"


def _has_second_record(stream: Stream, start: bytes) -> bool:
    """Whether a second record follows the first one in the same gzip member."""
    headers, separator, _ = start.partition(SEPARATOR)
    content_length = _LENGTH.search(headers + b"\r\n")
    # Without an end of the first record no second one can be found.
    if not separator or not content_length:
        return False
    record_end = len(headers) + len(SEPARATOR) + int(content_length[1])
    following = first_member_bytes(stream, record_end, len(SEPARATOR) + len(WARC_SIGN))
    return following.lstrip(b"\r\n").startswith(WARC_SIGN)
