"""Sends the requests of one process and follows redirects.

Each hop of a redirect is under the limits of its own host, and its failure counts against that
host.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeVar

import aiohttp
from yarl import URL

from pairsieve.web.addresses import is_address, is_allowed_address
from pairsieve.web.answer import REDIRECTS
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.rate_limit import Bandwidth, HostRateLimiter, clock, shared_limiter
from pairsieve.web.refusals import NO_CONNECTION, Busy, Refused, status_of
from pairsieve.web.urls import (
    absolute,
    has_credentials,
    host_of,
    origin_of,
    parts_of,
    redirect_target,
)

BUSY = (429, 503)
BACK_OFF_S = 1.0  # doubled with every try, and drawn between half of it and all of it
DEFAULT_PORTS = {"http": 80, "https": 443}

ShareOf = Callable[[str], int]
"""Host -> number of processes among which its allowance is divided."""

CheckUrl = Callable[[str], Awaitable[None]]
"""Called with the URL of each hop before its request. Raises Refused to prevent the request."""

Method = Literal["GET", "HEAD"]
HeadersAt = Callable[[str], Mapping[str, str]]
"""URL of a hop -> headers that its request has beside the usual ones."""

Result = TypeVar("Result")
ReadAnswer = Callable[[str, aiohttp.ClientResponse], Awaitable[Result]]
"""(URL of the last hop, its answer) -> result of the request."""


def whole_share(_host: str) -> int:
    """Every host is asked by this process only."""
    return 1


def no_headers(_at: str) -> Mapping[str, str]:
    """No headers beside the usual ones."""
    return {}


@dataclass(frozen=True)
class Form:
    """The form of a request: its method, and the headers that depend on the URL of the hop."""

    accept: str
    method: Method = "GET"
    headers_at: HeadersAt = no_headers


class Requester:
    """Requests URLs under one set of limits, and remembers how each host fares."""

    def __init__(
        self, session: aiohttp.ClientSession, settings: ClientSettings, share_of: ShareOf
    ) -> None:
        self._session = session
        self.settings = settings
        self.bandwidth = Bandwidth(settings.bytes_per_s)
        self._share_of = share_of
        self._is_over = False
        self._allowed_origins: set[str] = set()
        self._limiters: dict[str, HostRateLimiter] = {}
        self._limiter_of_origin: dict[str, HostRateLimiter] = {}

    async def follow(
        self, url: str, check: CheckUrl, read: ReadAnswer[Result], form: Form
    ) -> Result:
        """Request a URL and its redirects, and return what `read` makes of the last answer.

        All hops together must end within `total_timeout_s`. Waiting for a host's turn does not
        count. Raises Refused, also for faults of the server or the network, and what `check` and
        `read` raise.
        """
        at = url
        left_s = self.settings.total_timeout_s
        took_s: dict[str, float] = {}
        for _ in range(self.settings.max_redirects + 1):
            # A redirect may lead to a private address, or to a site that reserves the picture.
            self._check_origin(at)
            await check(at)
            async with self.limiter_of(at).slot():
                started = clock()
                try:
                    async with asyncio.timeout(left_s), self._send(at, form) as response:
                        # The body is read within the host's turn and the deadline.
                        if response.status not in REDIRECTS:
                            return await read(at, response)
                        target = redirect_target(at, response.headers.get("Location", ""))
                except NO_CONNECTION as error:
                    took_s[at] = clock() - started
                    raise self._failure(error, at, took_s) from error
                took_s[at] = clock() - started
                left_s -= took_s[at]
            # The host has answered, wherever it sends us.
            self.record_answer(at, failed=False)
            if not target:
                raise Refused("bad_redirect", response.status)
            at = target
        raise Refused("too_many_redirects")

    def _send(self, at: str, form: Form) -> aiohttp.client._RequestContextManager:
        """Send a request; path and query are sent exactly as they were checked, not quoted anew."""
        headers = {"Accept": form.accept, **form.headers_at(at)}
        return self._session.request(
            form.method, URL(at, encoded=True), allow_redirects=False, headers=headers
        )

    def _failure(self, error: Exception, at: str, took_s: dict[str, float]) -> Refused:
        """Count a failure against its host, and return its status.

        `took_s` holds the seconds that each hop took. When the total time is over, the failure
        counts against the host that took most of it.
        """
        status = status_of(error)
        blamed = at
        if status == "timeout":
            blamed = max(took_s, key=took_s.__getitem__)
        # A wrong certificate or a private address says nothing of the host's load.
        self.record_answer(blamed, failed=status in ("timeout", "connection_error"))
        return Refused(status)

    def record_answer(self, url: str, *, failed: bool) -> None:
        """Count an answer of a URL's host; after `host_failures` in a row it is left alone."""
        max_failures = self.settings.host_failures
        self.limiter_of(url).record_answer(failed=failed, max_failures=max_failures)

    def busy_answer(self, at: str, response: aiohttp.ClientResponse) -> Busy:
        """Make the error for a busy host, with the pause that it asks for."""
        return Busy(at, response.status, retry_after_s(response.headers.get("Retry-After", "")))

    def pause_host(self, busy: Busy, tries: int) -> None:
        """Pause a busy host, after `tries` requests for the same URL.

        A host that asks for a longer pause than `max_pause_s` is left alone.
        """
        limiter = self.limiter_of(busy.at)
        pause_s = busy.seconds
        if pause_s is None:
            # A random share, so that URLs of one host do not all come back at the same moment.
            share = random.uniform(0.5, 1)  # noqa: S311
            pause_s = BACK_OFF_S * 2 ** (tries - 1) * share
        # A host that is busy again and again is left alone in the end.
        self.record_answer(busy.at, failed=True)
        if pause_s > self.settings.max_pause_s:
            limiter.left_alone = True
        limiter.pause(pause_s)

    def _check_origin(self, url: str) -> None:
        """Raise Refused for an origin that must not be contacted.

        An origin that passed is not checked again: its address is checked at each connection.
        """
        origin = origin_of(url)
        if origin not in self._allowed_origins:
            self._check_parts(url)
            self._allowed_origins.add(origin)

    def _check_parts(self, url: str) -> None:
        """Raise Refused because of the scheme, the port, credentials or the address of a URL."""
        parts = parts_of(url)
        if parts.scheme not in DEFAULT_PORTS:
            raise Refused("scheme_not_allowed")
        if has_credentials(url):
            raise Refused("url_credentials")
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        if port not in self.settings.ports:
            raise Refused("port_not_allowed")
        # `absolute` writes an address in its usual form, whatever its spelling was.
        host = host_of(absolute(url, "") or url)
        if is_address(host) and not is_allowed_address(host, self.settings.allow_networks):
            raise Refused("private_address")

    def limiter_of(self, url: str) -> HostRateLimiter:
        """Return the limiter of a URL's host."""
        # Origins are looked up first, because a host costs more to find out.
        origin = origin_of(url)
        limiter = self._limiter_of_origin.get(origin)
        if limiter is None:
            limiter = self._limiter_of_host(host_of(url))
            self._limiter_of_origin[origin] = limiter
        return limiter

    def _limiter_of_host(self, host: str) -> HostRateLimiter:
        if host not in self._limiters:
            limiter = shared_limiter(
                self.settings.connections_per_host,
                self.settings.min_interval_s,
                self._share_of(host),
            )
            limiter.left_alone = self._is_over
            self._limiters[host] = limiter
        return self._limiters[host]

    def leave_all_alone(self) -> None:
        """Ask no host anything from now on."""
        self._is_over = True
        for limiter in self._limiters.values():
            limiter.left_alone = True


def retry_after_s(value: str) -> float | None:
    """Read Retry-After (RFC 9110, 10.2.3), a number of seconds or a date, as seconds from now.

    Returns None where it is neither. A date in the past is 0.
    """
    if value.strip().isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
        left = at.astimezone(UTC) - datetime.now(UTC)
    except (ValueError, OverflowError):
        return None
    return max(0.0, left.total_seconds())
