"""A server on loopback for tests: well-behaved, hostile, and counting."""

from __future__ import annotations

import asyncio
import socket
import threading
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

from aiohttp import web

PICTURE = b"picture bytes"
SITE_FILES = (
    "/robots.txt",
    "/.well-known/tdmrep.json",
    "/ai.txt",
    "/trust.txt",
    "/.well-known/trust.txt",
)
BODIES = {"empty": b"", "large": b"x" * 3000}
REDIRECTS = {
    "moved": "/picture.jpg",
    "round": "/round.jpg",
    "nowhere": "http://[",
    "blank": "",
    "inside": "http://169.254.169.254/latest/meta-data",
    "file": "file:///etc/passwd",
}


class Site:
    """A server on loopback that counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.agents: set[str] = set()
        self.most_at_once = 0
        self._now = 0
        self.origin = ""
        self.port = 0
        self.robots: tuple[int, str] = (404, "")
        self.contents: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.pieces: Pieces = "whole"
        self.first: dict[str, list[tuple[int, dict[str, str]]]] = {}
        """Statuses and headers with which a path is answered at first, before its real answer."""

    @property
    def asked_beside_files(self) -> Counter[str]:
        """What it was asked for, but for the files by which a site says what may be done with
        it.
        """
        return Counter(
            {path: number for path, number in self.asked.items() if path not in SITE_FILES}
        )

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        self.agents.add(request.headers.get("User-Agent", ""))
        assert "Referer" not in request.headers
        assert "Cookie" not in request.headers
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            return await self._answer(request)
        finally:
            self._now -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.path.strip("/").partition(".")[0]
        if self.first.get(request.path):
            status, headers = self.first[request.path].pop(0)
            return web.Response(status=status, headers=headers)
        if request.path in self.contents:
            kind = {"Content-Type": self.types[request.path]} if request.path in self.types else {}
            return web.Response(
                body=self.contents[request.path],
                headers={**kind, **self.headers.get(request.path, {})},
            )
        if request.path in SITE_FILES[1:]:
            return web.Response(status=404)
        if name == "robots" and self.robots[0] == 0:
            await asyncio.sleep(30)
        if name == "robots":
            return web.Response(status=self.robots[0], text=self.robots[1])
        if name == "noai":
            return web.Response(body=PICTURE, headers={"X-Robots-Tag": "NoAI"})
        if name == "gone":
            return web.Response(status=404)
        if name in BODIES:
            return web.Response(body=BODIES[name])
        if name in REDIRECTS:
            return web.Response(status=302, headers={"Location": REDIRECTS[name]})
        if name == "slow":
            await asyncio.sleep(30)
        if name in ("endless", "lies", "bomb"):
            return await self._stream(request, name)
        return web.Response(body=PICTURE, content_type="image/jpeg", headers={"Set-Cookie": "a=b"})

    async def _stream(self, request: web.Request, name: str) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Encoding": "deflate"} if name == "bomb" else {}
        )
        if name == "bomb":
            await response.prepare(request)
            await response.write(zlib.compress(b"\0" * 50_000_000))
            return response
        await response.prepare(request)
        for _ in range(200):
            await response.write(b"x" * 1000)
            await asyncio.sleep(0.001)
            if name == "lies":
                assert request.transport is not None
                request.transport.abort()
                break
        return response


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Pieces = Literal["whole", "bytes", "chunks", "until closed", "cut off"]
"""How a body is sent: at once; a byte a segment, with its length, in chunks or until the connection
is closed; or not to its end.
"""
PIECES: tuple[Pieces, ...] = get_args(Pieces)
PAUSE_S = 0.0005  # between two bytes


def in_pieces(answer: Answer, pieces: Callable[[], Pieces]) -> Answer:
    """The same answers, their bodies sent in pieces."""

    async def answer_in_pieces(request: web.Request) -> web.StreamResponse:
        whole = await answer(request)
        if (
            pieces() == "whole"
            or not isinstance(whole, web.Response)
            or not isinstance(whole.body, bytes)
        ):
            return whole
        return await _send(request, whole, whole.body, pieces())

    return answer_in_pieces


async def _send(
    request: web.Request, whole: web.Response, body: bytes, pieces: Pieces
) -> web.StreamResponse:
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    if pieces == "chunks":
        response.headers.popall("Content-Length", None)
        response.enable_chunked_encoding()
    elif pieces == "until closed":
        response.headers.popall("Content-Length", None)
        response.force_close()
        response._length_check = False  # else the server would choose chunks
    else:
        response.content_length = len(body) + (10 if pieces == "cut off" else 0)
    await response.prepare(request)
    for byte in body:
        await response.write(bytes([byte]))
        await asyncio.sleep(PAUSE_S)
    if pieces == "cut off":
        assert request.transport is not None
        request.transport.abort()
    return response


@contextmanager
def serve(answer: Answer) -> Iterator[int]:
    """Serve on a free port of loopback until the block ends; the port."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    port: list[int] = []
    stop = asyncio.Event()

    async def run() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        port.append(listener.getsockname()[1])
        await web.SockSite(runner, listener).start()
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert started.wait(60)
    yield port[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(60)
    loop.close()


@contextmanager
def serve_site() -> Iterator[Site]:
    """Serve a Site until the block ends; it knows its `origin` and `port`."""
    found = Site()
    with serve(in_pieces(found.answer, lambda: found.pieces)) as port:
        found.origin, found.port = f"http://127.0.0.1:{port}", port
        yield found
