"""A request for one URL, and the answer to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from pairsieve.records.page import Headers

# RFC 9110, 15.4: the statuses whose Location is followed; 300 and 304 are not.
REDIRECTS = (301, 302, 303, 307, 308)

How = Literal["", "head", "condition", "first_bytes", "whole"]
"""What settled a request with `known`: the headers of HEAD, a 304, the first bytes, or the body."""

CheckHeaders = Callable[[str, str, Headers], str | None]
"""(requested URL, final URL, headers) -> the status with which to end the download before the body,
or None to go on.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one URL: status "ok" and a body, or the one reason why there is no body.

    `fetched_at` is ISO 8601 in UTC. `archive_location` is (WARC file, record offset in bytes) where
    the body stays in an archive. The status "unchanged" answers a request with `known`: there is no
    body, because it is the known one. `how` says by what that was found out, or that the whole
    picture was taken; it is empty for requests without `known`.
    """

    url: str
    status: str
    http_status: int | None = None
    final_url: str | None = None
    fetched_at: str | None = None
    content_type: str | None = None
    headers: Headers = ()
    body: bytes = b""
    archive_location: tuple[str, int] | None = None
    how: How = ""


Deliver = Callable[[Answer], None]
"""Receives an answer, on the thread of the event loop."""

Examine = Callable[[Answer], Callable[[], None]]
"""Examines an answer on any thread. Returns a function that delivers the result, which is called on
the thread of the event loop.
"""


@dataclass(frozen=True, slots=True)
class PageLicence:
    """A licence file (RSL) that a page names for its contents."""

    address: str
    page_url: str


@dataclass(frozen=True, slots=True)
class PictureBefore:
    """What is known of a picture that is asked for again (pairsieve/web/again.py).

    `final_id` is the `url_id` of the URL that served it, after redirects. `etag` and
    `last_modified` are those that it was served with; empty where they are not known.
    `first_bytes`: SHA-256 of its first bytes, in hex. `fetched_at`: when it was fetched, ISO 8601
    in UTC. With `whole` all of it is asked for, whatever the headers say.
    """

    final_id: bytes
    size_bytes: int | None = None
    etag: str = ""
    last_modified: str = ""
    first_bytes: str = ""
    fetched_at: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One URL to fetch.

    `check_headers` may end the download before the body. `deliver` receives the answer. `licences`
    are the licence files that the URL's pages name. With `examine`, answers that have a body go
    there instead of to `deliver`: untrusted bytes must not keep the event loop busy. With `known`
    the body is asked for only where headers and first bytes do not show that it is the known one.
    """

    url: str
    check_headers: CheckHeaders
    deliver: Deliver
    licences: tuple[PageLicence, ...] = ()
    examine: Examine | None = None
    known: PictureBefore | None = None


def now_utc() -> str:
    """Return the time in the form that rows have, ISO 8601 in UTC."""
    return _utc_text(int(time.time()))


@lru_cache(1)
def _utc_text(seconds: int) -> str:
    # Many answers come in the same second.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
