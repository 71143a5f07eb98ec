"""A web page as the archive holds it, and where any record of the archive lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Headers = tuple[tuple[str, str], ...]
PageSource = Literal["warc", "wat", "none"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record lies in the crawl. Times are ISO 8601 UTC, as WARC-Date has them."""

    warc_file: str
    record_offset: int
    payload_digest: str
    crawl_time: str
    record_id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One HTML response: decoded payload bytes and the HTTP headers as the server sent them.

    `source` is "warc" for the page as it was crawled, "wat" for what a WAT record tells of it.
    """

    url: str
    headers: Headers
    payload: bytes
    origin: Origin
    source: PageSource = "warc"

    @property
    def content_type(self) -> str:
        return header(self.headers, "content-type")


@dataclass(frozen=True, slots=True)
class Location:
    """Where the archive holds something that may be a picture, or says what became of one.

    `target` is the URL at which the bytes are to be found instead: where a redirect leads, or what
    a revisit record repeats.
    """

    url: str
    http_status: int
    content_type: str
    warc_file: str
    record_offset: int
    crawl_time: str
    target: str = ""


LOCATION_SCHEMA = pa.schema(
    [
        ("url", pa.string()),
        ("http_status", pa.int32()),
        ("content_type", pa.string()),
        ("warc_file", pa.string()),
        ("record_offset", pa.int64()),
        ("crawl_time", pa.string()),
        ("target", pa.string()),
    ]
)


def header(headers: Headers, name: str) -> str:
    """The first value of a header, whatever its case; empty where there is none."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return ""
