"""Servers that mean no good, on loopback: each URL ends in its status, within its deadline, in
bounded memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from urllib.parse import unquote

import aiohttp
import pytest
import trustme

from pairsieve.web.answer import Answer, FetchRequest
from pairsieve.web.client_settings import ClientSettings
from tests.support.fetching import ask_all, client_settings

OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
PIECE = b"x" * 65536
# Within this everything ends but what a server holds up on purpose, however busy the machine is.
PATIENCE_S = 60
# Within one of these a server that holds a client up is given up. On a busy machine robots.txt may
# not come in the shortest one. Servers hold up for longer than the longest one.
DEADLINES_S = (1.5, 6, 20)
HOLD_S = 300
MOST_BYTES = 40_000_000


async def slow_headers(writer: asyncio.StreamWriter) -> None:
    for letter in OK * 50:
        writer.write(bytes([letter]))
        await asyncio.sleep(0.1)


async def slow_body(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x")
        await asyncio.sleep(0.1)


async def endless_body(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"\r\n")
    while True:
        writer.write(PIECE)
        await writer.drain()


async def endless_chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + PIECE + b"\r\n")
        await writer.drain()


async def short_body(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 100\r\n\r\nonly this")


async def long_body(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 4\r\nConnection: close\r\n\r\n" + PIECE)


async def huge_length(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 99999999999999\r\n\r\nx")
    await asyncio.sleep(HOLD_S)


async def gzip_bomb(writer: asyncio.StreamWriter) -> None:
    bomb = make_bomb()
    writer.write(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)


@cache
def make_bomb() -> bytes:
    return gzip.compress(bytes(100_000_000))


async def many_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(
        OK + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"Content-Length: 1\r\n\r\nx"
    )


async def long_header(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"X-Long: " + PIECE * 4 + b"\r\nContent-Length: 1\r\n\r\nx")


async def endless_header(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"X-Long: ")
    while True:
        writer.write(PIECE)
        await writer.drain()


async def junk(writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(range(256)) * 20)


async def nothing(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(HOLD_S)


async def reset(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 1500\r\n\r\n" + b"x" * 1000)
    await writer.drain()
    writer.get_extra_info("socket").setsockopt(*LINGER)
    writer.transport.abort()


async def odd_status(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n")


async def storm(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 503 No\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")


async def odd_retry_after(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 429 No\r\nRetry-After: -9e99\r\nContent-Length: 0\r\n\r\n")


async def picture(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + b"Content-Length: 1\r\n\r\nx")


BEHAVIOURS = {
    slow_headers: "timeout",
    slow_body: "timeout",
    endless_body: "too_large",
    endless_chunks: "too_large",
    short_body: "connection_error",
    long_body: "connection_error",
    huge_length: "too_large",
    gzip_bomb: "too_large",
    many_headers: "connection_error",
    long_header: "connection_error",
    endless_header: "connection_error",
    junk: "connection_error",
    nothing: "connection_error",
    silence: "timeout",
    reset: "connection_error",
    odd_status: "http_error",
    storm: "host_busy",
    odd_retry_after: "host_busy",
    picture: "ok",
}
LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
NAMED = {behaviour.__name__: behaviour for behaviour in BEHAVIOURS}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    ended = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError)
    with contextlib.suppress(*ended), contextlib.closing(writer):
        while request := await reader.readuntil(b"\r\n\r\n"):
            path = unquote(request.split(b" ")[1].decode()).strip("/")
            if path.startswith("to?"):
                writer.write(
                    b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n"
                    % path[3:].encode()
                )
            elif path in NAMED:
                await NAMED[path](writer)
                break
            else:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def served(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[int]:
    """The hostile server, until the block ends; its port."""
    started, ports, stops = threading.Event(), list[int](), list[Callable[[], None]]()

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        server = await asyncio.start_server(answer, host, 0, ssl=tls)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(60)
    yield ports[0]
    stops[0]()
    thread.join(60)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served() as found:
        yield found


@pytest.fixture
def settings(port, site) -> ClientSettings:
    return patient(replace(client_settings(site), ports=(port,)), PATIENCE_S)


def patient(settings: ClientSettings, seconds: float) -> ClientSettings:
    return replace(settings, total_timeout_s=seconds, read_timeout_s=seconds)


def fetch(settings: ClientSettings, *urls: str) -> list[Answer]:
    answers: list[Answer] = []
    asyncio.run(
        ask_all(settings, [FetchRequest(url, lambda *_: None, answers.append) for url in urls])
    )
    return answers


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_each_ends_in_its_status_in_time(settings, port, behaviour):
    make_bomb()  # the server of this process would make it while memory is measured
    expected = BEHAVIOURS[behaviour]
    for deadline_s in DEADLINES_S if expected == "timeout" else (PATIENCE_S,):
        started = time.monotonic()
        tracemalloc.start()
        (found,) = fetch(
            patient(settings, deadline_s), f"http://127.0.0.1:{port}/{behaviour.__name__}"
        )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if found.status != "robots_unreachable":
            break
    assert found.status == expected
    assert time.monotonic() - started < HOLD_S / 3, "no server decides how long it takes"
    assert peak < MOST_BYTES


def test_all_at_once(settings, port):
    urls = [
        f"http://127.0.0.1:{port}/{name}?{n}"
        for name in ("endless_body", "reset", "junk", "nothing")
        for n in range(10)
    ]
    found = fetch(
        replace(settings, connections=32, connections_per_host=32, host_failures=1000), *urls
    )
    assert sorted(answer.url for answer in found) == sorted(urls)
    assert {answer.status for answer in found} <= {"too_large", "connection_error", "http_error"}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://127.0.0.2:{port}/picture", "private_address"),
        ("http://2130706434:{port}/picture", "private_address"),
        ("http://0x7f.2:{port}/picture", "private_address"),
        ("http://0177.0.0.2:{port}/picture", "private_address"),
        ("http://0.0.0.0:{port}/picture", "private_address"),
        ("http://[::1]:{port}/picture", "private_address"),
        ("http://[::ffff:127.0.0.2]:{port}/picture", "private_address"),
        ("http://[::ffff:7f00:2]:{port}/picture", "private_address"),
        ("http://[64:ff9b::7f00:2]:{port}/picture", "private_address"),
        ("http://169.254.169.254:{port}/latest/meta-data", "private_address"),
        ("http://127.0.0.1:22/", "port_not_allowed"),
        ("ftp://127.0.0.1:{port}/picture", "scheme_not_allowed"),
        ("file:///etc/passwd", "scheme_not_allowed"),
        ("http://u:p@127.0.0.1:{port}/picture", "ok"),
        ("http://127.0.0.1:{port}/picture", "ok"),
        ("//127.0.0.1:{port}/picture", "ok"),
    ],
)
def test_redirects_lead_nowhere_private(settings, port, target, status):
    (found,) = fetch(settings, f"http://127.0.0.1:{port}/to?{target.format(port=port)}")
    assert found.status == status


def test_a_name_that_is_private_only_the_second_time(settings, port, monkeypatch):
    given = iter(["127.0.0.1", *["127.0.0.2"] * 9])

    async def resolve(self, host, port=0, family=0):
        return [
            {
                "hostname": host,
                "host": next(given),
                "port": port,
                "family": 2,
                "proto": 0,
                "flags": 0,
            }
        ]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    found = fetch(
        replace(settings, connections_per_host=1),
        f"http://a.example:{port}/nothing",
        f"http://a.example:{port}/picture",
    )
    assert [answer.status for answer in found][-1] == "private_address"


def test_a_certificate_that_nobody_vouches_for(settings):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with served(tls) as port:
        (found,) = fetch(replace(settings, ports=(port,)), f"https://127.0.0.1:{port}/picture")
    assert found.status == "robots_unreachable", "and so its robots.txt cannot be read"


def test_many_hosts_that_are_silent_do_not_hold_up_the_others(settings):
    with served(host="0.0.0.0") as port:
        quick = [f"http://127.0.0.1:{port}/picture?{n}" for n in range(100)]
        silent = [f"http://127.0.{n}.2:{port}/silence" for n in range(1, 20)]
        limited = replace(settings, ports=(port,), allow_networks=("127.0.0.0/8",), connections=8)
        # A busy machine may need longer than the first deadline for the hundred that answer.
        for deadline_s in DEADLINES_S:
            answers = fetch(patient(limited, deadline_s), *quick, *silent)
            first_urls = [answer.url for answer in answers[:100]]
            if sorted(first_urls) == sorted(quick):
                break
    assert sorted(first_urls) == sorted(quick), "before any silent host was given up"
    assert {answer.status for answer in answers[100:]} == {"timeout"}
    assert sorted(answer.url for answer in answers[100:]) == sorted(silent)
