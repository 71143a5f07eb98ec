"""Index listings: rows that say where single records lie, so that only those are read, by range.

Formats: Common Crawl's CDXJ (urlkey, timestamp, JSON with filename, offset, length) and its
columnar index (parquet with warc_filename, warc_record_offset, warc_record_length), or any part of
these that a query returned.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Any

import pyarrow.parquet as pq

from pairsieve.attempt import Failure, attempt
from pairsieve.storage import files
from pairsieve.storage.resume import TRANSIENT_ERRORS, ResumedStream, with_retries
from pairsieve.warc.fastwarc_reader import record_or_bad
from pairsieve.warc.gzip_members import DamagedMember, Member, read_members
from pairsieve.warc.record import BadRecord, Record

COLUMNS = ("warc_filename", "warc_record_offset", "warc_record_length")
PARQUET_SIGN = b"PAR1"
RANGES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where one record lies."""

    path: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Places that are read together."""

    places: tuple[Place, ...]


class BadIndex(ValueError):
    """An index listing with a row that names no record; the message says where."""


def excerpts(path: str, base: str, options: files.Options) -> Iterator[Excerpt]:
    """All places that an index listing names, `base` before each file name.

    Raises BadIndex, OSError.
    """
    places = _places(path, base, options)
    while together := tuple(islice(places, RANGES_AT_ONCE)):
        yield Excerpt(together)


def _places(path: str, base: str, options: files.Options) -> Iterator[Place]:
    with ResumedStream(path, options) as stream:
        columnar = stream.read(len(PARQUET_SIGN)) == PARQUET_SIGN
    rows = _columnar(path, options) if columnar else _lines(path, options)
    for number, row in enumerate(rows, 1):
        try:
            name, offset, length = row
            if not _is_below(name, base):
                raise BadIndex(
                    f"row {number} of the index {files.public_name(path)} names an address of its "
                    "own: whom a run calls is for the "
                    "config to say; set input.base to what such addresses begin with"
                )
            yield Place(
                name if base and name.startswith(base) else base + name, int(offset), int(length)
            )
        except BadIndex:
            raise
        except (ValueError, TypeError):
            raise BadIndex(
                f"row {number} of the index {files.public_name(path)} names no file, offset and "
                "length"
            ) from None


def _is_below(name: str, base: str) -> bool:
    """Whether a file's name stays below `input.base`, or is a path: other schemes, and chains of
    them, are fsspec's to open.
    """
    return bool(base and name.startswith(base)) or not ("://" in name or "::" in name)


def _columnar(path: str, options: files.Options) -> Iterator[tuple[Any, ...]]:
    with files.open_read(path, options) as stream:
        table = pq.ParquetFile(stream)
        missing = [name for name in COLUMNS if name not in table.schema_arrow.names]
        if missing:
            raise BadIndex(
                f"the index {files.public_name(path)} has no column {', '.join(missing)}"
            )
        for batch in table.iter_batches(columns=list(COLUMNS)):
            yield from zip(*(batch[name].to_pylist() for name in COLUMNS), strict=True)


def _lines(path: str, options: files.Options) -> Iterator[tuple[Any, ...]]:
    with files.open_read(path, options) as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        for line in gzip.GzipFile(fileobj=raw) if zipped else raw:
            if line.strip():
                yield _cdxj(line)


def _cdxj(line: bytes) -> tuple[Any, ...]:
    """Only what follows the first brace is read: with it both CDXJ and the lines of Common Crawl's
    index server are known.
    """
    try:
        told = json.loads(line[max(0, line.find(b"{")) :])
        return told["filename"], told["offset"], told["length"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


def read_excerpt(
    excerpt: Excerpt, keep_bytes: int, options: files.Options
) -> Iterator[tuple[Place, Record | BadRecord]]:
    """The record at each place, or why there is none."""
    ranges = [(place.path, place.offset, place.offset + place.length) for place in excerpt.places]
    for place, content in zip(excerpt.places, _contents(ranges, options), strict=True):
        yield place, _record(content, place, keep_bytes)


def _contents(
    ranges: list[tuple[str, int, int]], options: files.Options
) -> Iterable[bytes | Exception]:
    """Transient errors are tried again one range at a time: the others need not be read again."""
    for wanted, content in zip(ranges, files.read_ranges(ranges, options), strict=True):
        if not isinstance(content, TRANSIENT_ERRORS):
            yield content
            continue
        try:
            yield with_retries(partial(files.read_range, wanted, options))[0]
        except TRANSIENT_ERRORS as error:
            yield error


def _record(content: bytes | Exception, place: Place, keep_bytes: int) -> Record | BadRecord:
    if isinstance(content, Exception):
        return BadRecord(f"unreadable_{type(content).__name__}", place.offset)
    try:
        member = next(read_members(BytesIO(content), 0, None, keep_bytes), None)
    except (DamagedMember, zlib.error):
        return BadRecord("damaged", place.offset)
    if member is None:
        return BadRecord("damaged", place.offset)
    record = attempt(
        record_or_bad, Member(place.offset, place.offset + place.length, member.length, member.head)
    )
    return BadRecord(record.reason, place.offset) if isinstance(record, Failure) else record
