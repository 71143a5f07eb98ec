"""Files to splits: stretches that can be read at the same time, each record in exactly one of
them.
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
ARC_SIGN = b"filedesc:"
BETWEEN = b"\r\n\r\n"
GZIP_SIGN = b"\x1f\x8b"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)


class NotAnArchive(ValueError):
    """A file that holds no WARC or ARC record at its start."""


@dataclass(frozen=True, slots=True)
class Split:
    """The records of a file that start at `start` or later and before `end` (None: the end of the
    file).
    """

    path: str
    form: Form = "members"
    start: int = 0
    end: int | None = None


def split_file(path: str, split_bytes: int | None, options: files.Options) -> Iterator[Split]:
    """The splits of a file: one, or as many as `split_bytes` makes of one that is compressed record
    by record.

    Raises NotAnArchive, EOFError for an empty file, OSError where it cannot be opened.
    """
    with ResumedStream(path, options) as stream:
        form, size = form_of(stream), size_of_stream(stream)
    if form != "members" or split_bytes is None:
        yield Split(path, form)
        return
    for start in range(0, size, split_bytes):
        yield Split(path, form, start, start + split_bytes if start + split_bytes < size else None)


def form_of(stream: Stream) -> Form:
    """How a file's records are packed, by the first of them. Raises NotAnArchive, EOFError."""
    stream.seek(0)
    raw = stream.read(len(ARC_SIGN))
    if not raw:
        raise EOFError("an empty file")
    zipped = raw.startswith(GZIP_SIGN)
    start = first_member_bytes(stream, 0, BLOCK_BYTES) if zipped else raw
    if start.startswith(ARC_SIGN):
        return "ARC"
    if not start.startswith(WARC_SIGN):
        raise NotAnArchive("the file does not start with a WARC or ARC record")
    if not zipped:
        return "plain"
    return "gzip stream" if _goes_on(stream, start) else "members"


def _goes_on(stream: Stream, start: bytes) -> bool:
    """Whether a second record follows the first one in the same gzip member."""
    head, blank, _ = start.partition(BETWEEN)
    found = _LENGTH.search(head + b"\r\n")
    if not (blank and found):
        return False
    end = len(head) + len(BETWEEN) + int(found[1])
    return (
        first_member_bytes(stream, end, len(BETWEEN) + len(WARC_SIGN))
        .lstrip(b"\r\n")
        .startswith(WARC_SIGN)
    )
