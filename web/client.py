"""Polite, bounded requests for images: robots.txt first, public addresses only, byte caps and deadlines."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from records.page import Headers, header
from web.robots import ROBOTS_AGENT, Robots
from web.urls import absolute, host_of

REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (429, 503)
BACK_OFF_S = 1.0  # doubled with every try, and drawn between half of it and all of it
ROBOTS_MAX_BYTES = 512 * 1024  # RFC 9309 asks for at least 500 KiB
CHUNK_BYTES = 64 * 1024
Refuse = Callable[[str, str, Headers], str | None]
"""(URL asked for, final URL, headers) -> the status with which to end the download before its body, or None."""


@dataclass(frozen=True)
class ClientSettings:
    """Limits of all requests of one worker process. `contact` is a URL or address that a publisher can turn to.

    A URL whose host is busy (429, 503) is asked for up to `retries` times more, after Retry-After or a growing pause of
    the whole host. A host that asks for a longer pause than `max_pause_s`, or that fails `host_failures` times in a row, is
    left alone. `robots_ai_agents`: whether a robots.txt that refuses a known AI crawler refuses us.
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

    @property
    def user_agent(self) -> str:
        return f"{ROBOTS_AGENT} (+{self.contact})"


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


class Refused(Exception):
    """Ends a request with a status."""

    def __init__(self, status: str, http_status: int | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.http_status = http_status


class PrivateAddress(OSError):
    """A name that resolves to an address which is not public."""


def is_allowed_address(address: str, allow_networks: Iterable[str]) -> bool:
    """Whether an IP address is public, or in a network that the config allows."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if any(ip in ipaddress.ip_network(network) for network in allow_networks):
        return True
    return ip.is_global and not ip.is_multicast


class GuardedResolver(AbstractResolver):
    """What DNS says at connect time, or PrivateAddress: all addresses of a name must be allowed."""

    def __init__(self, allow_networks: tuple[str, ...]) -> None:
        self._resolver = aiohttp.ThreadedResolver()
        self._allow_networks = allow_networks

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(is_allowed_address(entry["host"], self._allow_networks) for entry in found):
            raise PrivateAddress("the name resolves to an address that is not public")
        return found

    async def close(self) -> None:
        await self._resolver.close()


@dataclass
class HostGate:
    """At most some connections to a host, a pause between requests, and when to leave it alone."""

    slots: asyncio.Semaphore
    interval_s: float
    left_alone: bool = False
    _failures: int = 0
    _next_at: float = field(default=0.0)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a slot and for the pause to be over. Raises Refused where the host is left alone."""
        async with self.slots:
            while (wait_s := self._next_at - _clock()) > 0 and not self.left_alone:
                await asyncio.sleep(wait_s)
            if self.left_alone:
                raise Refused("host_left_alone")
            self._next_at = _clock() + self.interval_s
            yield

    def pause(self, seconds: float) -> None:
        """Nobody asks this host before so many seconds are over."""
        self._next_at = max(self._next_at, _clock() + seconds)

    def count(self, failed: bool, most: int) -> None:
        """One more answer; a host that fails `most` times in a row is left alone."""
        self._failures = self._failures + 1 if failed else 0
        self.left_alone = self.left_alone or self._failures >= most


class Busy(Exception):
    """The host asks to come again later, after some seconds if it says how many."""

    def __init__(self, http_status: int, seconds: float | None) -> None:
        super().__init__(http_status)
        self.http_status, self.seconds = http_status, seconds


class Client:
    """Requests under one set of limits; robots.txt and the pauses of a host are remembered while it is open."""

    def __init__(self, session: aiohttp.ClientSession, settings: ClientSettings) -> None:
        self._session = session
        self._settings = settings
        self._gates: dict[str, HostGate] = {}
        self._robots: dict[str, asyncio.Task[Robots]] = {}

    async def fetch_all(self, urls: Iterable[str], refuse: Refuse, take: Callable[[Answer], None]) -> None:
        """Ask for every URL; `take` gets each answer as it comes, one at a time."""
        waiting = iter(urls)

        async def work() -> None:
            for url in waiting:
                take(await self.fetch(url, refuse))

        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.connections):
                group.create_task(work())

    async def fetch(self, url: str, refuse: Refuse) -> Answer:
        """One URL to its one status. Raises nothing that a server could cause."""
        for tried in range(self._settings.retries + 1):
            try:
                return await self._follow(url, refuse)
            except Busy as busy:
                if not self._pause(url, busy, tried):
                    return Answer(url, "host_busy", busy.http_status, fetched_at=_now())
            except Refused as refused:
                return Answer(url, refused.status, refused.http_status, fetched_at=_now())
            except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
                status = _status_of(error)
                self._gate(url).count(status in ("timeout", "connection_error"), self._settings.host_failures)
                return Answer(url, status, fetched_at=_now())
        raise AssertionError("the last try always gives an answer")

    def _pause(self, url: str, busy: Busy, tried: int) -> bool:
        """Leave a busy host in peace for a while; whether to come again afterwards."""
        gate = self._gate(url)
        asked = busy.seconds if busy.seconds is not None else BACK_OFF_S * 2**tried * random.uniform(0.5, 1)  # noqa: S311 - no secret
        gate.count(failed=True, most=self._settings.host_failures)
        if asked > self._settings.max_pause_s:
            gate.left_alone = True
        gate.pause(asked)
        return tried < self._settings.retries and not gate.left_alone

    async def _follow(self, url: str, refuse: Refuse) -> Answer:
        """Redirects included, within the total deadline; the wait for a host's turn is no part of it."""
        at, left_s = url, self._settings.total_timeout_s
        for _ in range(self._settings.max_redirects + 1):
            self._check(at)
            await self._ask_robots(at)
            async with self._gate(at).turn():
                started = _clock()
                async with asyncio.timeout(left_s), self._session.get(at, allow_redirects=False) as response:
                    if response.status not in REDIRECTS:
                        return await self._read(url, at, response, refuse)
                    target = absolute(at, response.headers.get("Location", ""))
                left_s -= _clock() - started
            if not target:
                raise Refused("bad_redirect", response.status)
            at = target
        raise Refused("too_many_redirects")

    async def _read(self, url: str, at: str, response: aiohttp.ClientResponse, refuse: Refuse) -> Answer:
        if response.status in BUSY:
            raise Busy(response.status, retry_after_s(response.headers.get("Retry-After", "")))
        self._gate(at).count(response.status >= 500, self._settings.host_failures)
        if response.status != 200:
            raise Refused("http_error", response.status)
        headers: Headers = tuple(response.headers.items())
        refusal = refuse(url, at, headers)
        body = b"" if refusal else await _body(response, self._settings.max_bytes)
        status = refusal or ("ok" if body else "empty")
        return Answer(url, status, response.status, at, _now(), header(headers, "content-type"), headers, body)

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise Refused("scheme_not_allowed")
        if (parts.port or {"http": 80, "https": 443}[parts.scheme]) not in self._settings.ports:
            raise Refused("port_not_allowed")
        host = host_of(url)
        if _is_address(host) and not is_allowed_address(host, self._settings.allow_networks):
            raise Refused("private_address")

    def _gate(self, url: str) -> HostGate:
        host = host_of(url)
        if host not in self._gates:
            self._gates[host] = HostGate(asyncio.Semaphore(self._settings.connections_per_host), self._settings.min_interval_s)
        return self._gates[host]

    def stop(self) -> None:
        """Cancel what nobody waits for any more."""
        for task in self._robots.values():
            task.cancel()

    async def _ask_robots(self, url: str) -> None:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._robots:
            self._robots[origin] = asyncio.create_task(self._read_robots(origin))
            self._robots[origin].add_done_callback(_look_at_exception)
        robots = await asyncio.shield(self._robots[origin])
        refusal = robots.refusal(url)
        if refusal:
            raise Refused(refusal)

    async def _read_robots(self, origin: str) -> Robots:
        """RFC 9309: a 4xx allows everything; what cannot be read (5xx, time-out, no connection) refuses everything."""
        try:
            robots = await self._follow_robots(f"{origin}/robots.txt")
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Refused("private_address" if _is_private(error) else "robots_unreachable") from None
        gate = self._gate(origin)
        if robots.crawl_delay_s > self._settings.max_pause_s:
            raise Refused("crawl_delay_too_long")
        gate.interval_s = max(gate.interval_s, robots.crawl_delay_s)
        return robots

    async def _follow_robots(self, at: str) -> Robots:
        for _ in range(self._settings.max_redirects + 1):
            self._check(at)
            async with (
                self._gate(at).turn(),
                asyncio.timeout(self._settings.total_timeout_s),
                self._session.get(at, allow_redirects=False) as response,
            ):
                if response.status not in REDIRECTS:
                    return Robots(await _robots_text(response), self._settings.robots_ai_agents)
                at = absolute(at, response.headers.get("Location", "")) or ""
        raise Refused("robots_unreachable")


def _look_at_exception(task: asyncio.Task[Robots]) -> None:
    """Keep asyncio from logging an exception that everybody who waited for it has timed out on."""
    if not task.cancelled():
        task.exception()


def _is_private(error: BaseException) -> bool:
    return isinstance(getattr(error, "os_error", error), PrivateAddress) or isinstance(error.__cause__, PrivateAddress)


def _status_of(error: BaseException) -> str:
    if isinstance(error, TimeoutError | aiohttp.ServerTimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "tls_error"
    return "private_address" if _is_private(error) else "connection_error"


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


def _clock() -> float:
    return asyncio.get_running_loop().time()


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


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@asynccontextmanager
async def open_client(settings: ClientSettings) -> AsyncIterator[Client]:
    """A client with no cookies, no credentials and no Referer, that trusts no environment variables."""
    connector = aiohttp.TCPConnector(limit=settings.connections, resolver=GuardedResolver(settings.allow_networks), use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s)
    headers = {"User-Agent": settings.user_agent, "Accept": "image/*", "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        client = Client(session, settings)
        try:
            yield client
        finally:
            client.stop()
