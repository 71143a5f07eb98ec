"""A request for one URL, and the answer to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pairsieve.records.page import Headers

# RFC 9110, 15.4: the statuses whose Location is followed; 300 and 304 are not.
REDIRECTS = (301, 302, 303, 307, 308)

CheckHeaders = Callable[[str, str, Headers], str | None]
"""(requested URL, final URL, headers) -> the status with which to end the download before the body,
or None to go on.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one URL: status "ok" and a body, or the one reason why there is no body.

    `fetched_at` is ISO 8601 in UTC. `archive_location` is (WARC file, record offset in bytes) where
    the body stays in an archive.
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
class FetchRequest:
    """One URL to fetch.

    `check_headers` may end the download before the body. `deliver` receives the answer. `licences`
    are the licence files that the URL's pages name. With `examine`, answers that have a body go
    there instead of to `deliver`: untrusted bytes must not keep the event loop busy.
    """

    url: str
    check_headers: CheckHeaders
    deliver: Deliver
    licences: tuple[PageLicence, ...] = ()
    examine: Examine | None = None


def now_utc() -> str:
    """Return the time in the form that rows have, ISO 8601 in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
