"""Read a WARC file: its HTML responses as pages, everything else as a location to find pictures by.

Format: WARC 1.0 and 1.1 (ISO 28500), as Common Crawl, wget and Browsertrix write them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from os import SEEK_END
from typing import IO

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.limitreader import LimitReader
from warcio.recordloader import ArcWarcRecord

from records.outcome import Counted, Rejection
from records.page import Headers, Location, Origin, Page
from storage import files

HTML_TYPES = ("text/html", "application/xhtml+xml")
READ_ERRORS = (ArchiveLoadFailed, EOFError, OSError, ValueError, zlib.error)

Found = Page | Location | Rejection | Counted


@dataclass(frozen=True)
class ReadSettings:
    """`max_page_bytes` bounds the decoded payload of one page; `locate` asks for locations beside pages."""

    max_page_bytes: int
    locate: bool


class _Records(ArchiveIterator):  # type: ignore[misc]
    """warcio's iterator without its habit of printing page content to stderr where a record's length is wrong."""

    INC_RECORD = ""


def read_archive(path: str, settings: ReadSettings) -> Iterator[Found]:
    """Every page (and location) of a file, in file order.

    A file that turns out to be broken ends with one Rejection; what came before it is kept.
    """
    yield Counted("file", "in")
    position = Position(files.public_name(path))
    try:
        with files.open_read(path) as stream:
            records = _Records(stream)
            yield from _read_records(records, path, position, settings)
            position.offset = records.offset
            if position.offset < stream.seek(0, SEEK_END):
                raise EOFError("the file ends inside a record")
    except READ_ERRORS as error:
        yield Rejection("file", f"unreadable_{type(error).__name__}", "quarantined", position.where)
    else:
        yield Counted("file", "kept")


@dataclass
class Position:
    """How far a file has been read."""

    file: str
    offset: int = 0

    @property
    def where(self) -> str:
        return f"{self.file}@{self.offset}"


def _read_records(records: _Records, path: str, position: Position, settings: ReadSettings) -> Iterator[Found]:
    """Raises one of READ_ERRORS at the first place from which reading cannot go on."""
    empty = True
    for record in records:
        empty, position.offset, mismatches = False, records.offset, records.err_count
        if record.format != "warc" or not isinstance(record.raw_stream, LimitReader):
            raise ArchiveLoadFailed("not a WARC record, or one without a length")
        found = list(_read_record(record, path, position, settings))
        records.read_to_end()
        if record.raw_stream.limit > 0:
            raise EOFError("the file ends inside a record")
        yield Counted("record", "in")
        if records.err_count > mismatches:
            if not records.reader.decompressor:
                raise ArchiveLoadFailed("a record's Content-Length is wrong and nothing marks the next record")
            yield Rejection("record", "length_mismatch", "quarantined", position.where)
        else:
            yield Counted("record", "kept")
            yield from found
    if empty:
        raise EOFError("no record in the file")


def _read_record(record: ArcWarcRecord, path: str, position: Position, settings: ReadSettings) -> Iterator[Found]:
    if record.rec_type not in ("response", "resource") or not record.rec_headers:
        return
    url = record.rec_headers.get_header("WARC-Target-URI") or ""
    status, content_type = _status(record), _content_type(record)
    if not url.startswith(("http:", "https:")):
        return
    if not _is_html(content_type):
        if settings.locate:
            yield Location(url, status, content_type, path, position.offset, _date(record))
        return
    yield Counted("page", "in")
    yield _page(record, url, status, Origin(path, position.offset, _digest(record), _date(record)), settings)


def _page(record: ArcWarcRecord, url: str, status: int, origin: Origin, settings: ReadSettings) -> Page | Rejection:
    if status != 200:
        return Rejection("page", f"http_{status}")
    payload = record.content_stream().read(settings.max_page_bytes + 1)
    if len(payload) > settings.max_page_bytes:
        return Rejection("page", "page_too_large")
    if not payload:
        return Rejection("page", "page_empty")
    return Page(url, http_headers(record), payload, origin)


def http_headers(record: ArcWarcRecord) -> Headers:
    """The HTTP headers of a response; none for a resource record."""
    return tuple(record.http_headers.headers) if record.http_headers else ()


def _is_html(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in HTML_TYPES


def _content_type(record: ArcWarcRecord) -> str:
    holder = record.http_headers or record.rec_headers
    return holder.get_header("Content-Type") or ""


def _status(record: ArcWarcRecord) -> int:
    if not record.http_headers:
        return 200  # a resource record holds the thing itself
    code = record.http_headers.get_statuscode() or ""
    return int(code) if code.isdecimal() and len(code) == 3 else 0


def _digest(record: ArcWarcRecord) -> str:
    return record.rec_headers.get_header("WARC-Payload-Digest") or ""


def _date(record: ArcWarcRecord) -> str:
    return record.rec_headers.get_header("WARC-Date") or ""


def read_payload(stream: IO[bytes], offset: int, max_bytes: int) -> tuple[Headers, bytes]:
    """The HTTP headers and decoded payload of the record at an offset, cut at `max_bytes` + 1.

    Raises one of READ_ERRORS where there is no readable record.
    """
    stream.seek(offset)
    record = next(iter(ArchiveIterator(stream)), None)
    if record is None:
        raise EOFError("no record at this offset")
    return http_headers(record), record.content_stream().read(max_bytes + 1)
