"""Attacks the search page: are honest visitors answered within a second, and in how much memory?

    python -m benchmarks.page [--quick]

Runs the real `pairsieve explore` on 127.0.0.1, with an index of made-up rows. 40 honest visitors,
each from a loopback address of its own, search about once a second. At the same time 160 hostile
clients attack, 20 of each kind of ATTACKS, from 8 addresses a kind. They run in another process, so
that honest times are those of the page. A search without an answer counts as NEVER_S. It ends by
itself. `--quick` takes well under a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from random import Random

import psutil

from benchmarks.page_attacks import ATTACKS, HOSTILE_PER_KIND, connected, head, hostile
from benchmarks.search_rows import make_dataset, word_name
from pairsieve.search.index import build
from pairsieve.search.vectors import VectorSettings

HONEST = 40
NEVER_S = 10.0  # counts for a search without an answer; a visitor waits no longer
BETWEEN_S = 1.0  # from one search of a visitor to the next, on average
START_S = 60.0
SAMPLE_S = 0.1  # between two looks at the memory


@dataclass(frozen=True)
class Search:
    """One search of an honest visitor; without an answer, NEVER_S and status 0."""

    seconds: float
    status: int


@dataclass
class Page:
    """`pairsieve explore`, and its peak memory.

    `peak_bytes` is that of all its processes. `own_peak_bytes` is that of the page's own process,
    without those that read pictures.
    """

    process: subprocess.Popen[bytes]
    port: int
    peak_bytes: int = 0
    own_peak_bytes: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Sample the memory until the page ends."""
        while not self._ended.wait(SAMPLE_S):
            # A process may end between two lines.
            with suppress(psutil.Error):
                page = psutil.Process(self.process.pid)
                own = page.memory_info().rss
                children = page.children(recursive=True)
                others = sum(child.memory_info().rss for child in children)
                self.own_peak_bytes = max(self.own_peak_bytes, own)
                self.peak_bytes = max(self.peak_bytes, own + others)

    def end(self) -> float:
        """End the page; return the seconds that this takes."""
        self._ended.set()
        asked_at = time.monotonic()
        self.process.terminate()
        self.process.wait(START_S)
        return time.monotonic() - asked_at


@contextmanager
def served(folder: Path, rows: int) -> Iterator[Page]:
    """Serve a page over made-up rows. Raises TimeoutError where it does not start."""
    dataset = folder / "out"
    manifest = make_dataset(dataset, rows)
    (dataset / "manifest.json").write_text(manifest.text())
    build(str(dataset), manifest, f"{dataset}.index", VectorSettings(exact_below=rows))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipeline.cli", "explore"]
    command += ["--dataset", str(dataset), "--port", str(port)]
    with (folder / "log").open("wb") as log:
        page = Page(subprocess.Popen(command, stdout=log, stderr=log), port)
    watcher = threading.Thread(target=page.watch, daemon=True)
    watcher.start()
    try:
        _await_start(port)
        yield page
    finally:
        took_s = page.end()
        watcher.join()
    print(f"ended {took_s:.1f} s after the signal, with status {page.process.returncode}")


def _await_start(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"the page did not start within {START_S:.0f} s")


async def honest(port: int, number: int, until: float) -> list[Search]:
    """Search now and then as one visitor, until a time of the clock."""
    searches = []
    random = Random(number)
    address = f"127.1.0.{number + 1}"
    while time.monotonic() < until:
        await asyncio.sleep(random.uniform(0, 2 * BETWEEN_S))
        started = time.monotonic()
        status = await _search(port, address, word_name(random.randrange(200)))
        seconds = time.monotonic() - started if status == 200 else NEVER_S
        searches.append(Search(seconds, status))
    return searches


async def _search(port: int, address: str, word: str) -> int:
    """Search once; return the HTTP status, or 0 where no whole page came."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(NEVER_S), connected(port, address) as (reader, writer):
            writer.write(head("GET", f"/?q={word}", "Connection: close"))
            answer = await reader.read()
            if b"</html>" in answer:
                return int(answer.split(b" ", 2)[1])
    return 0


def attacked(port: int, seconds: float) -> list[Search]:
    """Attack the page; return every honest search in that time."""

    async def all_visitors() -> list[list[Search]]:
        until = time.monotonic() + seconds
        return await asyncio.gather(*(honest(port, number, until) for number in range(HONEST)))

    hostile_clients = get_context("spawn").Process(target=hostile, args=(port, seconds))
    hostile_clients.start()
    try:
        by_visitor = asyncio.run(all_visitors())
    finally:
        hostile_clients.join(START_S)
        hostile_clients.kill()
    return list(chain.from_iterable(by_visitor))


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, attack and report; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long it is attacked (default: 60)"
    )
    parser.add_argument("--quick", action="store_true", help="15 seconds, fewer rows")
    options = parser.parse_args(arguments)
    seconds = min(options.seconds, 15.0) if options.quick else options.seconds
    rows = 2_000 if options.quick else 20_000
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), rows) as page:
        searches = attacked(page.port, seconds)
        peak_mb = page.peak_bytes / 1e6
        own_mb = page.own_peak_bytes / 1e6
    times = sorted(search.seconds for search in searches)
    statuses = Counter(search.status for search in searches)
    counts = ", ".join(
        f"{number} of status {status}" for status, number in sorted(statuses.items())
    )
    print(
        f"{HONEST} honest visitors and {HOSTILE_PER_KIND * len(ATTACKS)} hostile clients for "
        f"{seconds:.0f} s; searches: {counts}"
    )
    print(f"median {1000 * times[len(times) // 2]:.0f} ms, worst {1000 * times[-1]:.0f} ms")
    print(f"goal honest_p99_s {times[int(0.99 * (len(times) - 1))]:.3f} <= 1")
    print(f"the page's own process had at most {own_mb:.0f} MB")
    print(f"goal peak_mb {peak_mb:.0f} <= 1000")
    return 0


if __name__ == "__main__":
    sys.exit(main())
