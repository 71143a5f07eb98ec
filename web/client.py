"""Polite, bounded requests for images: robots.txt first, public addresses only, byte caps and deadlines."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from protego import Protego

from records.page import Headers, header
from web.urls import absolute, host_of

REDIRECTS = (301, 302, 303, 307, 308)
ROBOTS_AGENT = "pairsieve"
ROBOTS_MAX_BYTES = 512 * 1024  # RFC 9309 asks for at least 500 KiB
CHUNK_BYTES = 64 * 1024
Refuse = Callable[[str, str, Headers], str | None]
"""(URL asked for, final URL, headers) -> the status with which to end the download before its body, or None."""


@dataclass(frozen=True)
class ClientSettings:
    """Limits of all requests of one worker process. `contact` is a URL or address that a publisher can turn to."""

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
    """At most some connections to a host, and a pause between requests."""

    slots: asyncio.Semaphore
    min_interval_s: float
    _next_at: float = field(default=0.0)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self.slots:
            now = time.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + self.min_interval_s
            await asyncio.sleep(at - now)
            yield


class Client:
    """Requests under one set of limits; robots.txt and the pauses of a host are remembered while it is open."""

    def __init__(self, session: aiohttp.ClientSession, settings: ClientSettings) -> None:
        self._session = session
        self._settings = settings
        self._gates: dict[str, HostGate] = {}
        self._robots: dict[str, asyncio.Task[Protego]] = {}

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
        try:
            async with asyncio.timeout(self._settings.total_timeout_s):
                return await self._follow(url, refuse)
        except Refused as refused:
            return Answer(url, refused.status, refused.http_status, fetched_at=_now())
        except (TimeoutError, aiohttp.ServerTimeoutError):
            return Answer(url, "timeout", fetched_at=_now())
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError):
            return Answer(url, "tls_error", fetched_at=_now())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(url, "private_address" if _is_private(error) else "connection_error", fetched_at=_now())

    async def _follow(self, url: str, refuse: Refuse) -> Answer:
        at = url
        for _ in range(self._settings.max_redirects + 1):
            self._check(at)
            await self._ask_robots(at)
            async with self._gate(at).turn(), self._session.get(at, allow_redirects=False) as response:
                if response.status not in REDIRECTS:
                    return await self._read(url, at, response, refuse)
                target = absolute(at, response.headers.get("Location", ""))
                if not target:
                    raise Refused("bad_redirect", response.status)
                at = target
        raise Refused("too_many_redirects")

    async def _read(self, url: str, at: str, response: aiohttp.ClientResponse, refuse: Refuse) -> Answer:
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
        rules = await asyncio.shield(self._robots[origin])
        if not rules.can_fetch(url, ROBOTS_AGENT):
            raise Refused("robots_disallowed")

    async def _read_robots(self, origin: str) -> Protego:
        """RFC 9309: a 4xx allows everything; what cannot be read (5xx, time-out, no connection) refuses everything."""
        try:
            async with asyncio.timeout(self._settings.total_timeout_s):
                return await self._follow_robots(f"{origin}/robots.txt")
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Refused("private_address" if _is_private(error) else "robots_unreachable") from None

    async def _follow_robots(self, at: str) -> Protego:
        for _ in range(self._settings.max_redirects + 1):
            self._check(at)
            async with self._gate(at).turn(), self._session.get(at, allow_redirects=False) as response:
                if response.status not in REDIRECTS:
                    return await _robots_of(response)
                at = absolute(at, response.headers.get("Location", "")) or ""
        raise Refused("robots_unreachable")


def _look_at_exception(task: asyncio.Task[Protego]) -> None:
    """Keep asyncio from logging an exception that everybody who waited for it has timed out on."""
    if not task.cancelled():
        task.exception()


def _is_private(error: BaseException) -> bool:
    return isinstance(getattr(error, "os_error", error), PrivateAddress) or isinstance(error.__cause__, PrivateAddress)


async def _robots_of(response: aiohttp.ClientResponse) -> Protego:
    if 400 <= response.status < 500:
        return Protego.parse("")
    if response.status != 200:
        raise Refused("robots_unreachable", response.status)
    body = await response.content.read(ROBOTS_MAX_BYTES)
    return Protego.parse(body.decode("utf-8", "replace"))


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
