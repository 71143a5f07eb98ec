"""Index listings: rows that name single records, so that only those are read, by byte range.

Formats: Common Crawl's CDXJ (urlkey, timestamp, JSON with filename, offset, length) and its
columnar index (parquet with warc_filename, warc_record_offset, warc_record_length), or any part of
these that a query returned; and a WACZ, by the CDXJ in it.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Any

import pyarrow.parquet as pq

from pairsieve.attempt import Failure, attempt
from pairsieve.storage import files
from pairsieve.storage.resume import TRANSIENT_ERRORS, ResumedStream, with_retries
from pairsieve.warc.members import DamagedMember
from pairsieve.warc.record import MAX_OFFSET, BadRecord, Record
from pairsieve.warc.record_at import read_record_at
from pairsieve.warc.wacz import (
    ARCHIVE_FOLDER,
    NotAWacz,
    Part,
    archives_in,
    entry_of,
    index_lines,
    is_wacz,
    waczs_in,
)

COLUMNS = ("warc_filename", "warc_record_offset", "warc_record_length")
PARQUET_SIGN = b"PAR1"
GZIP_SIGN = b"\x1f\x8b"
# It stands behind a blank, or begins the line: the URL before it may have braces of its own.
_JSON = re.compile(rb"(?<!\S)\{.*", re.DOTALL)

# Ranges that are asked for at the same time.
RANGES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Place:
    """The byte range of one record: `length` bytes of a file, from `offset` on."""

    path: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Places that are read at the same time."""

    places: tuple[Place, ...]


class BadIndex(ValueError):
    """An index listing cannot be used. The message says which row is wrong, and what to do."""


def excerpts(path: str, base: str, options: files.Options) -> Iterator[Excerpt]:
    """Yield all places in an index listing, RANGES_AT_ONCE in an excerpt.

    `base` is put before each file name. Raises BadIndex, OSError.
    """
    places = _places(path, base, options)
    while True:
        group = tuple(islice(places, RANGES_AT_ONCE))
        if not group:
            return
        yield Excerpt(group)


def _places(path: str, base: str, options: files.Options) -> Iterator[Place]:
    with ResumedStream(path, options) as stream:
        sign = stream.read(len(PARQUET_SIGN))
        if is_wacz(sign):
            for wacz in waczs_in(stream):
                if isinstance(wacz, NotAWacz):
                    raise wacz
                yield from _places_in_wacz(path, wacz)
            return
    rows = _parquet_rows(path, options) if sign == PARQUET_SIGN else _cdxj_rows(path, options)
    for number, row in enumerate(rows, 1):
        where = f"row {number} of the index {files.public_name(path)}"
        named = _named_in(row)
        if named is None:
            raise BadIndex(f"{where} names no file, offset and length")
        name, offset, length = named
        if not _is_below(name, base):
            raise BadIndex(
                f"{where} names an address of its own: only the config may say which servers "
                "a run asks. Set input.base to the beginning of such addresses"
            )
        full_path = name if base and name.startswith(base) else base + name
        yield Place(full_path, offset, length)


def _places_in_wacz(path: str, wacz: Part) -> Iterator[Place]:
    """The places that the indexes in a WACZ name, as places in the file that it lies in."""
    entries = {info.filename: entry_of(wacz, info) for info in archives_in(wacz)}
    lines = [line for line in index_lines(wacz) if line.strip()]
    for number, line in enumerate(lines, 1):
        named = _named_in(_cdxj_row(line))
        entry = entries.get(f"{ARCHIVE_FOLDER}{named[0]}") if named else None
        if named is None or entry is None or not entry.is_stored:
            raise BadIndex(
                f"row {number} of the index in {files.public_name(path)} names no record of an "
                "archive that is stored in it; read it whole, with input.kind archives"
            )
        _, offset, length = named
        yield Place(
            path, entry.start + offset, min(length, max(0, entry.end - entry.start - offset))
        )


def _named_in(row: tuple[Any, ...]) -> tuple[str, int, int] | None:
    """(file name, offset, length) that a row names; None if it does not."""
    try:
        name, offset, length = row
        offset, length = int(offset), int(length)
    except (ValueError, TypeError, OverflowError):
        return None
    is_place = 0 <= offset <= MAX_OFFSET and 0 <= length <= MAX_OFFSET - offset
    return (name, offset, length) if is_place and isinstance(name, str) and name else None


def _is_below(name: str, base: str) -> bool:
    """Whether a file's name is a path, or an address that begins with `input.base`.

    fsspec would open any other address, and chains of them (`a::b`).
    """
    if base and name.startswith(base):
        return True
    return "://" not in name and "::" not in name


def _parquet_rows(path: str, options: files.Options) -> Iterator[tuple[Any, ...]]:
    """(file name, offset, length) of each row of a columnar index."""
    with files.open_read(path, options) as stream:
        table = pq.ParquetFile(stream)
        missing = [name for name in COLUMNS if name not in table.schema_arrow.names]
        if missing:
            raise BadIndex(
                f"the index {files.public_name(path)} has no column {', '.join(missing)}"
            )
        for batch in table.iter_batches(columns=list(COLUMNS)):
            columns = [batch[name].to_pylist() for name in COLUMNS]
            yield from zip(*columns, strict=True)


def _cdxj_rows(path: str, options: files.Options) -> Iterator[tuple[Any, ...]]:
    """(file name, offset, length) of each line of a CDXJ listing, which may be gzipped."""
    with files.open_read(path, options) as raw:
        is_gzip = raw.read(len(GZIP_SIGN)) == GZIP_SIGN
        raw.seek(0)
        lines: Iterable[bytes] = gzip.GzipFile(fileobj=raw) if is_gzip else raw
        for line in lines:
            if line.strip():
                yield _cdxj_row(line)


def _cdxj_row(line: bytes) -> tuple[Any, ...]:
    """(file name, offset, length) of a line; an empty tuple if it does not hold them.

    Only the JSON is read. So both CDXJ and the lines of Common Crawl's index server are understood.
    """
    found = _JSON.search(line)
    if found is None:
        return ()
    try:
        fields = json.loads(found[0])
        return fields["filename"], fields["offset"], fields["length"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()


def read_excerpt(
    excerpt: Excerpt, keep_bytes: int, options: files.Options
) -> Iterator[tuple[Place, Record | BadRecord]]:
    """Yield the record at each place, or a BadRecord that says why there is none."""
    ranges = [(place.path, place.offset, place.offset + place.length) for place in excerpt.places]
    contents = _read_ranges(ranges, options)
    for place, content in zip(excerpt.places, contents, strict=True):
        yield place, _record_in(content, place, keep_bytes)


def _read_ranges(
    ranges: list[tuple[str, int, int]], options: files.Options
) -> Iterator[bytes | Exception]:
    """The bytes of each range, or the exception that it raised after all retries."""
    contents = files.read_ranges(ranges, options)
    for byte_range, content in zip(ranges, contents, strict=True):
        if not isinstance(content, TRANSIENT_ERRORS):
            yield content
            continue
        # Retry this range alone: the others need not be read again.
        try:
            yield with_retries(partial(files.read_range, byte_range, options))[0]
        except TRANSIENT_ERRORS as error:
            yield error


def _record_in(content: bytes | Exception, place: Place, keep_bytes: int) -> Record | BadRecord:
    """The record in the bytes of a place."""
    if isinstance(content, Exception):
        return BadRecord(f"unreadable_{type(content).__name__}", place.offset)
    record = attempt(partial(_first_record, keep_bytes=keep_bytes), content)
    if isinstance(record, Failure):
        return BadRecord(record.reason, place.offset)
    # Its offset is that in the bytes of the place.
    if isinstance(record, BadRecord):
        return BadRecord(record.reason, place.offset)
    return replace(record, offset=place.offset)


def _first_record(content: bytes, keep_bytes: int) -> Record | BadRecord:
    try:
        return read_record_at(BytesIO(content), 0, keep_bytes)
    except BadRecord as bad:
        # Bytes that are no record at all are not those that the index means.
        return BadRecord("damaged", 0) if bad.reason == "not_a_record" else bad
    except (DamagedMember, EOFError):
        return BadRecord("damaged", 0)
