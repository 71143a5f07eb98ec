"""Splits of files: byte ranges that workers read at the same time.

Each record belongs to exactly one split.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Literal, NamedTuple

from pairsieve.attempt import Failure, attempt
from pairsieve.storage import files
from pairsieve.storage.files import Stream
from pairsieve.storage.resume import ResumedStream
from pairsieve.warc.codecs import SIGN_BYTES, Codec, codec_of
from pairsieve.warc.heads import MAX_HEAD_BYTES
from pairsieve.warc.members import (
    LINE_BYTES,
    DamagedStream,
    Decompressed,
    is_start_of_record,
    next_start,
    size_of_stream,
)
from pairsieve.warc.record import read_record_head
from pairsieve.warc.stream_records import USUAL_HEAD_BYTES
from pairsieve.warc.wacz import NotAWacz, Part, archives_in, entry_of, is_wacz, waczs_in

Form = Literal["members", "gzip stream", "zstd stream", "lz4 stream", "zip stream", "plain"]
"""How the records of a file are packed.

members: each record is a member of its own (with gzip), or a frame (with zstd and LZ4). stream: a
member holds all records, or a part of one; or the archive is compressed in a WACZ. plain: not
compressed.
"""

STREAM_FORMS: dict[str, Form] = {"gzip": "gzip stream", "zstd": "zstd stream", "lz4": "lz4 stream"}

NO_RECORD = "the file does not start with a WARC or ARC record"
# How far a record is looked for where the first member holds none.
SEARCHED_BYTES = 4 << 20


class NotAnArchive(ValueError):
    """A file that does not start with a WARC or ARC record."""


@dataclass(frozen=True, slots=True)
class Split:
    """The records of an archive that start at `start` or later, and before `end`.

    If `end` is None, the split goes to the end of the archive. The archive is the whole file, or
    the part of a file between `archive_start` and `archive_end`. All offsets are those in the file.
    `entry` is the name of an archive that is compressed in a WACZ. `unreadable` is the error where
    an archive of a WACZ cannot be read; the other ones are.
    """

    path: str
    form: Form = "members"
    start: int = 0
    end: int | None = None
    archive_start: int = 0
    archive_end: int | None = None
    entry: str = ""
    unreadable: str = ""

    def part_of(self, stream: Stream) -> Stream:
        """The archive in its file."""
        return stream if self.archive_end is None else Part(stream, self.archive_end)


def split_file(path: str, split_bytes: int | None, options: files.Options) -> Iterator[Split]:
    """Yield the splits of a file.

    An archive that is compressed record by record is split every `split_bytes`; any other is one
    split. A WACZ holds several archives. Raises NotAnArchive, NotAWacz, EOFError for an empty file,
    OSError if it cannot be opened.
    """
    with ResumedStream(path, options) as stream:
        if is_wacz(stream.read(SIGN_BYTES)):
            yield from _splits_of_wacz(path, stream, split_bytes)
            return
        whole = Split(path, form_of(stream))
        size = size_of_stream(stream)
    yield from _divided(whole, 0, size, split_bytes)


def _splits_of_wacz(path: str, stream: Stream, split_bytes: int | None) -> Iterator[Split]:
    """The splits of all archives in a WACZ. Raises NotAWacz if none of them can be read."""
    splits = list[Split]()
    for wacz in waczs_in(stream):
        if isinstance(wacz, NotAWacz):
            splits.append(Split(path, unreadable=type(wacz).__name__))
        else:
            splits += _splits_of_archives(path, wacz, split_bytes)
    if all(split.unreadable for split in splits):
        raise NotAWacz("no archive in the zip file can be read")
    yield from splits


def _splits_of_archives(path: str, wacz: Part, split_bytes: int | None) -> list[Split]:
    """The splits of all archives in one WACZ, and of those that cannot be read one each."""
    infos = attempt(archives_in, wacz, reads_storage=True)
    if isinstance(infos, Failure):
        return [Split(path, unreadable=infos.error)]
    splits = list[Split]()
    for info in infos:
        list_splits = partial(_splits_of_entry, path, wacz, split_bytes)
        found = attempt(list_splits, info, reads_storage=True)
        if isinstance(found, Failure):
            found = [Split(path, start=info.header_offset, unreadable=found.error)]
        splits += found
    return splits


def _splits_of_entry(
    path: str, wacz: Part, split_bytes: int | None, info: zipfile.ZipInfo
) -> list[Split]:
    entry = entry_of(wacz, info)
    if not entry.is_stored:
        return [Split(path, "zip stream", archive_end=entry.zip_end, entry=entry.name)]
    form = form_of(Part(wacz, entry.end), entry.start)
    whole = Split(path, form, entry.start, None, entry.start, entry.end)
    return list(_divided(whole, entry.start, entry.end, split_bytes))


def _divided(
    whole: Split, archive_start: int, archive_end: int, split_bytes: int | None
) -> Iterator[Split]:
    """The splits of one archive."""
    # Only members can be found from the middle of a file.
    if whole.form != "members" or split_bytes is None:
        yield whole
        return
    for start in range(archive_start, archive_end, split_bytes):
        end = start + split_bytes
        is_last = end >= archive_end
        yield replace(whole, start=start, end=None if is_last else end)


def form_of(stream: Stream, archive_start: int = 0) -> Form:
    """How the records of an archive are packed, by its first bytes.

    Raises NotAnArchive, EOFError.
    """
    stream.seek(archive_start)
    start = stream.read(USUAL_HEAD_BYTES)
    if not start:
        raise EOFError("an empty file")
    codec = codec_of(stream, archive_start)
    if codec is None:
        if not is_start_of_record(start):
            raise NotAnArchive(NO_RECORD)
        return "plain"
    pieces = list(islice(_pieces(stream, codec, archive_start), 1))
    if not pieces or not is_start_of_record(pieces[0].content):
        # The first member is damaged, or something else. There may be others.
        if next_start(stream, archive_start, codec, archive_start + SEARCHED_BYTES) is None:
            raise NotAnArchive(NO_RECORD)
        return "members"
    if _is_stream(_pieces(stream, codec, archive_start)):
        return STREAM_FORMS[codec.name]
    return "members"


class _Piece(NamedTuple):
    """Decompressed bytes of one member; `member` is its number."""

    member: int
    content: bytes


def _pieces(stream: Stream, codec: Codec, archive_start: int) -> Iterator[_Piece]:
    """The decompressed bytes of an archive, up to its end or the first damage."""
    decompressed = Decompressed(stream, codec, archive_start)
    try:
        while content := decompressed.read():
            yield _Piece(decompressed.members, content)
    except (EOFError, DamagedStream):
        return


def _is_stream(pieces: Iterable[_Piece]) -> bool:
    """Whether the first member holds a second record, or less than its first record.

    No more is decompressed than is needed to know.
    """
    first_member = None
    length = 0
    start, following = b"", b""
    record_end: int | None = None
    for piece in pieces:
        if first_member is None:
            first_member = piece.member
        if piece.member != first_member:
            # A member that is shorter than its record may also have a record with a wrong length.
            # Then the next one begins with another record.
            is_short = record_end is not None and length < record_end
            return is_short and not is_start_of_record(piece.content)
        length += len(piece.content)
        if record_end is None:
            start += piece.content
            record_end = _end_of_record(start)
        if record_end is not None and length > record_end:
            following += piece.content[-(length - record_end) :]
        if len(following) > LINE_BYTES or len(start) > MAX_HEAD_BYTES:
            break
    return is_start_of_record(following)


def _end_of_record(start: bytes) -> int | None:
    """Where the record that begins with these bytes ends; None if they do not say it yet."""
    head = read_record_head(start, len(start) - len(start.lstrip(b"\r\n")))
    if head is None or head.length is None:
        return None
    return head.block_start + head.length
