"""What every request passes before anything else sees it: its name, its address, what its network
has asked for, its body.

The gate reads the body itself, so that one place bounds its size, its time and the memory of all
bodies together.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pairsieve.explore.connections import CONNECTION
from pairsieve.explore.guard import FORM_BYTES, headers
from pairsieve.explore.limits import Counts, Held
from pairsieve.explore.line import Line
from pairsieve.explore.networks import host_name
from pairsieve.explore.refused import Refused

LOGGER = logging.getLogger(__name__)
# 2,000 letters of any script in one field take at most 24 bytes each only where all are beyond 16
# bits
MOST_URL_BYTES = 16_000
MOST_PARAMETERS = 50
FORM_S = 15.0  # for a form of 200 kB: slower than a modem
# for what a client still sends when it is refused: else its system may throw our answer away (RFC
# 9112, 9.6)
LINGER_S = 3.0


@dataclass(frozen=True)
class Rule:
    """What a route counts as (a name of Limits), and what its body may take."""

    kind: str = "searches"
    most_bytes: int = FORM_BYTES
    body_s: float = FORM_S
    too_large: str = "malformed"


class Left(Exception):
    """The client has gone."""


@dataclass(frozen=True)
class Gate:
    """An ASGI application around another.

    `refuse` makes the answer for what is refused; `lines`: where work goes on.
    """

    app: ASGIApp
    rule_of: Callable[[str, str], Rule]
    hosts: Collection[str]
    counts: Counts
    refuse: Callable[[Request, Refused], Awaitable[Response]]
    lines: tuple[Line, ...] = ()
    held: Held = field(default_factory=Held)

    @property
    def works(self) -> bool:
        """Whether a search or a picture is under way."""
        return any(line.works for line in self.lines)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, count, read, and only then hand on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, started, answer = (
            Request(scope),
            time.perf_counter(),
            Answer(send, pictures=shows_pictures(scope)),
        )
        with _has_head(scope), suppress(Left):
            try:
                await self._admitted(request, receive, answer)
            except Refused as error:
                await _linger(request, receive)
                response = await self.refuse(request, error)
                response.headers["Connection"] = "close"
                await response(scope, _nothing, answer.send)
        took_ms = 1000 * (time.perf_counter() - started)
        LOGGER.info("%s %s %d %.0f ms", _method(request), route_of(request), answer.status, took_ms)

    async def _admitted(self, request: Request, receive: Receive, answer: Answer) -> None:
        rule, address = self.rule_of(request.method, request.url.path), address_of(request)
        self._check(request)
        self.counts.count(address, rule.kind)
        with self.held.holding(address) as take:
            body = await read_body(request, receive, rule, take)
            await self.app(request.scope, _once(body, receive), answer.send)

    def _check(self, request: Request) -> None:
        query: bytes = request.scope.get("query_string", b"")
        if host_name(request.headers.get("host", "")) not in self.hosts:
            raise Refused(400, "unknown_host")
        if len(request.scope.get("raw_path") or b"") + len(query) > MOST_URL_BYTES:
            raise Refused(414, "malformed")
        if query.count(b"&") >= MOST_PARAMETERS:
            raise Refused(400, "malformed")


@dataclass
class Answer:
    """Sends an answer on with the page's headers; `status` is 0 until there is one."""

    _send: Send
    pictures: bool
    status: int = 0

    async def send(self, message: Message) -> None:
        """An ASGI message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = MutableHeaders(scope=message)
            for name, value in headers(self.pictures).items():
                given.setdefault(name, value)
        await self._send(message)


async def read_body(
    request: Request, receive: Receive, rule: Rule, take: Callable[[int], None]
) -> bytes:
    """The whole body.

    Raises Refused where it is too large or too slow; nothing is read of one that says so itself.
    """
    if _declared(request) > rule.most_bytes:
        raise Refused(413, rule.too_large)
    try:
        async with asyncio.timeout(rule.body_s):
            return await _read(request, receive, rule, take)
    except TimeoutError:
        raise Refused(408, "malformed") from None


async def _read(
    request: Request, receive: Receive, rule: Rule, take: Callable[[int], None]
) -> bytes:
    body, more = bytearray(), has_body(request)
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Left
        chunk = message.get("body", b"")
        if len(body) + len(chunk) > rule.most_bytes:
            raise Refused(413, rule.too_large)
        take(len(chunk))
        body += chunk
        more = message.get("more_body", False)
    return bytes(body)


def has_body(request: Request) -> bool:
    """Whether a body follows the head (RFC 9112, 6.3)."""
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def _declared(request: Request) -> int:
    """Bytes, as the head says; 0 where it does not."""
    given = request.headers.get("content-length", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 20 else 0


async def _linger(request: Request, receive: Receive) -> None:
    """Read and drop what a refused client still sends, for a short while."""
    if not has_body(request) or "expect" in request.headers:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            message: Message = {"type": "http.request", "more_body": True}
            while message["type"] == "http.request" and message.get("more_body", False):
                message = await receive()


def _once(body: bytes, receive: Receive) -> Receive:
    """The body as one message; afterwards whatever comes, which is the client's leaving."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_once() -> Message:
        return messages.pop() if messages else await receive()

    return receive_once


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


@contextmanager
def _has_head(scope: Scope) -> Iterator[None]:
    """Tell the connection, where there is one, that a request has begun and that it has ended."""
    connection: Any = scope.get("state", {}).get(CONNECTION)
    if connection is None:
        yield
        return
    connection.has_head()
    try:
        yield
    finally:
        connection.awaits_head()


def address_of(request: Request) -> str:
    """The client's address, or "unknown"."""
    return request.client.host if request.client else "unknown"


def shows_pictures(scope: Mapping[str, Any]) -> bool:
    """Whether the visitor asks for pictures of other hosts."""
    return b"pics=1" in scope.get("query_string", b"").split(b"&")


def _method(request: Request) -> str:
    return request.method if request.method in ("GET", "HEAD", "POST", "OPTIONS") else "OTHER"


def route_of(request: Request) -> str:
    """The path as it was declared: a receipt is in the path of one."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "(none)"))
