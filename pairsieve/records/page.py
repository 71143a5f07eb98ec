"""Pages of an archive, and locations of its other files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

Headers = tuple[tuple[str, str], ...]
PageSource = Literal["warc", "wat", "none"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The position of a record in the crawl. `crawl_time` is ISO 8601 UTC, as in WARC-Date."""

    warc_file: str
    record_offset: int
    payload_digest: str
    crawl_time: str
    record_id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML response: its decoded payload, and the HTTP headers as the server sent them.

    `source` is "warc" for a page as it was crawled, and "wat" for one made from a WAT record.
    """

    url: str
    headers: Headers
    payload: bytes
    origin: Origin
    source: PageSource = "warc"

    @property
    def content_type(self) -> str:
        return combined(self.headers, "content-type")


@dataclass(frozen=True, slots=True)
class Location:
    """The position in the archive of a file that may be a picture, or of the answer in its place.

    `url` and `target` are canonical (`address_key` in pairsieve/web/urls.py), however the archive
    or a page spells them. `target` is the URL whose location has the bytes instead: the target of a
    redirect, or the URL that a revisit record repeats. It is empty if the bytes are here.
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
    """The first value of a header; empty if there is none. `name` must be in lower case."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return ""


def combined(headers: Headers, name: str) -> str:
    """All values of a header, joined by commas; empty if there is none. `name` as in `header`.

    So browsers read a header that is sent several times (Fetch standard, "get").
    """
    return ", ".join(value for key, value in headers if key.lower() == name)
