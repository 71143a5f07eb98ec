"""Check every request before anything else sees it: host name, URL, rate of its network, body.

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
from pairsieve.explore.guard import FORM_BYTES, security_headers
from pairsieve.explore.limits import BodyMemory, RateLimiter
from pairsieve.explore.networks import host_name
from pairsieve.explore.refused import Refused
from pairsieve.explore.work_queue import WorkQueue

LOGGER = logging.getLogger(__name__)
# A letter takes 1 to 12 bytes in a URL. This is enough for 1,700 letters of scripts that take three
# bytes in UTF-8 (Chinese, for instance), and for 2,000 of most others.
MAX_URL_BYTES = 16_000
MAX_PARAMETERS = 50
FORM_S = 15.0  # for a form of 200 kB: a modem is faster
# How long we read on what a refused client still sends. If we closed at once, the client's system
# might throw our answer away (RFC 9112, 9.6).
LINGER_S = 3.0


@dataclass(frozen=True)
class RequestRule:
    """The limits of a route.

    `kind` names the rate limit that counts (a field of RateLimits). A body may have `max_bytes` and
    take `body_s`; `too_large` names the text of a larger one.
    """

    kind: str = "searches"
    max_bytes: int = FORM_BYTES
    body_s: float = FORM_S
    too_large: str = "malformed"


class ClientGone(Exception):
    """The client has closed the connection."""


@dataclass(frozen=True)
class Gate:
    """An ASGI application around another.

    `rule_of` returns the rule of a method and path. `refuse` makes the answer to a refused request.
    `queues` are those in which the application works. With `loads_remote` a visitor may load
    pictures from their own sites.
    """

    app: ASGIApp
    rule_of: Callable[[str, str], RequestRule]
    hosts: Collection[str]
    rates: RateLimiter
    refuse: Callable[[Request, Refused], Awaitable[Response]]
    queues: tuple[WorkQueue, ...] = ()
    memory: BodyMemory = field(default_factory=BodyMemory)
    loads_remote: bool = True

    @property
    def is_busy(self) -> bool:
        """Whether a search or a picture is being worked on."""
        return any(queue.is_busy for queue in self.queues)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and log it without its query."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_s = time.perf_counter()
        request = Request(scope)
        answer = Answer(send, pictures=self.loads_remote and shows_pictures(scope))
        with _tells_connection(scope), suppress(ClientGone):
            try:
                await self._pass_on(request, receive, answer)
            except Refused as error:
                await _drain(request, receive)
                response = await self.refuse(request, error)
                # What is left of the body would be read as the next request.
                response.headers["Connection"] = "close"
                await response(scope, _receive_disconnect, answer.send)
        took_ms = 1000 * (time.perf_counter() - started_s)
        LOGGER.info("%s %s %d %.0f ms", _method(request), route_of(request), answer.status, took_ms)

    async def _pass_on(self, request: Request, receive: Receive, answer: Answer) -> None:
        """Check, count and read a request, and only then pass it on. Raises Refused."""
        rule = self.rule_of(request.method, request.url.path)
        address = address_of(request)
        self._check(request)
        # Counted before the body is read, so that a refused client costs nothing.
        self.rates.count(address, rule.kind)
        with self.memory.reserving(address) as reserve:
            body = await read_body(request, receive, rule, reserve)
            await self.app(request.scope, _receive_once(body, receive), answer.send)

    def _check(self, request: Request) -> None:
        """Check host name and URL. Raises Refused."""
        path: bytes = request.scope.get("raw_path") or b""
        query: bytes = request.scope.get("query_string", b"")
        # Under a foreign name a page of another site could read ours (DNS rebinding).
        if host_name(request.headers.get("host", "")) not in self.hosts:
            raise Refused(400, "unknown_host")
        if len(path) + len(query) > MAX_URL_BYTES:
            raise Refused(414, "malformed")
        if query.count(b"&") >= MAX_PARAMETERS:
            raise Refused(400, "malformed")


@dataclass
class Answer:
    """Sends an answer with the page's headers. `status` is 0 until there is one."""

    _send: Send
    pictures: bool
    status: int = 0

    async def send(self, message: Message) -> None:
        """Send an ASGI message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in security_headers(self.pictures).items():
                # A route may have set its own.
                headers.setdefault(name, value)
        await self._send(message)


async def read_body(
    request: Request, receive: Receive, rule: RequestRule, reserve: Callable[[int], None]
) -> bytes:
    """Return the whole body. `reserve` counts its bytes while it is in memory.

    Raises Refused when it is too large or too slow. Of a body whose declared length is too large
    nothing is read.
    """
    if _declared_bytes(request) > rule.max_bytes:
        raise Refused(413, rule.too_large)
    try:
        async with asyncio.timeout(rule.body_s):
            return await _read(request, receive, rule, reserve)
    except TimeoutError:
        raise Refused(408, "malformed") from None


async def _read(
    request: Request, receive: Receive, rule: RequestRule, reserve: Callable[[int], None]
) -> bytes:
    body = bytearray()
    has_more = has_body(request)
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        if len(body) + len(chunk) > rule.max_bytes:
            raise Refused(413, rule.too_large)
        reserve(len(chunk))
        body += chunk
        has_more = message.get("more_body", False)
    return bytes(body)


def has_body(request: Request) -> bool:
    """Return whether a body follows the head (RFC 9112, 6.3)."""
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def _declared_bytes(request: Request) -> int:
    """Return the length of the body that the head declares; 0 if it declares none."""
    text = request.headers.get("content-length", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if is_number else 0


async def _drain(request: Request, receive: Receive) -> None:
    """Read and drop what a refused client still sends, for LINGER_S at most."""
    # A client that sent `Expect: 100-continue` waits for our answer before it sends a body.
    if not has_body(request) or "expect" in request.headers:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            has_more = True
            while has_more:
                message = await receive()
                is_body = message["type"] == "http.request"
                has_more = is_body and message.get("more_body", False)


def _receive_once(body: bytes, receive: Receive) -> Receive:
    """Return a function that receives the body as one message, and then the client's leaving."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_once() -> Message:
        return messages.pop() if messages else await receive()

    return receive_once


async def _receive_disconnect() -> Message:
    return {"type": "http.disconnect"}


@contextmanager
def _tells_connection(scope: Scope) -> Iterator[None]:
    """Tell the connection that a request has begun, and after the block that it has ended.

    A server other than ours has no such connection.
    """
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
    """Return the client's address, or "unknown"."""
    return request.client.host if request.client else "unknown"


def shows_pictures(scope: Mapping[str, Any]) -> bool:
    """Return whether the visitor asks for pictures of other hosts."""
    return b"pics=1" in scope.get("query_string", b"").split(b"&")


def _method(request: Request) -> str:
    """Return the method for the log, into which a client can write nothing of its own."""
    return request.method if request.method in ("GET", "HEAD", "POST", "OPTIONS") else "OTHER"


def route_of(request: Request) -> str:
    """Return the path as the route declares it: the request's own path may hold a receipt."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "(none)"))
