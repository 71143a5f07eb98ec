"""Measures fetching beside a bare aiohttp loop and img2dataset: rates, CPU, skew, slow hosts, memory.

    python benchmarks/fetch.py [--quick] [--pictures DIR] [--img2dataset PYTHON]

nginx serves the pictures below DIR (generated ones by default) on addresses of loopback, each of
which is a host of its own. Two processes fetch them. `--img2dataset` is the Python of an
environment that has it: it does not install beside ours.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from random import Random

from benchmarks.fetch_servers import nginx, slow_hosts
from benchmarks.fetch_sides import (
    SIDE,
    Cost,
    bare_loop,
    client_settings,
    ours,
    peak_mb,
    peers,
    processes,
)
from benchmarks.machine import Goals, print_goals, short_cpu
from demo.pictures import picture
from demo.scenes import all_scenes
from pairsieve.web.answer import Answer, FetchRequest
from pairsieve.web.client import open_client
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.schedule import Schedule

HOSTS = 16
ZIPF = 1.7  # exponent: the first of 16 hosts then has half of all pictures
QUICK_PICTURES = 600
GENERATED_PICTURES, GENERATED_SIDE = 600, 256
QUICK_HOST_ROUNDS = 5
PEERS = ("as served", f"larger ones to {SIDE} px", f"all to {SIDE} px")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def main() -> None:
    """Measure, and print the table and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="600 pictures, one round and 500 slow hosts"
    )
    parser.add_argument(
        "--pictures", help="folder of JPEG, PNG and WEBP files (default: generated ones)"
    )
    parser.add_argument("--img2dataset", help="the Python of an environment that has img2dataset")
    options = parser.parse_args()
    if not shutil.which("nginx"):
        print("nothing measured: nginx serves the pictures and is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="pairsieve-bench-") as name:
        folder = Path(name)
        # Started by root, nginx reads as a user of its own.
        folder.chmod(0o755)
        root = Path(options.pictures) if options.pictures else _generate(folder / "given")
        goals = measure(folder, root, options.img2dataset, options.quick)
    print_goals(goals)


def measure(folder: Path, root: Path, img2dataset: str | None, quick: bool) -> Goals:
    """Measure all ways in turn on the same pictures."""
    files = _picture_files(root)
    if not files:
        sys.exit(f"{root} holds no pictures")
    if quick and len(files) > QUICK_PICTURES:
        files = Random(0).sample(files, QUICK_PICTURES)
    rounds = 1 if quick else 3

    def median(measure_once: Callable[[], Cost]) -> Cost:
        return _median([measure_once() for _ in range(rounds)])

    with nginx(root, folder, HOSTS) as port, processes() as pool:
        addresses = [f"{port}/{path.relative_to(root)}" for path in files]
        urls = _urls(addresses, [number % HOSTS for number in range(len(files))])
        skewed = _urls(addresses, _skewed_hosts(len(files)))
        bare = median(lambda: pool.submit(bare_loop, urls).result())
        as_served = median(lambda: ours(pool, urls, folder / "ours", port))
        uneven = median(lambda: ours(pool, skewed, folder / "skew", port))
        reduced = median(lambda: ours(pool, urls, folder / "reduced", port, SIDE))
        one_host = _urls(addresses, [0] * len(files))
        number_of_slow = 500 if quick else 10_000
        alone, beside = _beside_slow_hosts(pool, number_of_slow, one_host, port)
        theirs = peers(img2dataset, urls, folder) if img2dataset else []
    rows = {
        "bare aiohttp loop, 1 process": bare,
        "ours, as served": as_served,
        "ours, hosts by Zipf's law, half of all on one": uneven,
        f"ours, stored with {SIDE} px": reduced,
    }
    if theirs:
        for name, cost in zip(PEERS, theirs, strict=True):
            rows[f"img2dataset, {name}"] = cost
    _print_table(len(files), rounds, rows)
    print(
        f"\none quick host, 1 process: {alone.rate:,.0f}/s alone, {beside.rate:,.0f}/s beside "
        f"slow hosts; peak {beside.peak_mb:.0f} MB\n"
    )
    goals: Goals = {
        "as_served_against_bare_loop": (as_served.rate / bare.rate, ">=", 0.45),
        "slow_hosts_beside": (beside.rate / alone.rate, ">=", 0.9),
        "peak_megabytes_at_256_connections": (max(beside.peak_mb, as_served.peak_mb), "<=", 700),
        "half_on_one_host_takes_as_long": (uneven.seconds / as_served.seconds, "<=", 1.15),
    }
    if theirs:
        goals |= _goals_against_peers(as_served, reduced, theirs)
    return goals


def _goals_against_peers(as_served: Cost, reduced: Cost, theirs: Sequence[Cost]) -> Goals:
    their_as_served, their_reduced, _ = theirs
    our_cpu_s = as_served.cpu_s / as_served.pictures
    their_cpu_s = their_as_served.cpu_s / their_as_served.pictures
    return {
        "as_served_against_img2dataset": (as_served.rate / their_as_served.rate, ">=", 5),
        "at_224_px_against_img2dataset": (reduced.rate / their_reduced.rate, ">=", 4),
        "cpu_of_img2dataset": (our_cpu_s / their_cpu_s, "<=", 1 / 3),
    }


def _picture_files(root: Path) -> list[Path]:
    paths = []
    for folder, _, names in os.walk(root, followlinks=True):
        paths += [Path(folder) / name for name in names]
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES)


def _urls(addresses: Sequence[str], hosts: Sequence[int]) -> list[str]:
    """Return the URL of each address (port and path) at the host with a number."""
    return [
        f"http://127.0.0.{1 + host}:{address}"
        for host, address in zip(hosts, addresses, strict=True)
    ]


def _skewed_hosts(number: int) -> list[int]:
    """Draw hosts by Zipf's law."""
    weights = [1 / (host + 1) ** ZIPF for host in range(HOSTS)]
    return Random(0).choices(range(HOSTS), weights, k=number)


def _print_table(pictures: int, rounds: int, rows: dict[str, Cost]) -> None:
    print(
        f"{short_cpu()}, {os.cpu_count()} cores, {rounds} rounds; {pictures} pictures on {HOSTS} "
        "hosts"
    )
    print("| | pictures/s | CPU ms a picture | peak MB |\n|---|---|---|---|")
    for name, cost in rows.items():
        cpu_ms = 1000 * cost.cpu_s / cost.pictures
        print(f"| {name} | {cost.rate:,.0f} | {cpu_ms:.2f} | {cost.peak_mb:.0f} |")


def _median(costs: Sequence[Cost]) -> Cost:
    """Return the cost with the median seconds."""
    middle = statistics.median_low(cost.seconds for cost in costs)
    return next(cost for cost in costs if cost.seconds == middle)


def _generate(folder: Path) -> Path:
    """Draw pictures of the demonstration into a folder."""
    folder.mkdir()
    for number, scene in enumerate(islice(cycle(all_scenes()), GENERATED_PICTURES)):
        picture(scene, Random(number), GENERATED_SIDE).save(folder / f"{number}.png")
    return folder


def _beside_slow_hosts(
    pool: ProcessPoolExecutor, number: int, quick_urls: Sequence[str], port: int
) -> tuple[Cost, Cost]:
    """Measure one quick host alone, and then beside hosts that need a second for each answer.

    One process has 256 connections.
    """
    urls = list(quick_urls) * QUICK_HOST_ROUNDS
    with slow_hosts() as slow_port:
        slow_urls = [
            f"http://127.1.{n // 250}.{n % 250 + 1}:{slow_port}/x.png" for n in range(number)
        ]
        settings = client_settings(
            port, ports=(port, slow_port), connections=256, connections_per_host=64
        )
        alone = pool.submit(_run_beside, urls, [], settings).result()
        beside = pool.submit(_run_beside, urls, slow_urls, settings).result()
        return alone, beside


def _run_beside(
    quick_urls: Sequence[str], slow_urls: Sequence[str], settings: ClientSettings
) -> Cost:
    return asyncio.run(_fetch_beside(quick_urls, slow_urls, settings))


async def _fetch_beside(
    quick_urls: Sequence[str], slow_urls: Sequence[str], settings: ClientSettings
) -> Cost:
    """Measure from the first answer of the quick host to its last.

    By then the slow hosts hold all connections that they may have.
    """
    statuses: list[str] = []

    def deliver(answer: Answer) -> None:
        statuses.append(answer.status)

    slow_requests = [FetchRequest(url, _allow_all, _ignore) for url in slow_urls]
    quick_requests = [FetchRequest(url, _allow_all, deliver) for url in quick_urls]
    batches = [slow_requests, quick_requests]

    async def refill() -> Sequence[FetchRequest] | None:
        # Before the quick requests, slow hosts get time to fill their connections.
        is_quick_batch = len(batches) == 1
        await asyncio.sleep(2 if is_quick_batch and slow_urls else 0)
        return batches.pop(0) if batches else None

    max_waiting = 10 * len(quick_urls) + len(slow_urls)
    async with open_client(settings) as client:
        fetching = asyncio.create_task(Schedule(client, refill, max_waiting).run())
        await _wait_for(statuses, 1)
        started = time.perf_counter()
        cpu_started = time.process_time()
        await _wait_for(statuses, len(quick_urls))
        seconds = time.perf_counter() - started
        cpu_s = time.process_time() - cpu_started
        # Most slow hosts have not answered yet.
        fetching.cancel()
        with suppress(asyncio.CancelledError):
            await fetching
    return Cost(statuses.count("ok"), seconds, cpu_s, peak_mb())


async def _wait_for(statuses: Sequence[str], number: int) -> None:
    while len(statuses) < number:
        await asyncio.sleep(0.001)


def _allow_all(_url: str, _final_url: str, _headers: object) -> None:
    """Refuse no answer by its headers."""


def _ignore(_answer: object) -> None:
    """Drop an answer."""


if __name__ == "__main__":
    main()
