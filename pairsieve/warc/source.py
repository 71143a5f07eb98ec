"""Images out of the archive itself: found by the locations of their hosts, read at their offsets,
no request made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pairsieve.records.page import LOCATION_SCHEMA, Headers, Location
from pairsieve.storage import files
from pairsieve.storage.sealed import read_sealed
from pairsieve.warc.reader import CODING_BYTES, READ_ERRORS
from pairsieve.warc.record import Record, decoded, digest_matches
from pairsieve.warc.warcio_reader import read_record
from pairsieve.web.answer import Answer, Order, PageLicence
from pairsieve.web.body import text_of
from pairsieve.web.rsl import linked_licences
from pairsieve.web.sites import licence_refusal
from pairsieve.web.urls import origin_of

MAX_HOPS = 5  # redirects and revisits on the way to one picture
Find = Callable[[str], Location | None]
"""URL -> where the archive holds it."""


@dataclass(frozen=True)
class ArchiveSettings:
    """`max_bytes` bounds the decoded body of one image; `options` is what fsspec needs to reach the
    archive.
    """

    max_bytes: int
    options: files.Options = field(default_factory=dict)


def read_locations(path: str) -> dict[str, Location]:
    """URL -> location; empty where the archive holds nothing of a bucket. Raises Damaged."""
    if not files.exists(path):
        return {}
    rows = read_sealed(path).select(LOCATION_SCHEMA.names).to_pylist()
    return {row["url"]: Location(**row) for row in rows}


def fetch_from_archive(orders: Iterable[Order], find: Find, settings: ArchiveSettings) -> None:
    """One answer for each order, read in file order."""
    there = []
    for order in orders:
        found = follow(order.url, find)
        if isinstance(found, str):
            order.take(Answer(order.url, found))
        else:
            there.append((found, order))
    for location, order in sorted(
        there, key=lambda pair: (pair[0].warc_file, pair[0].record_offset)
    ):
        order.take(_answer(location, order, find, settings))


def follow(url: str, find: Find) -> Location | str:
    """Where the bytes of a URL lie, redirects and revisits inside the archive followed; else the
    status that says why not.
    """
    at = url
    for _ in range(MAX_HOPS + 1):
        found = find(at)
        if found is None:
            return "not_in_archive"
        if not found.target:
            return found
        at = found.target
    return "too_many_redirects"


def _answer(at: Location, order: Order, find: Find, settings: ArchiveSettings) -> Answer:
    url = order.url
    if at.http_status != 200:
        return Answer(url, "http_error", at.http_status, at.url, at.crawl_time)
    try:
        record = _read(at.warc_file, at.record_offset, settings)
        body = _body(record, settings)
    except READ_ERRORS:
        return Answer(url, "archive_unreadable", at.http_status, at.url, at.crawl_time)
    refusal = order.refuse(url, at.url, record.headers) or _licence_refusal(
        order, record, find, settings
    )
    status = refusal or _body_status(record, body, settings)
    place = (at.warc_file, at.record_offset)
    kept = body if status == "ok" else b""
    return Answer(
        url,
        status,
        at.http_status,
        at.url,
        at.crawl_time,
        at.content_type,
        record.headers,
        kept,
        place,
    )


def _licence_refusal(
    order: Order, record: Record, find: Find, settings: ArchiveSettings
) -> str | None:
    """The status with which a licence file (RSL) that a page or the answer names refuses the
    picture, as the archive holds it.

    One that the archive does not hold is not asked for, since nothing is: terms that cannot be read
    are a no.
    """
    links = linked_licences(
        (value for name, value in record.headers if name.lower() == "link"), order.url
    )
    named = [PageLicence(address, order.url) for address in links]
    for licence in (*order.licences, *named):
        text = _licence_text(licence.address, find, settings)
        for url in (order.url, licence.page_url):
            refusal = licence_refusal(text, licence.address, url, origin_of(licence.page_url))
            if refusal:
                return refusal
    return None


def _licence_text(address: str, find: Find, settings: ArchiveSettings) -> str:
    found = follow(address, find)
    if isinstance(found, str) or found.http_status != 200:
        return ""
    try:
        return text_of(read_at(found.warc_file, found.record_offset, settings)[1])
    except READ_ERRORS:
        return ""


def _body_status(record: Record, body: bytes, settings: ArchiveSettings) -> str:
    if not body:
        return "empty"
    if len(body) > settings.max_bytes:
        return "too_large"
    return "ok" if _is_whole(record) else "digest_mismatch"


def _is_whole(record: Record) -> bool:
    """Whether the payload is what its digest says, if it has one.

    Some crawlers take it of a body without its chunks.
    """
    unchunked = tuple(
        (name, value) for name, value in record.headers if name.lower() == "transfer-encoding"
    )
    return (
        digest_matches(record.payload, record.payload_digest) is not False
        or digest_matches(
            decoded(record.payload, unchunked, len(record.payload)), record.payload_digest
        )
        is True
    )


def read_at(warc_file: str, record_offset: int, settings: ArchiveSettings) -> tuple[Headers, bytes]:
    """Headers and decoded payload of one record. Raises one of READ_ERRORS."""
    record = _read(warc_file, record_offset, settings)
    return record.headers, _body(record, settings)


def _read(warc_file: str, record_offset: int, settings: ArchiveSettings) -> Record:
    with files.open_read(warc_file, settings.options) as stream:
        return read_record(stream, record_offset, settings.max_bytes + CODING_BYTES)


def _body(record: Record, settings: ArchiveSettings) -> bytes:
    return decoded(record.payload, record.headers, settings.max_bytes + 1)
