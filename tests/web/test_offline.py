"""The ways of the standard library and of fsspec to reach out, tried where they are forbidden; a
real listener counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import urllib.request

import fsspec
import pytest

from pairsieve.images.processes import Processes
from pairsieve.web.offline import NetworkForbidden, offline
from tests.support.raw_site import NOT_FOUND, serve_raw


def by_socket(port):
    socket.create_connection(("127.0.0.1", port), timeout=2).close()


def by_datagram(port):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port))


def by_urllib(port):
    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2)


def by_http_client(port):
    http.client.HTTPConnection("127.0.0.1", port, timeout=2).request("GET", "/")


def by_event_loop(port):
    asyncio.run(asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 2))


def by_fsspec(port):
    """Its event loop runs on a thread of its own."""
    with fsspec.open(f"http://127.0.0.1:{port}/").open() as stream:
        stream.read()


def by_name(port):
    socket.getaddrinfo("localhost", port)


def by_command(port):
    subprocess.run([sys.executable, "-c", ""], check=False)


def by_shell(port):
    os.system("true")


def by_fork(port):
    if os.fork() == 0:
        os._exit(0)


WAYS = [
    by_socket,
    by_datagram,
    by_urllib,
    by_http_client,
    by_event_loop,
    by_fsspec,
    by_name,
    by_command,
    by_shell,
    by_fork,
]


def swallowing(way, port):
    with contextlib.suppress(Exception):
        way(port)
    return "nothing happened"


def turning(way, port):
    try:
        way(port)
    except Exception:  # noqa: BLE001 - as libraries do
        raise ValueError("another error") from None


@pytest.fixture(scope="module")
def site():
    with serve_raw(lambda _: NOT_FOUND) as found:
        yield found
        assert found.requests == []


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_goes_out(way, site):
    for attempt in (way, lambda port: swallowing(way, port), lambda port: turning(way, port)):
        with pytest.raises(NetworkForbidden):
            offline(attempt, site.port)


def test_other_threads_and_later_calls_are_free():
    with serve_raw(lambda _: NOT_FOUND) as other:
        with pytest.raises(NetworkForbidden):
            offline(by_socket, other.port)
        by_socket(other.port)
        free = []
        offline(
            lambda: [
                thread.join() for thread in _started(lambda: free.append(by_socket(other.port)))
            ]
        )
    assert free == [None]


def _started(function):
    """A thread that was there before: what others do at the same time is not refused."""
    thread = threading.Thread(target=function)
    thread.start()
    return [thread]


def test_results_and_errors_of_what_stays_at_home():
    assert offline(sorted, [2, 1]) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        offline(lambda: 1 / 0)


def on_a_thread(port):
    failed = []

    def connect():
        try:
            by_socket(port)
        except NetworkForbidden:
            failed.append(port)

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    return failed == [port]


@pytest.mark.parametrize("way", [by_socket, by_name, by_command, by_shell])
def test_decoding_processes_are_offline(way, site):
    processes = Processes(1)
    try:
        with pytest.raises(NetworkForbidden):
            processes.result(processes.submit(way, site.port))
        assert processes.result(processes.submit(on_a_thread, site.port))
        assert processes.result(processes.submit(len, b"abc")) == 3
    finally:
        processes.close()
