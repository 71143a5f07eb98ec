"""Splits of archives to pages, and to locations of everything that is not a page.

Formats: WARC 1.0 and 1.1 (ISO 28500) as Common Crawl, wget and Browsertrix write them, ARC, and
Common Crawl's WAT.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from warcio.exceptions import ArchiveLoadFailed

from pairsieve.attempt import Failure, attempt, each
from pairsieve.records.outcome import Counted, Noted, Rejection
from pairsieve.records.page import Location, Origin, Page, header
from pairsieve.storage import files
from pairsieve.storage.files import Stream
from pairsieve.storage.resume import TRANSIENT_ERRORS, ResumedStream
from pairsieve.warc.cdx import Excerpt, read_excerpt
from pairsieve.warc.fastwarc_reader import record_or_bad
from pairsieve.warc.gzip_members import (
    DamagedMember,
    Member,
    next_start,
    read_members,
    size_of_stream,
)
from pairsieve.warc.record import BadRecord, Record, decoded, digest_matches
from pairsieve.warc.splits import Split
from pairsieve.warc.warcio_reader import STREAM_ERRORS, Gunzipped, read_records
from pairsieve.warc.wat import is_wat, page_of_wat
from pairsieve.web.answer import REDIRECTS
from pairsieve.web.urls import redirect_target

LOCATED = ("response", "resource", "revisit")
HTML_TYPES = ("text/html", "application/xhtml+xml")
READ_ERRORS = (ArchiveLoadFailed, EOFError, OSError, ValueError, zlib.error)
# measured: reading and parsing take turns at so much, and each finds the processor's caches warm
AHEAD_BYTES, AHEAD = 1 << 20, 64
CODING_BYTES = 1 << 20  # chunk sizes, and codings that made a payload longer

Found = Page | Location | Rejection | Counted | Noted


@dataclass(frozen=True)
class ReadSettings:
    """`max_page_bytes` bounds the decoded payload of one page; `locate` asks for locations beside
    pages; with `check_digests` a page whose payload is not what its digest says is not taken.
    """

    max_page_bytes: int
    locate: bool
    check_digests: bool = False
    options: files.Options = field(default_factory=dict)

    @property
    def keep_bytes(self) -> int:
        """How much of a record is held at most."""
        return self.max_page_bytes + CODING_BYTES


def read_split(split: Split, settings: ReadSettings) -> Iterator[Found]:
    """Every page (and location) of a split, in file order; damage is counted where it is, and what
    can be read is read.
    """
    return _ahead(_whole(_read_split(split, settings), split.path, split.start))


def _whole(found: Iterator[Found], path: str, start: int) -> Iterator[Found]:
    """The same; what a library raises over a record that it cannot take ends the piece, by name,
    and nothing else.
    """
    for item in each(found):
        if isinstance(item, Failure):
            yield Rejection(
                "split", item.reason, "quarantined", f"{files.public_name(path)}@{start}"
            )
        else:
            yield item


def _ahead(found: Iterator[Found]) -> Iterator[Found]:
    """The same; AHEAD of them, or pages of AHEAD_BYTES, are read before the first is handed on."""
    group, size = list[Found](), 0
    for item in found:
        group.append(item)
        size += len(item.payload) if isinstance(item, Page) else 0
        if size >= AHEAD_BYTES or len(group) == AHEAD:
            yield from group
            group, size = [], 0
    yield from group


def _read_split(split: Split, settings: ReadSettings) -> Iterator[Found]:
    yield Counted("split", "in")
    name = files.public_name(split.path)
    try:
        with ResumedStream(split.path, settings.options) as stream:
            read = _read_members if split.form == "members" else _read_stream
            yield from read(stream, split, settings)
            if stream.resumed:
                yield Noted("file", "read_resumed", stream.resumed)
    except SplitInsideRecord as error:
        yield Rejection("split", INSIDE_RECORD, "quarantined", f"{name}@{error}")
    except TRANSIENT_ERRORS + STREAM_ERRORS as error:
        yield Rejection(
            "split", f"unreadable_{type(error).__name__}", "quarantined", f"{name}@{split.start}"
        )
    else:
        yield Counted("split", "kept")


INSIDE_RECORD = "starts_inside_record"


class SplitInsideRecord(ValueError):
    """What looked like the start of a record from the middle of a file is none: an archive lies
    inside a record.
    """


def _read_members(stream: Stream, split: Split, settings: ReadSettings) -> Iterator[Found]:
    """The members from the first start in a split to the first start behind it.

    The members must lead exactly to where the next split begins. By induction from the first split,
    whose start is the file's, every start is then a true one; where they lead past it,
    SplitInsideRecord is raised.
    """
    at = next_start(stream, split.start) if split.start else 0
    end = None if split.end is None else next_start(stream, split.end)
    while at is not None and (end is None or at < end):
        try:
            for member in read_members(stream, at, end, settings.keep_bytes):
                yield from _take(_record(member), split.path, settings)
                at = member.end
            break
        except DamagedMember as damaged:
            at = next_start(stream, damaged.offset + 1)
            yield from _damage(damaged.offset, at or size_of_stream(stream), split.path)
    if at is not None and end is not None and at > end:
        raise SplitInsideRecord(end)


def _damage(start: int, end: int, path: str) -> Iterator[Found]:
    yield Counted("record", "in")
    yield Rejection("record", "damaged", "quarantined", f"{files.public_name(path)}@{start}")
    yield Noted("file", "damaged_bytes", end - start)


def _read_stream(stream: Stream, split: Split, settings: ReadSettings) -> Iterator[Found]:
    """The records of a file that is read from its front to its end or to the first place that
    cannot be read.
    """
    content = Gunzipped(stream) if split.form == "gzip stream" else stream
    # Offsets inside one gzip stream are no places that can be read again.
    settings = replace(settings, locate=settings.locate and split.form != "gzip stream")
    for record in read_records(content, settings.keep_bytes):
        yield from _take(record, split.path, settings)


def read_places(excerpt: Excerpt, settings: ReadSettings) -> Iterator[Found]:
    """Every page (and location) that lies at the places of an excerpt."""
    records = read_excerpt(excerpt, settings.keep_bytes, settings.options)
    return _ahead(
        found for place, record in records for found in _take(record, place.path, settings)
    )


def _record(member: Member) -> Record | BadRecord:
    record = attempt(record_or_bad, member)
    return BadRecord(record.reason, member.offset) if isinstance(record, Failure) else record


def _take(record: Record | BadRecord, path: str, settings: ReadSettings) -> Iterator[Found]:
    """What a record holds; one over which something is raised is quarantined whole."""
    found = attempt(lambda one: list(_taken(one, path, settings)), record)
    yield from (
        _taken(BadRecord(found.reason, record.offset), path, settings)
        if isinstance(found, Failure)
        else found
    )


def _taken(record: Record | BadRecord, path: str, settings: ReadSettings) -> Iterator[Found]:
    yield Counted("record", "in")
    if isinstance(record, BadRecord):
        yield Rejection(
            "record", record.reason, "quarantined", f"{files.public_name(path)}@{record.offset}"
        )
    elif settings.check_digests and digest_matches(record.payload, record.payload_digest) is False:
        yield Rejection(
            "record", "digest_mismatch", "quarantined", f"{files.public_name(path)}@{record.offset}"
        )
    else:
        yield Counted("record", "kept")
        yield from _read_record(record, path, settings)


def _read_record(record: Record, path: str, settings: ReadSettings) -> Iterator[Found]:
    if record.kind == "metadata" and is_wat(record):
        yield from _read_wat(record, path)
    if record.kind not in LOCATED or not record.url.startswith(("http:", "https:")):
        return
    is_page = record.kind != "revisit" and _is_html(record.content_type)
    if settings.locate and not (is_page and record.http_status == 200):
        yield from _location(record, path)
    if is_page:
        yield Counted("page", "in")
        yield _page(record, path, settings)


def _location(record: Record, path: str) -> Iterator[Location]:
    """A revisit of the same URL tells nothing: what it repeats is found by that URL."""
    target = ""
    if record.kind == "revisit":
        target = record.refers_to
        if target in ("", record.url):
            return
    elif record.http_status in REDIRECTS:
        target = redirect_target(record.url, header(record.headers, "location")) or ""
    yield Location(
        record.url,
        record.http_status,
        record.content_type,
        path,
        record.offset,
        record.date,
        target,
    )


def _read_wat(record: Record, path: str) -> Iterator[Found]:
    try:
        page = page_of_wat(record)
    except BadRecord as bad:
        page = Rejection(
            "page", bad.reason, "quarantined", f"{files.public_name(path)}@{bad.offset}"
        )
    if page is not None:
        yield Counted("page", "in")
        yield page


def _page(record: Record, path: str, settings: ReadSettings) -> Page | Rejection:
    if record.http_status != 200:
        return Rejection("page", f"http_{record.http_status}")
    payload = decoded(record.payload, record.headers, settings.max_page_bytes + 1)
    if len(payload) > settings.max_page_bytes:
        return Rejection("page", "page_too_large")
    if not payload:
        return Rejection("page", "page_empty")
    origin = Origin(path, record.offset, record.payload_digest, record.date, record.record_id)
    return Page(record.url, record.headers, payload, origin)


def _is_html(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in HTML_TYPES
