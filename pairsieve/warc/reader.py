"""Reads splits of archives: yields their pages, and the locations of other files.

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

LOCATED_TYPES = ("response", "resource", "revisit")
HTML_TYPES = ("text/html", "application/xhtml+xml")
READ_ERRORS = (ArchiveLoadFailed, EOFError, OSError, ValueError, zlib.error)

# How many bytes of pages, or items, are read before they are parsed. Measured: reading and parsing
# take turns, and with this much at a time each finds the caches of the processor warm.
READ_AHEAD_BYTES, READ_AHEAD_ITEMS = 1 << 20, 64

# A payload may be longer in the archive than decoded: by chunk sizes, and by content codings.
CODING_BYTES = 1 << 20

ReadItem = Page | Location | Rejection | Counted | Noted
"""What reading an archive yields."""


@dataclass(frozen=True)
class ReadSettings:
    """How archives are read.

    `max_page_bytes` bounds the decoded payload of a page. `locate` asks for locations, besides
    pages. With `check_digests` a record whose payload does not match its digest is quarantined.
    """

    max_page_bytes: int
    locate: bool
    check_digests: bool = False
    options: files.Options = field(default_factory=dict)

    @property
    def keep_bytes(self) -> int:
        """How many bytes of a record are held in memory at most."""
        return self.max_page_bytes + CODING_BYTES


def read_split(split: Split, settings: ReadSettings) -> Iterator[ReadItem]:
    """Yield every page (and location) of a split, in file order.

    Damage is counted, and everything around it is read.
    """
    items = _read_split(split, settings)
    return _read_ahead(_quarantine_errors(items, split.path, split.start))


def _quarantine_errors(items: Iterator[ReadItem], path: str, start: int) -> Iterator[ReadItem]:
    """Pass items on. An unexpected exception ends the split, and is counted by its class."""
    for item in each(items):
        if isinstance(item, Failure):
            where = f"{files.public_name(path)}@{start}"
            yield Rejection("split", item.reason, "quarantined", where)
        else:
            yield item


def _read_ahead(items: Iterator[ReadItem]) -> Iterator[ReadItem]:
    """Pass items on, in groups that are read whole before the first of them is passed on."""
    group = list[ReadItem]()
    group_bytes = 0
    for item in items:
        group.append(item)
        if isinstance(item, Page):
            group_bytes += len(item.payload)
        if group_bytes >= READ_AHEAD_BYTES or len(group) == READ_AHEAD_ITEMS:
            yield from group
            group = []
            group_bytes = 0
    yield from group


def _read_split(split: Split, settings: ReadSettings) -> Iterator[ReadItem]:
    yield Counted("split", "in")
    name = files.public_name(split.path)
    read = _read_members if split.form == "members" else _read_stream
    try:
        with ResumedStream(split.path, settings.options) as stream:
            yield from read(stream, split, settings)
            if stream.resumed:
                yield Noted("file", "read_resumed", stream.resumed)
    except SplitInsideRecord as error:
        yield Rejection("split", INSIDE_RECORD, "quarantined", f"{name}@{error}")
    except TRANSIENT_ERRORS + STREAM_ERRORS as error:
        reason = f"unreadable_{type(error).__name__}"
        yield Rejection("split", reason, "quarantined", f"{name}@{split.start}")
    else:
        yield Counted("split", "kept")


INSIDE_RECORD = "starts_inside_record"


class SplitInsideRecord(ValueError):
    """A split starts inside a record, because that record holds an archive of its own.

    What looks like the start of a record is then a start in the inner archive.
    """


def _read_members(stream: Stream, split: Split, settings: ReadSettings) -> Iterator[ReadItem]:
    """Read from the first member start in a split to the first one after the split.

    The members must lead exactly to where the next split begins. The first split starts at the
    start of the file; so, by induction, every start is a true one. Raises SplitInsideRecord if the
    members lead past the start of the next split.
    """
    at = next_start(stream, split.start) if split.start else 0
    end = None if split.end is None else next_start(stream, split.end)
    while at is not None and (end is None or at < end):
        try:
            for member in read_members(stream, at, end, settings.keep_bytes):
                yield from _items_of(_record_of(member), split.path, settings)
                at = member.end
            break
        except DamagedMember as damaged:
            # Go on with the next member that can be read.
            at = next_start(stream, damaged.offset + 1)
            damage_end = at or size_of_stream(stream)
            yield from _count_damage(damaged.offset, damage_end, split.path)
    if at is not None and end is not None and at > end:
        raise SplitInsideRecord(end)


def _count_damage(start: int, end: int, path: str) -> Iterator[ReadItem]:
    yield Counted("record", "in")
    yield Rejection("record", "damaged", "quarantined", f"{files.public_name(path)}@{start}")
    yield Noted("file", "damaged_bytes", end - start)


def _read_stream(stream: Stream, split: Split, settings: ReadSettings) -> Iterator[ReadItem]:
    """Read a file from its front to its end, or to the first place that cannot be read."""
    content: Stream | Gunzipped = stream
    if split.form == "gzip stream":
        content = Gunzipped(stream)
        # An offset inside a gzip stream cannot be read by itself, so it is no location.
        settings = replace(settings, locate=False)
    for record in read_records(content, settings.keep_bytes):
        yield from _items_of(record, split.path, settings)


def read_places(excerpt: Excerpt, settings: ReadSettings) -> Iterator[ReadItem]:
    """Yield every page (and location) at the places of an excerpt."""
    return _read_ahead(_read_places(excerpt, settings))


def _read_places(excerpt: Excerpt, settings: ReadSettings) -> Iterator[ReadItem]:
    for place, record in read_excerpt(excerpt, settings.keep_bytes, settings.options):
        yield from _items_of(record, place.path, settings)


def _record_of(member: Member) -> Record | BadRecord:
    record = attempt(record_or_bad, member)
    if isinstance(record, Failure):
        return BadRecord(record.reason, member.offset)
    return record


def _items_of(record: Record | BadRecord, path: str, settings: ReadSettings) -> Iterator[ReadItem]:
    """The items of a record. If one cannot be made, the whole record is quarantined."""
    # As a list, so that a record which fails in the middle yields nothing at all.
    items = attempt(lambda record: list(_unsafe_items_of(record, path, settings)), record)
    if isinstance(items, Failure):
        bad_record = BadRecord(items.reason, record.offset)
        yield from _unsafe_items_of(bad_record, path, settings)
    else:
        yield from items


def _unsafe_items_of(
    record: Record | BadRecord, path: str, settings: ReadSettings
) -> Iterator[ReadItem]:
    """The items of a record. Raises whatever its content makes a library raise."""
    yield Counted("record", "in")
    reason = _reason_against(record, settings)
    if reason is not None:
        where = f"{files.public_name(path)}@{record.offset}"
        yield Rejection("record", reason, "quarantined", where)
    elif isinstance(record, Record):
        yield Counted("record", "kept")
        yield from _read_record(record, path, settings)


def _reason_against(record: Record | BadRecord, settings: ReadSettings) -> str | None:
    """Why a record is quarantined, or None."""
    if isinstance(record, BadRecord):
        return record.reason
    if settings.check_digests and digest_matches(record.payload, record.payload_digest) is False:
        return "digest_mismatch"
    return None


def _read_record(record: Record, path: str, settings: ReadSettings) -> Iterator[ReadItem]:
    if record.warc_type == "metadata" and is_wat(record):
        yield from _read_wat(record, path)
    is_web = record.url.startswith(("http:", "https:"))
    if record.warc_type not in LOCATED_TYPES or not is_web:
        return
    # A revisit repeats a payload and has none of its own.
    is_page = record.warc_type != "revisit" and _is_html(record.content_type)
    is_good_page = is_page and record.http_status == 200
    if settings.locate and not is_good_page:
        yield from _location(record, path)
    if is_page:
        yield Counted("page", "in")
        yield _page(record, path, settings)


def _location(record: Record, path: str) -> Iterator[Location]:
    """The location of a record; none for a revisit of the same URL.

    Such a revisit adds nothing: the record that it repeats is found by the same URL.
    """
    target = ""
    if record.warc_type == "revisit":
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


def _read_wat(record: Record, path: str) -> Iterator[ReadItem]:
    try:
        page = page_of_wat(record)
    except BadRecord as bad:
        where = f"{files.public_name(path)}@{bad.offset}"
        page = Rejection("page", bad.reason, "quarantined", where)
    if page is not None:
        yield Counted("page", "in")
        yield page


def _page(record: Record, path: str, settings: ReadSettings) -> Page | Rejection:
    if record.http_status != 200:
        return Rejection("page", f"http_{record.http_status}")
    # One byte more than allowed shows that a page is too large.
    payload = decoded(record.payload, record.headers, settings.max_page_bytes + 1)
    if len(payload) > settings.max_page_bytes:
        return Rejection("page", "page_too_large")
    if not payload:
        return Rejection("page", "page_empty")
    origin = Origin(path, record.offset, record.payload_digest, record.date, record.record_id)
    return Page(record.url, record.headers, payload, origin)


def _is_html(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in HTML_TYPES
