"""Servers on loopback for benchmarks/fetch.py: nginx with pictures, and hosts that answer slowly."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START_S, BETWEEN_TRIES_S = 60.0, 0.05
SLOW_ANSWER_S = 1.0
# Every address of loopback is a host of its own, so the slow server listens on all of them.
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104


@contextmanager
def nginx(root: Path, folder: Path, hosts: int) -> Iterator[int]:
    """Serve a folder on 127.0.0.1 to 127.0.0.`hosts`; yield the port."""
    port = free_port("127.0.0.1")
    listen = " ".join(f"listen 127.0.0.{number + 1}:{port};" for number in range(hosts))
    config = folder / "nginx.conf"
    config.write_text(
        f"worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 4096; }\n"
        "http { types { image/png png; image/jpeg jpg jpeg; image/webp webp; }\n"
        f" access_log off; sendfile on; server {{ {listen} root {root.resolve()}; }} }}\n"
    )
    server = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(config)])
    try:
        _wait_for_start(port)
        yield port
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def slow_hosts() -> Iterator[int]:
    """Serve on every address of loopback, with SLOW_ANSWER_S for each answer; yield the port."""
    port = free_port(ALL_ADDRESSES)
    server = multiprocessing.get_context("spawn").Process(
        target=_serve_slowly, args=(port,), daemon=True
    )
    server.start()
    try:
        _wait_for_start(port)
        yield port
    finally:
        server.terminate()


def free_port(address: str) -> int:
    """Return a port on which nobody listens."""
    with socket.create_server((address, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _wait_for_start(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(BETWEEN_TRIES_S)
        else:
            return
    raise RuntimeError(f"the server did not start within {START_S:.0f} s")


def _serve_slowly(port: int) -> None:
    """Answer every request with 404 after a while, until this process is ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The client closes the connection when it likes.
        with suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(SLOW_ANSWER_S)
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, ALL_ADDRESSES, port, backlog=4096)
        async with server:
            await server.serve_forever()

    asyncio.run(serve())
