"""Hostile clients for benchmarks/page.py, and connections to the page."""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cache
from itertools import product

from PIL import Image

HOSTILE_PER_KIND = 20
ADDRESSES_PER_KIND = 8
ROUND_S = 20.0  # after which a hostile client gives up a connection
BOUNDARY = "hostile"
LARGEST_SIDE = 9_459  # pixels: 89 megapixels
LARGEST_DECODED_SIDE = 7_000  # pixels; the page decodes no larger pictures
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def connected(port: int, address: str) -> AsyncIterator[Streams]:
    """Connect to the page from a loopback address. Raises OSError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def head(method: str, target: str, *lines: str) -> bytes:
    """Write the head of a request."""
    # The two empty lines make the blank line that ends a head.
    all_lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "", ""]
    return "\r\n".join(all_lines).encode()


async def half_heads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a head that never ends."""
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    while not reader.at_eof():
        writer.write(b"x")
        await asyncio.sleep(1)


async def slow_bodies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a body of a byte a second."""
    writer.write(head("POST", "/api/requests", "Content-Length: 100000"))
    while not reader.at_eof():
        writer.write(b"[")
        await asyncio.sleep(1)


async def long_lists(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send 2 MB of [1,1,...] where requests are expected."""
    await _chunked(writer, b'{"requests":[', b"1," * 30_000, 33)
    await reader.read()


async def long_fields(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send an address of 50 MB."""
    await _chunked(writer, b'{"requests":[{"image_url":"https://a.example/', b"x" * 500_000, 100)
    await reader.read()


async def deep_lists(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send as many brackets as a body may have."""
    body = b"[" * 199_000
    writer.write(
        head("POST", "/api/requests", f"Content-Length: {len(body)}", "Connection: close") + body
    )
    await reader.read()


async def pictures(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Upload two large pictures in a form of the page's own.

    The first has 89 megapixels, the second as many as the page decodes.
    """
    writer.write(head("GET", "/"))
    form = await reader.readuntil(b"</main>")
    token = re.search(rb'name="token" value="([^"]+)"', form)
    if token is None:
        return
    for side in (LARGEST_SIDE, LARGEST_DECODED_SIDE):
        parts = [
            _part_head("token"),
            token[1],
            b"\r\n",
            _part_head("picture", "a.png"),
            _png(side),
            f"\r\n--{BOUNDARY}--\r\n".encode(),
        ]
        body = b"".join(parts)
        kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
        writer.write(head("POST", "/picture", kind, f"Content-Length: {len(body)}") + body)
        await reader.readuntil(b"</html>")


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Search as fast as answers come."""
    while not reader.at_eof():
        writer.write(head("GET", "/?q=w1+w2"))
        await reader.readuntil(b"</html>")


async def slow_readers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send many searches on one connection, and read no answer."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(head("GET", "/?q=w1") * 200)
    await asyncio.sleep(ROUND_S)


ATTACKS: Mapping[str, Attack] = {
    attack.__name__: attack
    for attack in (
        half_heads,
        slow_bodies,
        long_lists,
        long_fields,
        deep_lists,
        pictures,
        floods,
        slow_readers,
    )
}


async def _chunked(writer: asyncio.StreamWriter, first: bytes, chunk: bytes, times: int) -> None:
    """Send a body in chunks, which never ends."""
    writer.write(head("POST", "/api/requests", "Transfer-Encoding: chunked"))
    writer.write(_framed(first))
    for _ in range(times):
        writer.write(_framed(chunk))
        await writer.drain()


def _framed(chunk: bytes) -> bytes:
    """Write a chunk with its length (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)


def _part_head(name: str, file: str = "") -> bytes:
    """Write the head of a part of a form (RFC 7578)."""
    of_file = f'; filename="{file}"\r\nContent-Type: image/png' if file else ""
    disposition = f'Content-Disposition: form-data; name="{name}"{of_file}'
    return f"--{BOUNDARY}\r\n{disposition}\r\n\r\n".encode()


@cache
def _png(side: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (side, side)).save(content, "PNG")
    return content.getvalue()


async def _attack(port: int, kind: int, number: int, until: float) -> None:
    """Attack as one hostile client, again and again, until a time of the clock."""
    attack = list(ATTACKS.values())[kind]
    address = f"127.2.{kind}.{number % ADDRESSES_PER_KIND + 1}"
    while time.monotonic() < until:
        left_s = max(0.1, until - time.monotonic())
        # The page may close the connection at any point.
        with suppress(OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(min(ROUND_S, left_s)), connected(port, address) as streams:
                await attack(*streams)
        await asyncio.sleep(0.05)


def hostile(port: int, seconds: float) -> None:
    """Run all hostile clients."""

    async def all_clients() -> None:
        until = time.monotonic() + seconds
        clients = product(range(len(ATTACKS)), range(HOSTILE_PER_KIND))
        await asyncio.gather(*(_attack(port, kind, number, until) for kind, number in clients))

    asyncio.run(all_clients())
