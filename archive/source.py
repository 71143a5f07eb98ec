"""Images out of the archive itself: found by a bucket's locations, read at their offsets, no request made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow.parquet as pq

from archive.reader import READ_ERRORS, read_payload
from records.page import LOCATION_SCHEMA, Headers, Location
from storage import files
from web.answer import Answer, Order, Refuse


@dataclass(frozen=True)
class ArchiveSettings:
    """`max_bytes` bounds the decoded body of one image; `options` is what fsspec needs to reach the archive."""

    max_bytes: int
    options: files.Options = field(default_factory=dict)


def read_locations(path: str) -> dict[str, Location]:
    """URL -> location; empty where the archive holds nothing of a bucket."""
    if not files.exists(path):
        return {}
    with files.open_read(path) as stream:
        rows = pq.read_table(stream).select(LOCATION_SCHEMA.names).to_pylist()
    return {row["url"]: Location(**row) for row in rows}


def fetch_from_archive(orders: Iterable[Order], found: Mapping[str, Location], settings: ArchiveSettings) -> None:
    """One answer for each order, read in file order."""
    there = []
    for order in orders:
        if order.url in found:
            there.append((found[order.url], order))
        else:
            order.take(Answer(order.url, "not_in_archive"))
    for location, order in sorted(there, key=lambda pair: (pair[0].warc_file, pair[0].record_offset)):
        order.take(_answer(location, settings, order.refuse))


def _answer(at: Location, settings: ArchiveSettings, refuse: Refuse) -> Answer:
    if at.http_status != 200:
        return Answer(at.url, "http_error", at.http_status, at.url, at.crawl_time)
    try:
        headers, body = read_at(at.warc_file, at.record_offset, settings)
    except READ_ERRORS:
        return Answer(at.url, "archive_unreadable", at.http_status, at.url, at.crawl_time)
    status = refuse(at.url, at.url, headers) or _body_status(body, settings)
    place = (at.warc_file, at.record_offset)
    kept = body if status == "ok" else b""
    return Answer(at.url, status, at.http_status, at.url, at.crawl_time, at.content_type, headers, kept, place)


def _body_status(body: bytes, settings: ArchiveSettings) -> str:
    if not body:
        return "empty"
    return "too_large" if len(body) > settings.max_bytes else "ok"


def read_at(warc_file: str, record_offset: int, settings: ArchiveSettings) -> tuple[Headers, bytes]:
    """Headers and decoded payload of one record. Raises one of READ_ERRORS."""
    with files.open_read(warc_file, settings.options) as stream:
        return read_payload(stream, record_offset, settings.max_bytes)
