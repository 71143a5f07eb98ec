"""A site for benchmarks/recheck.py: links of known fate on several addresses of loopback.

Every address is a host of its own. What each link serves on each day is planted. The server counts
the bytes of each link's requests and answers, and how each host is asked. It runs in a process of
its own.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.fetch_servers import free_port

START_S = 60.0
MADE_AT = 1_700_000_000  # when the pictures were made (seconds since 1970), before the fetch
CHANGED_AT = 1_790_000_000
NOT_CHANGED = ("same", "no_head", "no_validators", "moved")
"""Kinds whose picture is the published one. A moved one is reached by a redirect."""
REFUSED = ("header", "robots", "rsl")
CHANGED = ("changed", "same_length")
GONE = ("404", "410", "parked")
# Of 1,000 links; all others are `same`.
PLANTED = {
    "404": 60, "410": 40, "parked": 10, "header": 30, "robots": 30, "rsl": 30, "changed": 40,
    "same_length": 20, "no_head": 20, "no_validators": 10, "moved": 20,
}  # fmt: skip
SIDE_BYTES = 8_000
"""Bytes of a picture. Random bytes behind the first ones of a PNG: nothing here decodes them."""


@dataclass(frozen=True)
class PlantedLink:
    """A link on the host with this number, and what becomes of it."""

    number: int
    host: int
    kind: str

    @property
    def path(self) -> str:
        folder = {"robots": "closed", "rsl": "licensed"}.get(self.kind, "pictures")
        return f"/{folder}/{self.number}.png"

    def url(self, port: int) -> str:
        """The URL that is published."""
        return f"http://127.0.0.{self.host + 1}:{port}{self.path}"


def plant(links: int, hosts: int) -> list[PlantedLink]:
    """Links whose kinds are spread over all hosts."""
    kinds = [kind for kind, number in PLANTED.items() for _ in range(number)]
    kinds += ["same"] * (1000 - len(kinds))
    # 7 and 1000 have no common divisor, so that each kind comes on every host.
    return [PlantedLink(n, n % hosts, kinds[n * 7 % 1000]) for n in range(links)]


def picture_bytes(number: int, version: int = 0) -> bytes:
    """The picture of a link; another version has other bytes after the first ones."""
    first = b"\x89PNG\r\n\x1a\n" + f"{number} {version} ".encode()
    size = SIDE_BYTES + number % 500
    if version > 1:
        size += number % 3
    repeats = size // len(first) + 1
    return (first * repeats)[:size]


@dataclass
class Counts:
    """What the server saw: bytes by number of the link, and how hosts were asked.

    `times` are those of the requests of each host, `most_at_once` the most at the same time.
    """

    bytes_of: Counter[int] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    times: dict[str, list[float]] = field(default_factory=dict)
    most_at_once: Counter[str] = field(default_factory=Counter)


class PlantedServer:
    """Answers requests; from day 1 on each link has its fate."""

    def __init__(self, links: list[PlantedLink]) -> None:
        self._links = {link.number: link for link in links}
        self._day = 0
        self._now: Counter[str] = Counter()
        self.counts = Counts()

    def set_day(self, day: int) -> None:
        """Change what links serve, and count anew."""
        self._day = day
        self.counts = Counts()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        host = writer.get_extra_info("sockname")[0]
        # The client closes the connection when it likes.
        with suppress(OSError, asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                self.counts.times.setdefault(host, []).append(time.monotonic())
                self._now[host] += 1
                at_once = max(self.counts.most_at_once[host], self._now[host])
                self.counts.most_at_once[host] = at_once
                line, *lines = request.decode("latin-1").rstrip("\r\n").split("\r\n")
                method, target, _ = line.split(" ")
                headers = dict(each.lower().split(": ", 1) for each in lines)
                answer = self._answer(method, target, headers)
                number = _number_in(target)
                if number is not None:
                    self.counts.bytes_of[number] += len(request) + len(answer)
                    self.counts.asked[method] += 1
                # An answer takes a moment, so that two at the same time are seen.
                await asyncio.sleep(0.001)
                self._now[host] -= 1
                writer.write(answer)
                await writer.drain()
        writer.close()

    def _answer(self, method: str, target: str, headers: dict[str, str]) -> bytes:
        number = _number_in(target)
        if number is None:
            return self._site_file(target)
        link = self._links[number]
        kind = link.kind if self._day else "same"
        if kind == "404" or kind == "410":
            return _plain(f"{kind} Gone", b"")
        if kind in ("moved", "parked") and not target.startswith("/new/"):
            return _plain("302 Found", b"", f"Location: /new/{number}.png")
        if kind == "parked":
            body = b"<!doctype html><html><body>This domain is for sale.</body></html>"
            return _with_type("text/html", body, method)
        return _picture_answer(link, kind, method, headers)

    def _site_file(self, target: str) -> bytes:
        if not self._day:
            return _plain("404 Not Found", b"")
        if target == "/robots.txt":
            text = "User-agent: *\nDisallow: /closed/\nLicense: /licence.xml\n"
            return _with_type("text/plain", text.encode(), "GET")
        if target == "/licence.xml":
            text = (
                '<rsl xmlns="https://rslstandard.org/rsl"><content url="/licensed/"><license>'
                '<prohibits type="usage">ai-train</prohibits></license></content></rsl>'
            )
            return _with_type("application/rsl+xml", text.encode(), "GET")
        return _plain("404 Not Found", b"")


def _number_in(target: str) -> int | None:
    name = target.rpartition("/")[2].removesuffix(".png")
    return int(name) if name.isdecimal() else None


def _picture_answer(link: PlantedLink, kind: str, method: str, headers: dict[str, str]) -> bytes:
    """The picture of a link, as a server of its kind answers a request for it."""
    version = {"changed": 2, "same_length": 1}.get(kind, 0)
    body = picture_bytes(link.number, version)
    modified = formatdate(CHANGED_AT if version else MADE_AT, usegmt=True)
    etag = f'"{link.number}-{version}"'
    lines = ["Content-Type: image/png", "Server: planted", f"Date: {formatdate(usegmt=True)}"]
    if kind != "no_validators":
        lines += [f"Last-Modified: {modified}", f"ETag: {etag}"]
    if kind == "header":
        lines.append("X-Robots-Tag: noai")
    if method == "HEAD" and kind == "no_head":
        return _plain("405 Method Not Allowed", b"")
    # As nginx does: a date counts only where it is the very same.
    is_known = headers.get("if-none-match") == etag or (
        headers.get("if-modified-since") == modified.lower()
    )
    if is_known and kind != "no_validators":
        return _head("304 Not Modified", lines)
    wanted = headers.get("range", "")
    if wanted.startswith("bytes=0-") and method == "GET":
        end = min(int(wanted.removeprefix("bytes=0-")), len(body) - 1)
        lines.append(f"Content-Range: bytes 0-{end}/{len(body)}")
        part = body[: end + 1]
        return _head("206 Partial Content", [*lines, f"Content-Length: {len(part)}"]) + part
    head = _head("200 OK", [*lines, f"Content-Length: {len(body)}"])
    return head if method == "HEAD" else head + body


def _plain(status: str, body: bytes, *lines: str) -> bytes:
    return _head(status, [*lines, f"Content-Length: {len(body)}"]) + body


def _with_type(kind: str, body: bytes, method: str) -> bytes:
    head = _head("200 OK", [f"Content-Type: {kind}", f"Content-Length: {len(body)}"])
    return head if method == "HEAD" else head + body


def _head(status: str, lines: list[str]) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


@dataclass
class Site:
    """The server in its process."""

    port: int
    pipe: Connection

    def ask(self, *order: Any) -> Any:
        """Give an order: `day` with a number, or `counts`."""
        self.pipe.send(order)
        return self.pipe.recv()


@contextmanager
def planted_site(links: list[PlantedLink], hosts: int) -> Iterator[Site]:
    """Serve the links on 127.0.0.1 to 127.0.0.`hosts`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    port = free_port("127.0.0.1")
    server = context.Process(target=_serve, args=(links, hosts, port, theirs), daemon=True)
    server.start()
    try:
        if not ours.poll(START_S):
            raise RuntimeError(f"the server did not start within {START_S:.0f} s")
        ours.recv()
        yield Site(port, ours)
    finally:
        server.terminate()
        server.join(10)


def _serve(links: list[PlantedLink], hosts: int, port: int, pipe: Connection) -> None:
    asyncio.run(_serve_all(PlantedServer(links), hosts, port, pipe))


async def _serve_all(planted: PlantedServer, hosts: int, port: int, pipe: Connection) -> None:
    addresses = [f"127.0.0.{number + 1}" for number in range(hosts)]
    await asyncio.start_server(planted.talk, addresses, port, backlog=1024)
    pipe.send("started")
    while True:
        name, *arguments = await asyncio.to_thread(pipe.recv)
        if name == "day":
            planted.set_day(*arguments)
        pipe.send(planted.counts)
