"""Servers on loopback that speak S3 and Google's storage."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.cluster import free_port


@contextmanager
def serve_s3() -> Iterator[str]:
    """Run moto's server; gives its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def serve_google_storage() -> Iterator[str]:
    """Run fake-gcs-server; gives its address. Skips the test where the program is missing."""
    program = shutil.which("fake-gcs-server")
    if program is None:
        pytest.skip(
            "fake-gcs-server is not installed: go install github.com/fsouza/fake-gcs-server@v1.52.2"
        )
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    address = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    command = [program, *address, "-backend", "memory", "-external-url", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        _wait_for_answer(f"{url}/storage/v1/b?project=test")
        yield url
        server.terminate()


def _wait_for_answer(url: str, longest_s: float = 60.0) -> None:
    deadline = time.monotonic() + longest_s
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")
