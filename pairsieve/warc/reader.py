"""Reads splits of archives: yields their pages, and the locations of other files.

Formats: WARC 1.0 and 1.1 (ISO 28500) as Common Crawl, wget and Browsertrix write them, ARC, and
Common Crawl's WAT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from pairsieve.attempt import Failure, attempt, each
from pairsieve.records.outcome import Counted, Noted, Rejection
from pairsieve.records.page import Location, Origin, Page, header
from pairsieve.storage import files
from pairsieve.storage.files import Stream
from pairsieve.storage.resume import TRANSIENT_ERRORS, ResumedStream
from pairsieve.warc.cdx import Excerpt, read_excerpt
from pairsieve.warc.codecs import codec_of
from pairsieve.warc.codings import Undecodable, decode_body
from pairsieve.warc.member_records import records_of
from pairsieve.warc.members import (
    DamagedMember,
    Decompressed,
    next_start,
    read_members,
    size_of_stream,
)
from pairsieve.warc.record import BadRecord, Record, digest_matches, is_web
from pairsieve.warc.splits import Split
from pairsieve.warc.stream_records import ForwardOnly, Source, read_records
from pairsieve.warc.wacz import EntryStream
from pairsieve.warc.wat import is_wat, page_of_wat
from pairsieve.web.answer import REDIRECTS
from pairsieve.web.media_type import HTML_TYPES, forbids_sniffing, sniffs_as_html
from pairsieve.web.places import address_key
from pairsieve.web.urls import redirect_target

PAGE_TYPES = ("response", "resource")
LOCATED_TYPES = (*PAGE_TYPES, "revisit")
# The other types of WARC 1.1 (ISO 28500, 5.5). Only these are named in counts.
OTHER_TYPES = ("warcinfo", "request", "metadata", "conversion", "continuation")
STREAM_ERRORS = (EOFError, ValueError)
READ_ERRORS = (EOFError, OSError, ValueError)

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
    """Pass items on. An unexpected exception ends the split, and is counted by its class.

    It is noted if a split was quarantined before its first record: such an input was not read.
    """
    has_record = False
    where = f"{files.public_name(path)}@{start}"
    for result in each(items):
        item: ReadItem
        if isinstance(result, Failure):
            item = Rejection("split", result.reason, "quarantined", where)
        else:
            item = result
        yield item
        if isinstance(item, Counted):
            has_record = has_record or item.unit == "record"
        elif isinstance(item, Rejection) and item.unit == "split" and not has_record:
            yield Noted("split", NOTHING_READ)


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
    if split.unreadable:
        reason = f"unreadable_{split.unreadable}"
        yield Rejection("split", reason, "quarantined", f"{name}@{split.start}")
        return
    read = _read_members if split.form == "members" else _read_stream
    try:
        with ResumedStream(split.path, settings.options) as stream:
            stream.expect(split.start, split.end or split.archive_end)
            yield from read(split.part_of(stream), split, settings)
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
NOTHING_READ = "nothing_read"


class SplitInsideRecord(ValueError):
    """A split starts inside a record, because that record holds an archive of its own.

    What looks like the start of a record is then a start in the inner archive.
    """


def _read_members(stream: Stream, split: Split, settings: ReadSettings) -> Iterator[ReadItem]:
    """Read from the first member start in a split to the first one after the split.

    The members must lead exactly to where the next split begins. The first split starts at the
    start of the archive; so, by induction, every start is a true one. Raises SplitInsideRecord if
    the members lead past the start of the next split.
    """
    codec = codec_of(stream, split.archive_start)
    if codec is None:
        raise ValueError("the file is not compressed any more")
    # The end first: what an object store sends for the start is then read on without a gap.
    end = None if split.end is None else next_start(stream, split.end, codec)
    at: int | None = split.archive_start
    if split.start > split.archive_start:
        at = next_start(stream, split.start, codec)
    while at is not None and (end is None or at < end):
        try:
            for member in read_members(stream, at, end, settings.keep_bytes, codec):
                for record in records_of(member):
                    yield from _items_of(record, split.path, settings)
                at = member.end
            break
        except DamagedMember as damaged:
            # Go on with the next member that can be read.
            at = next_start(stream, damaged.offset + 1, codec)
            damage_end = at or size_of_stream(stream)
            yield from _count_damage(damaged.offset, damage_end, split.path)
    if at is not None and end is not None and at > end:
        raise SplitInsideRecord(end)


def _count_damage(start: int, end: int, path: str) -> Iterator[ReadItem]:
    yield Counted("record", "in")
    yield Rejection("record", "damaged", "quarantined", f"{files.public_name(path)}@{start}")
    yield Noted("file", "damaged_bytes", end - start)


def _read_stream(stream: Stream, split: Split, settings: ReadSettings) -> Iterator[ReadItem]:
    """Read an archive from its front to its end."""
    if split.entry:
        stream = EntryStream(stream, split.entry)
    codec = codec_of(stream, split.archive_start)
    stream.seek(split.archive_start)
    content: Source = stream
    if codec is not None:
        content = Decompressed(stream, codec, split.archive_start)
    elif split.entry:
        content = ForwardOnly(stream.read)
    if split.form != "plain":
        # An offset inside a compressed stream cannot be read by itself, so it is no location.
        settings = replace(settings, locate=False)
    for record in read_records(content, settings.keep_bytes, split.archive_start):
        yield from _items_of(record, split.path, settings)


def read_places(excerpt: Excerpt, settings: ReadSettings) -> Iterator[ReadItem]:
    """Yield every page (and location) at the places of an excerpt."""
    return _read_ahead(_read_places(excerpt, settings))


def _read_places(excerpt: Excerpt, settings: ReadSettings) -> Iterator[ReadItem]:
    for place, record in read_excerpt(excerpt, settings.keep_bytes, settings.options):
        yield from _items_of(record, place.path, settings)


def _items_of(record: Record | BadRecord, path: str, settings: ReadSettings) -> Iterator[ReadItem]:
    """The items of a record. If one cannot be made, the whole record is quarantined."""

    def all_items_of(record: Record | BadRecord) -> list[ReadItem]:
        # As a list, so that a record which fails in the middle yields nothing at all.
        return list(_unsafe_items_of(record, path, settings))

    items = attempt(all_items_of, record)
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
    if isinstance(record, BadRecord):
        yield _quarantined_record(record.reason, record, path)
    elif settings.check_digests and _has_wrong_digest(record):
        yield _quarantined_record("digest_mismatch", record, path)
    elif record.warc_type == "metadata" and is_wat(record):
        yield from _read_wat(record, path)
    else:
        yield from _read_record(record, path, settings)


def _quarantined_record(reason: str, record: Record | BadRecord, path: str) -> Rejection:
    return Rejection("record", reason, "quarantined", _where(record, path))


def _where(record: Record | BadRecord, path: str) -> str:
    return f"{files.public_name(path)}@{record.offset}"


def _has_wrong_digest(record: Record) -> bool:
    return digest_matches(record.payload, record.payload_digest) is False


def _read_record(record: Record, path: str, settings: ReadSettings) -> Iterator[ReadItem]:
    """A page, or the reason why a record holds none; and the location of whatever else it holds.

    A record without a type is decoded before anything is known about it, by what is in it.
    """
    reason = _reason_for_no_page(record)
    body: bytes | Rejection = b""
    if reason is None:
        body = _body(record, path, settings)
        reason = None if _is_html(record, body) else "not_html"
    is_good_page = reason is None and record.http_status == 200
    # All else may be a picture, or the answer in its place. A record that shares its member with
    # another one cannot be read by its offset.
    if settings.locate and not is_good_page and record.is_first:
        yield from _location(record, path)
    if reason is not None:
        yield Rejection("record", reason)
        return
    yield Counted("record", "kept")
    yield Counted("page", "in")
    yield _page(record, body, path)


def _reason_for_no_page(record: Record) -> str | None:
    """Why a record can hold no page, as far as its headers say."""
    if record.warc_type == "revisit":
        # It repeats a payload and has none of its own.
        return "type_revisit"
    if record.warc_type not in PAGE_TYPES:
        return f"type_{record.warc_type}" if record.warc_type in OTHER_TYPES else "type_unknown"
    if not is_web(record.url):
        return "url_not_web" if record.url else "url_missing"
    if record.http_status == 0 and not record.headers:
        return "http_unreadable"
    if record.media_type and record.media_type not in HTML_TYPES:
        return "not_html"
    return None


def _body(record: Record, path: str, settings: ReadSettings) -> bytes | Rejection:
    """The decoded payload of a record that is or may be a page, or why it is not taken."""
    if record.http_status != 200:
        return Rejection("page", f"http_{record.http_status}")
    try:
        # One byte more than allowed shows that a page is too large.
        body = decode_body(record.payload, record.headers, settings.max_page_bytes + 1)
    except Undecodable as undecodable:
        return Rejection("page", undecodable.reason, "quarantined", _where(record, path))
    if len(body.content) > settings.max_page_bytes:
        return Rejection("page", "page_too_large")
    return body.content or Rejection("page", "page_empty")


def _is_html(record: Record, body: bytes | Rejection) -> bool:
    if record.media_type:
        return record.media_type in HTML_TYPES
    if isinstance(body, Rejection) or forbids_sniffing(record.headers):
        return False
    return sniffs_as_html(body)


def _page(record: Record, body: bytes | Rejection, path: str) -> Page | Rejection:
    if isinstance(body, Rejection):
        return body
    origin = Origin(path, record.offset, record.payload_digest, record.date, record.record_id)
    return Page(record.url, record.headers, body, origin)


def _location(record: Record, path: str) -> Iterator[Location]:
    """The location of a file, or of the answer in its place, under its canonical URL.

    None for a revisit of the same URL, or a redirect to another spelling of it. They add nothing:
    the record with the bytes is found by the same URL.
    """
    if record.warc_type not in LOCATED_TYPES or not is_web(record.url):
        return
    url = address_key(record.url)
    target = ""
    if record.warc_type == "revisit":
        # One that names no URL repeats the payload of its own.
        target = address_key(record.refers_to) if record.refers_to else url
    elif record.http_status in REDIRECTS:
        location = redirect_target(record.url, header(record.headers, "location"))
        target = address_key(location) if location else ""
    if target == url:
        return
    yield Location(
        url,
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
        page = Rejection("page", bad.reason, "quarantined", _where(bad, path))
    if page is None:
        yield Rejection("record", "not_html")
        return
    yield Counted("record", "kept")
    yield Counted("page", "in")
    yield page
