"""The server around the page: connections that do nothing, and the end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from pairsieve.explore.connections import ConnectionLimits
from pairsieve.explore.serve import Address, make_server, raise_file_limit
from pipeline.commands.explore import main as explore
from tests.support.cluster import free_port

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.timeout(120)]
WAIT_S = 60.0
HALF = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


@contextmanager
def running(app, **limits):
    server = make_server(app, Address(port=free_port(), limits=ConnectionLimits(**limits)))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.02)
    yield server.config.port
    server.should_exit = True
    thread.join(WAIT_S)
    assert not thread.is_alive()


def connected(port, sent=b"", source="127.0.0.1"):
    found = socket.create_connection(("127.0.0.1", port), WAIT_S, (source, 0))
    found.sendall(sent)
    return found


def send_for_ever(found, what, pause_s):
    while True:
        found.sendall(what)
        threading.Event().wait(pause_s)


def ended(found) -> bytes:
    """All that comes until the other side ends the connection; a timeout is a failure."""
    said = b""
    try:
        while more := found.recv(65_536):
            said += more
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize(
    "sent", [b"", HALF, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + HALF]
)
def test_a_head_that_does_not_come(served, sent):
    with running(served(), head_s=0.3) as port, connected(port, sent) as found:
        assert ended(found).count(b"200 OK") == sent.count(b"healthz")


def test_a_head_that_comes_bit_by_bit_has_no_more_time(served):
    with (
        running(served(), head_s=0.3) as port,
        connected(port, HALF) as found,
        pytest.raises((ConnectionResetError, BrokenPipeError)),
    ):
        send_for_ever(found, b"x", 0.01)


def test_an_answer_that_nobody_reads(served):
    with running(served(), head_s=0.3, request_s=0.5) as port, connected(port) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(found, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100, 0)


@pytest.mark.parametrize("limits", [{"max_connections": 20}, {"max_per_network": 20}])
def test_many_half_heads_keep_nobody_out(served, limits):
    with running(served(), head_s=3600, **limits) as port, ExitStack() as stack:
        half = [stack.enter_context(connected(port, HALF)) for _ in range(300)]
        assert httpx.get(f"http://127.0.0.1:{port}/?q=cat").status_code == 200
        for one in half[:270]:
            ended(one)


def test_who_is_answered_is_not_put_out(served):
    head = b"POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with (
        running(served(), head_s=3600, max_connections=3, request_s=3600) as port,
        ExitStack() as stack,
    ):
        inside = [stack.enter_context(connected(port, head)) for _ in range(3)]
        assert all(b"100 Continue" in found.recv(65_536) for found in inside), (
            "each has sent its head"
        )
        with connected(port) as fourth:
            assert ended(fourth) == b"", "there is no room, and nobody to put out"
        for found in inside:
            found.sendall(b"q=cat")
        assert all(b"200 OK" in found.recv(65_536) for found in inside)


def test_a_head_that_is_too_long(served):
    with running(served()) as port, connected(port, b"GET /?q=" + b"x" * 70_000) as found:
        assert b"400" in ended(found)[:20]


def test_the_limit_of_files():
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        raise_file_limit(1_000)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(2_000, before[1])
        raise_file_limit(1)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(2_000, before[1]), (
            "never lowered"
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# What would take an hour: a search in a thread, and a picture in a process.
SLOW = """
import sys, time
import pairsieve.explore.page
from pairsieve.search.find import Search
Search.by_words = lambda *_: time.sleep(3600)
pairsieve.explore.page.upload_of = lambda processes, *_: processes.submit(time.sleep, 3600).future.exception()
from pipeline.commands.explore import main
sys.exit(main(sys.argv[1:]))
"""
PICTURE = b"POST /picture HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [b"", HALF, b"GET /?q=cat HTTP/1.1\r\nHost: localhost\r\n\r\n", PICTURE],
    ids=["idle", "head", "search", "picture"],
)
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_whatever_is_under_way(dataset, tmp_path, sent, told):
    port = free_port()
    command = [
        sys.executable,
        "-c",
        SLOW,
        "--dataset",
        str(dataset),
        "--port",
        str(port),
        "--queue",
        str(tmp_path),
        "--timeout",
        "3600",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        while True:
            try:
                found = connected(port, sent)
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                threading.Event().wait(0.1)
        with found:
            # what was sent before is under way
            httpx.get(
                f"http://127.0.0.1:{port}/static/style.css", timeout=WAIT_S
            ).raise_for_status()
            process.send_signal(told)
            _, said = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    assert process.returncode == 0
    assert b"Traceback" not in said


def test_every_address_needs_a_name(dataset, capsys):
    assert explore(["--dataset", str(dataset), "--host", "0.0.0.0"]) == 2
    assert "--public-host" in capsys.readouterr().err


def test_help_names_the_quota(capsys):
    with pytest.raises(SystemExit):
        explore(["--help"])
    said = capsys.readouterr().out
    assert all(
        option in said for option in ("--most-waiting", "--most-waiting-mb", "--public-host")
    )
