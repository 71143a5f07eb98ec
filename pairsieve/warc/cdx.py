"""Index listings: rows that name single records, so that only those are read, by byte range.

Formats: CDXJ and CDX (pairsieve/warc/cdx_lines.py), and Common Crawl's columnar index (parquet with
warc_filename, warc_record_offset, warc_record_length), or any part of these that a query returned;
and a WACZ, by the index in it.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import starmap

import pyarrow.parquet as pq

from pairsieve.attempt import Failure, attempt
from pairsieve.storage import files, openers
from pairsieve.storage.files import Stream
from pairsieve.storage.resume import TRANSIENT_ERRORS, ResumedStream, with_retries
from pairsieve.warc.cdx_lines import Named, named, named_in_lines
from pairsieve.warc.codecs import ZSTD_SIGN
from pairsieve.warc.members import DamagedMember
from pairsieve.warc.record import BadRecord, Record
from pairsieve.warc.record_at import read_record_at
from pairsieve.warc.wacz import (
    ARCHIVE_FOLDER,
    NotAWacz,
    Part,
    entries_in,
    index_lines,
    is_wacz,
    waczs_in,
)

COLUMNS = ("warc_filename", "warc_record_offset", "warc_record_length")
PARQUET_SIGN = b"PAR1"
GZIP_SIGN = b"\x1f\x8b"

# Ranges that are asked for at the same time.
RANGES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Place:
    """The byte range of one record: `length` bytes of a file, from `offset` on.

    `length` is 0 where the index does not tell it.
    """

    path: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Places that are read at the same time."""

    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of an index that names no record, by its number."""

    path: str
    number: int


class BadIndex(ValueError):
    """An index listing cannot be used. The message says which row is wrong, and what to do."""


def excerpts(path: str, base: str, options: files.Options) -> Iterator[Excerpt | BadRow]:
    """Yield all places in an index listing, RANGES_AT_ONCE in an excerpt, and its bad rows.

    `base` is put before each file name. Raises OSError, and BadIndex if no row can be read or one
    names an address of its own.
    """
    group = list[Place]()
    first_bad: BadRow | None = None
    has_place = False
    for row in _rows(path, base, options):
        if isinstance(row, BadRow):
            first_bad = first_bad or row
            yield row
            continue
        has_place = True
        group.append(row)
        if len(group) == RANGES_AT_ONCE:
            yield Excerpt(tuple(group))
            group = []
    if group:
        yield Excerpt(tuple(group))
    if first_bad and not has_place:
        where = f"row {first_bad.number} of the index {files.public_name(path)}"
        raise BadIndex(
            f"{where} names no file and offset, and no other row does. A row of a WACZ must name "
            "an archive that is stored in it as it is: read others with input.kind archives"
        )


def _rows(path: str, base: str, options: files.Options) -> Iterator[Place | BadRow]:
    with ResumedStream(path, options) as stream:
        sign = stream.read(len(PARQUET_SIGN))
        if is_wacz(sign):
            yield from _rows_in_waczs(path, stream)
            return
    rows = _parquet_rows(path, options) if sign == PARQUET_SIGN else _lines_of(path, options)
    for number, row in enumerate(rows, 1):
        yield BadRow(path, number) if row is None else _place_of(row, path, number, base)


def _place_of(row: Named, path: str, number: int, base: str) -> Place:
    if not _is_below(row.file, base):
        where = f"row {number} of the index {files.public_name(path)}"
        raise BadIndex(
            f"{where} names an address of its own: only the config may say which servers "
            "a run asks. Set input.base to the beginning of such addresses"
        )
    full_path = row.file if base and row.file.startswith(base) else base + row.file
    return Place(full_path, row.offset, row.length)


def _rows_in_waczs(path: str, stream: Stream) -> Iterator[Place | BadRow]:
    """The rows of all indexes in a WACZ, and in those that it holds.

    One of these that cannot be read is a bad row. Raises NotAWacz if none can.
    """
    failed: NotAWacz | None = None
    has_read = False
    for wacz in waczs_in(stream):
        try:
            yield from _rows_in_wacz(path, wacz)
            has_read = True
        except NotAWacz as error:
            failed = error
            yield BadRow(path, 0)
    if failed and not has_read:
        raise failed


def _rows_in_wacz(path: str, wacz: Part | NotAWacz) -> Iterator[Place | BadRow]:
    """The places that the indexes in a WACZ name, as places in the file that it lies in."""
    if isinstance(wacz, NotAWacz):
        raise wacz
    entries = {entry.name: entry for entry in entries_in(wacz)}
    # As a list: the archives are read from the same stream.
    rows = list(named_in_lines(index_lines(wacz)))
    for number, row in enumerate(rows, 1):
        entry = entries.get(f"{ARCHIVE_FOLDER}{row.file}") if row else None
        if row is None or entry is None or not entry.is_stored:
            yield BadRow(path, number)
            continue
        rest = entry.end - entry.start - row.offset
        if rest <= 0:
            yield BadRow(path, number)
            continue
        yield Place(path, entry.start + row.offset, min(row.length, rest))


def _is_below(name: str, base: str) -> bool:
    """Whether a file's name is a path, or an address that begins with `input.base`.

    fsspec would open any other address, and chains of them (`a::b`).
    """
    if base and name.startswith(base):
        return True
    return "://" not in name and "::" not in name


def _parquet_rows(path: str, options: files.Options) -> Iterator[Named | None]:
    """The record that each row of a columnar index names."""
    with openers.open_row_groups(path, options) as stream:
        table = pq.ParquetFile(stream)
        missing = [name for name in COLUMNS if name not in table.schema_arrow.names]
        if missing:
            raise BadIndex(
                f"the index {files.public_name(path)} has no column {', '.join(missing)}"
            )
        for batch in table.iter_batches(columns=list(COLUMNS)):
            columns = [batch[name].to_pylist() for name in COLUMNS]
            yield from starmap(named, zip(*columns, strict=True))


def _lines_of(path: str, options: files.Options) -> Iterator[Named | None]:
    """The record that each line of CDXJ or CDX names, which may be gzipped."""
    with files.open_read(path, options) as raw:
        is_gzip = raw.read(len(GZIP_SIGN)) == GZIP_SIGN
        raw.seek(0)
        lines: Iterable[bytes] = gzip.GzipFile(fileobj=raw) if is_gzip else raw
        yield from named_in_lines(lines)


def read_excerpt(
    excerpt: Excerpt, keep_bytes: int, options: files.Options
) -> Iterator[tuple[Place, Record | BadRecord]]:
    """Yield the record at each place, or a BadRecord that says why there is none."""
    known = [place for place in excerpt.places if place.length]
    ranges = [(place.path, place.offset, place.offset + place.length) for place in known]
    contents = _read_ranges(ranges, options) if ranges else iter(())
    for place in excerpt.places:
        if not place.length:
            yield place, _record_in_file(place, keep_bytes, options)
            continue
        content = next(contents)
        record = _record_in(content, place, keep_bytes)
        if isinstance(record, BadRecord) and _is_zstd(content):
            # The dictionary of such a frame stands at the start of its file.
            record = _record_in_file(place, keep_bytes, options)
        yield place, record


def _is_zstd(content: bytes | Exception) -> bool:
    return isinstance(content, bytes) and content.startswith(ZSTD_SIGN)


def _record_in_file(place: Place, keep_bytes: int, options: files.Options) -> Record | BadRecord:
    """The record at a place, read from its file up to where the record itself says that it ends."""

    def read(place: Place) -> Record | BadRecord:
        with openers.open_excerpt(place.path, options) as stream:
            return _record_at(stream, place.offset, keep_bytes)

    def read_again(place: Place) -> Record | BadRecord:
        try:
            return with_retries(partial(read, place))[0]
        except TRANSIENT_ERRORS as error:
            return BadRecord(f"unreadable_{type(error).__name__}", place.offset)

    record = attempt(read_again, place, reads_storage=True)
    return BadRecord(record.reason, place.offset) if isinstance(record, Failure) else record


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
    record = attempt(partial(_record_at, offset=0, keep_bytes=keep_bytes), BytesIO(content))
    if isinstance(record, Failure):
        return BadRecord(record.reason, place.offset)
    # Its offset is that in the bytes of the place.
    if isinstance(record, BadRecord):
        return BadRecord(record.reason, place.offset)
    return replace(record, offset=place.offset)


def _record_at(stream: Stream, offset: int, keep_bytes: int) -> Record | BadRecord:
    try:
        return read_record_at(stream, offset, keep_bytes)
    except BadRecord as bad:
        # Bytes that are no record at all are not those that the index means.
        return BadRecord("damaged", offset) if bad.reason == "not_a_record" else bad
    except (DamagedMember, EOFError):
        return BadRecord("damaged", offset)
