"""Polite, bounded requests for images: robots.txt first, public addresses only, byte caps and deadlines."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp

from records.page import Headers, header
from web.addresses import GuardedResolver, is_address, is_allowed_address
from web.answer import REDIRECTS, Answer, Refuse, now_utc
from web.refusals import NO_CONNECTION, Busy, Refused, is_private, status_of
from web.robots import BYTE_ORDER_MARK, ROBOTS_AGENT, Robots, RobotsText
from web.tdmrep import TDMREP_PATH, as_robots_lines
from web.turns import HostTurns, Pace, clock, turns_of
from web.urls import host_of, redirect_target

BUSY = (429, 503)
BACK_OFF_S = 1.0  # doubled with every try, and drawn between half of it and all of it
ROBOTS_MAX_BYTES = 512 * 1024  # RFC 9309 asks for at least 500 KiB
CHUNK_BYTES = 64 * 1024

ShareOf = Callable[[str], int]
"""Host -> among how many processes its allowance is divided."""


@dataclass(frozen=True)
class ClientSettings:
    """Limits of all requests of one process. `contact` is a URL or address that a publisher can turn to.

    A URL whose host is busy (429, 503) is asked for up to `retries` times more, after Retry-After or a growing pause of
    the whole host. A host that asks for a longer pause than `max_pause_s`, or that fails `host_failures` times in a row, is
    left alone. `robots_ai_agents`: whether a robots.txt that refuses a known AI crawler refuses us. `tdmrep`: whether the site's
    TDM reservations are asked for too, one more request a host.
    """

    contact: str
    connections: int
    connections_per_host: int
    min_interval_s: float
    connect_timeout_s: float
    read_timeout_s: float
    total_timeout_s: float
    max_bytes: int
    max_redirects: int
    ports: tuple[int, ...]
    allow_networks: tuple[str, ...]
    retries: int = 2
    max_pause_s: float = 30
    host_failures: int = 10
    robots_ai_agents: bool = True
    bytes_per_s: float | None = None
    tdmrep: bool = False

    @property
    def user_agent(self) -> str:
        return f"{ROBOTS_AGENT} (+{self.contact})"


def _whole(_host: str) -> int:
    return 1


class Client:
    """Requests under one set of limits; robots.txt and the pauses of a host are remembered while it is open.

    `texts` are robots.txt files that are known already, by origin; what is read is added to them.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: ClientSettings,
        share_of: ShareOf = _whole,
        texts: MutableMapping[str, RobotsText] | None = None,
    ) -> None:
        self._session = session
        self.settings = settings
        self.pace = Pace(settings.bytes_per_s)
        self._share_of = share_of
        self._texts = {} if texts is None else texts
        self._allowed: set[str] = set()
        self._turns: dict[str, HostTurns] = {}
        self._turns_of_origin: dict[str, HostTurns] = {}
        self._robots: dict[str, asyncio.Task[Robots]] = {}

    async def ask(self, url: str, refuse: Refuse) -> Answer:
        """One URL to its one status. Raises nothing that a server could cause but Busy."""
        try:
            return await self._follow(url, refuse)
        except Refused as refused:
            return Answer(url, refused.status, refused.http_status, fetched_at=now_utc())
        except NO_CONNECTION as error:
            status = status_of(error)
            self.turns(url).count(status in ("timeout", "connection_error"), self.settings.host_failures)
            return Answer(url, status, fetched_at=now_utc())

    def comes_again(self, url: str, busy: Busy, tried: int) -> bool:
        """Leave a busy host in peace for a while; whether to ask again afterwards, `tried` times having been in vain."""
        turns = self.turns(url)
        asked = busy.seconds if busy.seconds is not None else BACK_OFF_S * 2 ** (tried - 1) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        turns.count(failed=True, most=self.settings.host_failures)
        if asked > self.settings.max_pause_s:
            turns.left_alone = True
        turns.pause(asked)
        return tried <= self.settings.retries and not turns.left_alone

    async def _follow(self, url: str, refuse: Refuse) -> Answer:
        """Redirects included, within the total deadline; the wait for a host's turn is no part of it."""
        at, left_s = url, self.settings.total_timeout_s
        for _ in range(self.settings.max_redirects + 1):
            self._check(at)
            await self._ask_robots(at)
            async with self.turns(at).turn():
                started = clock()
                async with asyncio.timeout(left_s), self._session.get(at, allow_redirects=False) as response:
                    if response.status not in REDIRECTS:
                        return await self._read(url, at, response, refuse)
                    target = redirect_target(at, response.headers.get("Location", ""))
                left_s -= clock() - started
            if not target:
                raise Refused("bad_redirect", response.status)
            at = target
        raise Refused("too_many_redirects")

    async def _read(self, url: str, at: str, response: aiohttp.ClientResponse, refuse: Refuse) -> Answer:
        if response.status in BUSY:
            raise Busy(response.status, retry_after_s(response.headers.get("Retry-After", "")))
        self.turns(at).count(response.status >= 500, self.settings.host_failures)
        if response.status != 200:
            raise Refused("http_error", response.status)
        headers: Headers = tuple(response.headers.items())
        refusal = refuse(url, at, headers)
        body = b"" if refusal else await _body(response, self.settings.max_bytes)
        self.pace.spend(len(body))
        status = refusal or ("ok" if body else "empty")
        return Answer(url, status, response.status, at, now_utc(), header(headers, "content-type"), headers, body)

    def _check(self, url: str) -> None:
        """Raise Refused for an origin that may not be asked; what is allowed once stays so, DNS being asked at each connection."""
        origin = origin_of(url)
        if origin not in self._allowed:
            self._check_origin(url)
            self._allowed.add(origin)

    def _check_origin(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise Refused("scheme_not_allowed")
        if (parts.port or {"http": 80, "https": 443}[parts.scheme]) not in self.settings.ports:
            raise Refused("port_not_allowed")
        host = host_of(url)
        if is_address(host) and not is_allowed_address(host, self.settings.allow_networks):
            raise Refused("private_address")

    def turns(self, url: str) -> HostTurns:
        """The allowance of a URL's host."""
        origin = origin_of(url)
        known = self._turns_of_origin.get(origin)
        return known or self._turns_of_origin.setdefault(origin, self._turns_of(host_of(url)))

    def _turns_of(self, host: str) -> HostTurns:
        if host not in self._turns:
            self._turns[host] = turns_of(self.settings.connections_per_host, self.settings.min_interval_s, self._share_of(host))
        return self._turns[host]

    def stop(self) -> None:
        """Cancel what nobody waits for any more."""
        for task in self._robots.values():
            task.cancel()

    def knows_robots(self, url: str) -> bool:
        """Whether the robots.txt that a URL is under has come, or failed to."""
        task = self._robots.get(origin_of(url))
        return task is not None and task.done()

    async def learn_robots(self, url: str) -> None:
        """Read the robots.txt that a URL is under; `ask` then says what became of it."""
        with suppress(Refused):
            await self._robots_of(url)

    async def _ask_robots(self, url: str) -> None:
        refusal = (await self._robots_of(url)).refusal(url)
        if refusal:
            raise Refused(refusal)

    async def _robots_of(self, url: str) -> Robots:
        origin = origin_of(url)
        task = self._robots.get(origin)
        if task is None:
            task = self._robots[origin] = asyncio.create_task(self._read_robots(origin))
            task.add_done_callback(_look_at_exception)
        return task.result() if task.done() else await asyncio.shield(task)

    async def _read_robots(self, origin: str) -> Robots:
        """RFC 9309: a 4xx allows everything; what cannot be read (5xx, time-out, no connection) refuses everything."""
        if origin not in self._texts:
            try:
                text = await self._follow_robots(f"{origin}/robots.txt")
                if self.settings.tdmrep:
                    reserved = await self._follow_robots(f"{origin}{TDMREP_PATH}")
                    text = (as_robots_lines(reserved) if reserved else "") + text.removeprefix(BYTE_ORDER_MARK)
                self._texts[origin] = RobotsText(text, time.time())
            except NO_CONNECTION as error:
                raise Refused("private_address" if is_private(error) else "robots_unreachable") from None
        robots = Robots(self._texts[origin].text, self.settings.robots_ai_agents)
        if robots.crawl_delay_s > self.settings.max_pause_s:
            raise Refused("crawl_delay_too_long")
        self.turns(origin).slow_down(robots.crawl_delay_s)
        return robots

    async def _follow_robots(self, at: str) -> str:
        for _ in range(self.settings.max_redirects + 1):
            self._check(at)
            async with (
                self.turns(at).turn(),
                asyncio.timeout(self.settings.total_timeout_s),
                self._session.get(at, allow_redirects=False) as response,
            ):
                if response.status not in REDIRECTS:
                    return await _robots_text(response)
                target = redirect_target(at, response.headers.get("Location", ""))
            if not target:
                break
            at = target
        raise Refused("robots_unreachable")


def _look_at_exception(task: asyncio.Task[Robots]) -> None:
    """Keep asyncio from logging an exception that everybody who waited for it has timed out on."""
    if not task.cancelled():
        task.exception()


def retry_after_s(value: str) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3: a number of seconds or a date); None where it says neither."""
    if value.strip().isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at.astimezone(UTC) - datetime.now(UTC)).total_seconds())


async def _robots_text(response: aiohttp.ClientResponse) -> str:
    if 400 <= response.status < 500 and response.status not in BUSY:
        return ""
    if response.status != 200:
        raise Refused("robots_unreachable", response.status)
    body = await response.content.read(ROBOTS_MAX_BYTES)
    return body.decode("utf-8", "replace")


async def _body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body after any content encoding, cut off as soon as it grows over the cap."""
    if (response.content_length or 0) > max_bytes:
        raise Refused("too_large", response.status)
    pieces, size = [], 0
    async for piece in response.content.iter_chunked(CHUNK_BYTES):
        size += len(piece)
        if size > max_bytes:
            raise Refused("too_large", response.status)
        pieces.append(piece)
    return b"".join(pieces)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL."""
    return "/".join(url.split("/", 3)[:3])


@asynccontextmanager
async def open_client(
    settings: ClientSettings, share_of: ShareOf = _whole, texts: MutableMapping[str, RobotsText] | None = None
) -> AsyncIterator[Client]:
    """A client with no cookies, no credentials and no Referer, that trusts no environment variables."""
    connector = aiohttp.TCPConnector(limit=settings.connections, resolver=GuardedResolver(settings.allow_networks), use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s)
    headers = {"User-Agent": settings.user_agent, "Accept": "image/*", "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        client = Client(session, settings, share_of, texts)
        try:
            yield client
        finally:
            client.stop()
