"""What becomes of one URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pairsieve.records.page import Headers

REDIRECTS = (301, 302, 303, 307, 308)
Refuse = Callable[[str, str, Headers], str | None]
"""(URL asked for, final URL, headers) -> the status with which to end the download before its body,
or None.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one URL: status "ok" with a body, or the one reason why there is none.

    `place` is (WARC file, record offset) where the body stays in an archive.
    """

    url: str
    status: str
    http_status: int | None = None
    final_url: str | None = None
    fetched_at: str | None = None
    content_type: str | None = None
    headers: Headers = ()
    body: bytes = b""
    place: tuple[str, int] | None = None


Take = Callable[[Answer], None]
Prepare = Callable[[Answer], Callable[[], None]]
"""Looks at an answer, on any thread; what it returns takes the answer, on the event loop's."""


@dataclass(frozen=True, slots=True)
class PageLicence:
    """A licence file (RSL) that a page names for what stands on it."""

    address: str
    page_url: str


@dataclass(frozen=True, slots=True)
class Order:
    """One URL to ask for, what may end its download, who gets the answer, the licence files that
    its pages name, and what looks at an answer with a body before it is taken: bytes that others
    made are not looked at on an event loop.
    """

    url: str
    refuse: Refuse
    take: Take
    licences: tuple[PageLicence, ...] = ()
    prepare: Prepare | None = None


def now_utc() -> str:
    """The time as rows carry it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
