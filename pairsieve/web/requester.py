"""Requests of one process: each hop of a redirect under the limits, and to the blame, of its own
host.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

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

ShareOf = Callable[[str], int]
"""Host -> among how many processes its allowance is divided."""
Allow = Callable[[str], Awaitable[None]]
"""Asked about the URL of each hop before its request; raises Refused where there must be none."""
Result = TypeVar("Result")
Read = Callable[[str, aiohttp.ClientResponse], Awaitable[Result]]
"""(URL of the last hop, its answer) -> what is made of it."""


def whole_share(_host: str) -> int:
    """Every host is asked by one process alone."""
    return 1


class Requester:
    """Asks for URLs under one set of limits, and remembers how each host fares."""

    def __init__(
        self, session: aiohttp.ClientSession, settings: ClientSettings, share_of: ShareOf
    ) -> None:
        self._session = session
        self.settings = settings
        self.bandwidth = Bandwidth(settings.bytes_per_s)
        self._share_of = share_of
        self._allowed: set[str] = set()
        self._limiters: dict[str, HostRateLimiter] = {}
        self._limiter_of_origin: dict[str, HostRateLimiter] = {}

    async def follow(self, url: str, allow: Allow, read: Read[Result], accept: str) -> Result:
        """GET a URL, redirects included, within the total deadline; the wait for a host's turn is
        no part of it.

        Raises Refused, also for what a server or the network did wrong, and what `allow` and `read`
        raise.
        """
        at, left_s, took_s = url, self.settings.total_timeout_s, dict[str, float]()
        for _ in range(self.settings.max_redirects + 1):
            self._check(at)
            await allow(at)
            async with self.limiter_of(at).slot():
                started = clock()
                try:
                    async with asyncio.timeout(left_s), self._get(at, accept) as response:
                        if response.status not in REDIRECTS:
                            return await read(at, response)
                        target = redirect_target(at, response.headers.get("Location", ""))
                except NO_CONNECTION as error:
                    took_s[at] = clock() - started
                    raise self._blamed(error, at, took_s) from error
                took_s[at] = clock() - started
                left_s -= took_s[at]
            self.record_answer(at, failed=False)
            if not target:
                raise Refused("bad_redirect", response.status)
            at = target
        raise Refused("too_many_redirects")

    def _get(self, at: str, accept: str) -> aiohttp.client._RequestContextManager:
        """The request line carries path and query as they were judged: nothing is quoted anew."""
        return self._session.get(
            URL(at, encoded=True), allow_redirects=False, headers={"Accept": accept}
        )

    def _blamed(self, error: Exception, at: str, took_s: dict[str, float]) -> Refused:
        """The failure of a host: of the one that failed, or, where the time is over, of the one
        that took most of it.
        """
        status = status_of(error)
        blamed = max(took_s, key=took_s.__getitem__) if status == "timeout" else at
        self.record_answer(blamed, failed=status in ("timeout", "connection_error"))
        return Refused(status)

    def record_answer(self, url: str, *, failed: bool) -> None:
        """Count an answer of a URL's host, which is left alone after `host_failures` in a row."""
        max_failures = self.settings.host_failures
        self.limiter_of(url).record_answer(failed=failed, max_failures=max_failures)

    def busy(self, at: str, response: aiohttp.ClientResponse) -> Busy:
        """A busy answer, with the pause that its host asks for."""
        return Busy(at, response.status, retry_after_s(response.headers.get("Retry-After", "")))

    def leave_in_peace(self, busy: Busy, tried: int) -> None:
        """Pause a busy host, after `tried` tries; leave it alone where it wants a longer pause than
        we have.
        """
        limiter = self.limiter_of(busy.at)
        pause_s = busy.seconds
        if pause_s is None:
            # A random share, so that URLs of one host do not all come back at the same moment.
            pause_s = BACK_OFF_S * 2 ** (tried - 1) * random.uniform(0.5, 1)  # noqa: S311
        self.record_answer(busy.at, failed=True)
        if pause_s > self.settings.max_pause_s:
            limiter.left_alone = True
        limiter.pause(pause_s)

    def _check(self, url: str) -> None:
        """Raise Refused for an origin that may not be asked; what is allowed once stays so, DNS
        being asked at each connection.
        """
        origin = origin_of(url)
        if origin not in self._allowed:
            self._check_origin(url)
            self._allowed.add(origin)

    def _check_origin(self, url: str) -> None:
        parts = parts_of(url)
        if parts.scheme not in ("http", "https"):
            raise Refused("scheme_not_allowed")
        if has_credentials(url):
            raise Refused("url_credentials")
        if (parts.port or {"http": 80, "https": 443}[parts.scheme]) not in self.settings.ports:
            raise Refused("port_not_allowed")
        host = host_of(absolute(url, "") or url)
        if is_address(host) and not is_allowed_address(host, self.settings.allow_networks):
            raise Refused("private_address")

    def limiter_of(self, url: str) -> HostRateLimiter:
        """The allowance of a URL's host."""
        origin = origin_of(url)
        limiter = self._limiter_of_origin.get(origin)
        if limiter is None:
            limiter = self._limiter_of_host(host_of(url))
            self._limiter_of_origin[origin] = limiter
        return limiter

    def _limiter_of_host(self, host: str) -> HostRateLimiter:
        if host not in self._limiters:
            self._limiters[host] = shared_limiter(
                self.settings.connections_per_host,
                self.settings.min_interval_s,
                self._share_of(host),
            )
        return self._limiters[host]


def retry_after_s(value: str) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3: a number of seconds or a date); None where it says
    neither.
    """
    if value.strip().isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
        return max(0.0, (at.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None
