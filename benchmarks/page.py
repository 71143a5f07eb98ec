"""The search page under attack: whether honest visitors are answered within a second, and in how
much memory.

    python -m benchmarks.page [--quick]

The real `pairsieve explore` on 127.0.0.1, with an index of made-up rows; 40 honest visitors, each
from a loopback address of its own, search about once a second. At the same time 160 hostile
clients, 20 of each kind of ATTACKS, do what they can from 8 addresses a kind. They run in another
process, so that honest times are those of the page. What is not answered counts as NEVER_S. It ends
by itself. `--quick` takes well under a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random

import psutil
from PIL import Image

from benchmarks.search import make_dataset
from pairsieve.search.index import build
from pairsieve.search.vectors import VectorSettings

HONEST, HOSTILE_EACH, ADDRESSES_EACH = 40, 20, 8
NEVER_S = 10.0  # what an answer that does not come counts as, and how long a visitor waits
BETWEEN_S = 1.0  # two searches of a visitor, on average
ROUND_S = 20.0  # after which a hostile client gives one connection up
START_S = 60.0
BOUNDARY = "hostile"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Page:
    """`pairsieve explore`, and the most memory that it and its processes had."""

    process: subprocess.Popen[bytes]
    port: int
    peak_bytes: int = 0
    own_peak_bytes: int = 0
    """Of the page's own process, without those that read pictures."""
    _ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look at the memory ten times a second."""
        while not self._ended.wait(0.1):
            with suppress(psutil.Error):
                page = psutil.Process(self.process.pid)
                own = page.memory_info().rss
                others = sum(one.memory_info().rss for one in page.children(recursive=True))
                self.own_peak_bytes = max(self.own_peak_bytes, own)
                self.peak_bytes = max(self.peak_bytes, own + others)

    def end(self) -> float:
        """Tell it to end; seconds until it has."""
        self._ended.set()
        told = time.monotonic()
        self.process.terminate()
        self.process.wait(START_S)
        return time.monotonic() - told


@contextmanager
def served(folder: Path, rows: int) -> Iterator[Page]:
    """A page over so many made-up rows. Raises TimeoutError where it does not start."""
    dataset = folder / "out"
    manifest = make_dataset(dataset, rows)
    (dataset / "manifest.json").write_text(manifest.text())
    build(str(dataset), manifest, f"{dataset}.index", VectorSettings(exact_below=rows))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "pipeline.cli",
        "explore",
        "--dataset",
        str(dataset),
        "--port",
        str(port),
    ]
    with (folder / "log").open("wb") as log:
        page = Page(subprocess.Popen(command, stdout=log, stderr=log), port)
    watching = threading.Thread(target=page.watch, daemon=True)
    watching.start()
    try:
        _await_start(port)
        yield page
    finally:
        took_s = page.end()
        watching.join()
    print(f"ended {took_s:.1f} s after it was told to, with status {page.process.returncode}")


def _await_start(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"the page did not start within {START_S:.0f} s")


@asynccontextmanager
async def connected(port: int, address: str) -> AsyncIterator[Streams]:
    """A connection from an address of ours. Raises OSError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def head(method: str, target: str, *lines: str) -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


async def honest(port: int, number: int, until: float) -> list[tuple[float, int]]:
    """Seconds and status of each search of one visitor; NEVER_S and 0 of those without an
    answer.
    """
    found, chance, address = list[tuple[float, int]](), Random(number), f"127.1.0.{number + 1}"
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(0, 2 * BETWEEN_S))
        started = time.monotonic()
        status = 0
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(NEVER_S), connected(port, address) as (reader, writer):
                writer.write(head("GET", f"/?q=w{chance.randrange(200)}", "Connection: close"))
                answer = await reader.read()
                status = int(answer.split(b" ", 2)[1]) if b"</html>" in answer else 0
        found.append((time.monotonic() - started if status == 200 else NEVER_S, status))
    return found


async def half_heads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A head that never ends."""
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    while not reader.at_eof():
        writer.write(b"x")
        await asyncio.sleep(1)


async def slow_bodies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body of a byte a second."""
    writer.write(head("POST", "/api/requests", "Content-Length: 100000"))
    while not reader.at_eof():
        writer.write(b"[")
        await asyncio.sleep(1)


async def long_lists(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """2 MB of [1,1,...] where requests are expected."""
    await _chunked(writer, b'{"requests":[', b"1," * 30_000, 33)
    await reader.read()


async def long_fields(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An address of 50 MB."""
    await _chunked(writer, b'{"requests":[{"image_url":"https://a.example/', b"x" * 500_000, 100)
    await reader.read()


async def deep_lists(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As many brackets as a body may have."""
    body = b"[" * 199_000
    writer.write(
        head("POST", "/api/requests", f"Content-Length: {len(body)}", "Connection: close") + body
    )
    await reader.read()


async def pictures(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A PNG of 89 megapixels in a form of the page's own, and one of as many as the page looks
    at.
    """
    writer.write(head("GET", "/"))
    form = await reader.readuntil(b"</main>")
    token = re.search(rb'name="token" value="([^"]+)"', form)
    if token is None:
        return
    for side in (9_459, 7_000):
        body = b"".join(
            (
                _part("token"),
                token[1],
                b"\r\n",
                _part("picture", "a.png"),
                _png(side),
                f"\r\n--{BOUNDARY}--\r\n".encode(),
            )
        )
        kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
        writer.write(head("POST", "/picture", kind, f"Content-Length: {len(body)}") + body)
        await reader.readuntil(b"</html>")


async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Searches as fast as they are answered."""
    while not reader.at_eof():
        writer.write(head("GET", "/?q=w1+w2"))
        await reader.readuntil(b"</html>")


async def slow_readers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Many searches on one connection, and no answer is read."""
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
    writer.write(
        head("POST", "/api/requests", "Transfer-Encoding: chunked")
        + b"%x\r\n%b\r\n" % (len(first), first)
    )
    for _ in range(times):
        writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await writer.drain()


def _part(name: str, file: str = "") -> bytes:
    named = f'; filename="{file}"\r\nContent-Type: image/png' if file else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()


@cache
def _png(side: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (side, side)).save(content, "PNG")
    return content.getvalue()


async def _attack(port: int, kind: int, number: int, until: float) -> None:
    """One hostile client: again and again, until the time is over."""
    attack = list(ATTACKS.values())[kind]
    address = f"127.2.{kind}.{number % ADDRESSES_EACH + 1}"
    while time.monotonic() < until:
        with suppress(OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
            async with (
                asyncio.timeout(min(ROUND_S, max(0.1, until - time.monotonic()))),
                connected(port, address) as (reader, writer),
            ):
                await attack(reader, writer)
        await asyncio.sleep(0.05)


def hostile(port: int, seconds: float) -> None:
    """All hostile clients, for so long."""

    async def all_of_them() -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(
            *(
                _attack(port, kind, number, until)
                for kind in range(len(ATTACKS))
                for number in range(HOSTILE_EACH)
            )
        )

    asyncio.run(all_of_them())


def attacked(port: int, seconds: float) -> list[tuple[float, int]]:
    """(seconds, status) of every honest search while the page is attacked."""

    async def all_of_them() -> list[list[tuple[float, int]]]:
        until = time.monotonic() + seconds
        return await asyncio.gather(*(honest(port, number, until) for number in range(HONEST)))

    hostile_clients = get_context("spawn").Process(target=hostile, args=(port, seconds))
    hostile_clients.start()
    try:
        return [one for visitor in asyncio.run(all_of_them()) for one in visitor]
    finally:
        hostile_clients.join(START_S)
        hostile_clients.kill()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, attack, report; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long it is attacked (default: 60)"
    )
    parser.add_argument("--quick", action="store_true", help="15 seconds, fewer rows")
    options = parser.parse_args(arguments)
    seconds, rows = (
        (min(options.seconds, 15.0), 2_000) if options.quick else (options.seconds, 20_000)
    )
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), rows) as page:
        found = attacked(page.port, seconds)
        peak_mb, own_mb = page.peak_bytes / 1e6, page.own_peak_bytes / 1e6
    took = sorted(seconds for seconds, _ in found)
    statuses = Counter(status for _, status in found)
    said = ", ".join(f"{number} of status {status}" for status, number in sorted(statuses.items()))
    print(
        f"{HONEST} honest visitors and {HOSTILE_EACH * len(ATTACKS)} hostile clients for "
        f"{seconds:.0f} s; searches: {said}"
    )
    print(f"median {1000 * took[len(took) // 2]:.0f} ms, worst {1000 * took[-1]:.0f} ms")
    print(f"goal honest_p99_s {took[int(0.99 * (len(took) - 1))]:.3f} <= 1")
    print(f"the page's own process had at most {own_mb:.0f} MB")
    print(f"goal peak_mb {peak_mb:.0f} <= 1000")
    return 0


if __name__ == "__main__":
    sys.exit(main())
