"""A server on loopback that keeps request lines and headers as they came over the wire, byte by
byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
PICTURE = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1\r\n\r\nx"
Respond = Callable[[str], bytes]
"""Request target -> the whole answer."""


@dataclass
class RawSite:
    """What was asked for: (target, header lines) of each request."""

    host: str
    port: int = 0
    requests: list[tuple[str, list[str]]] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def targets(self) -> list[str]:
        return [target for target, _ in self.requests]


async def _let_run() -> None:
    """Some turns of the event loop, each of which may call what the one before has made ready."""
    for _ in range(10):
        await asyncio.sleep(0)


@contextmanager
def serve_raw(respond: Respond, host: str = "127.0.0.1") -> Iterator[RawSite]:
    """Serve until the block ends; where `respond` gives nothing, the connection is closed without
    an answer.
    """
    site, started, stops = RawSite(host), threading.Event(), list[Callable[[], None]]()
    writers: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *headers = head.decode("latin-1").rstrip("\r\n").split("\r\n")
                target = line.split(" ")[1]
                site.requests.append((target, headers))
                answer = respond(target)
                if not answer:
                    break
                writer.write(answer)
                await writer.drain()

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        server = await asyncio.start_server(talk, host, 0)
        site.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        # Accept what is still waiting: a connection that is being accepted while the server closes
        # is left open, and its transport warns when it is collected.
        await _let_run()
        server.close()
        for writer in writers:
            writer.transport.abort()
        await _let_run()  # so that they are closed before the loop ends

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(60)
    yield site
    stops[0]()
    thread.join(60)
