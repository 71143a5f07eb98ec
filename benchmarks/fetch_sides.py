"""The ways to fetch that benchmarks/fetch.py compares: a bare loop, ours, and img2dataset."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import aiohttp
import pyarrow as pa

from filters.detector import Needs
from filters.registry import build_detectors, build_rules, needing
from pairsieve.images.decode import DecodeSettings
from pairsieve.records.outcome import Tally
from pairsieve.records.pair import PAIR_SCHEMA, Pair, key_of
from pairsieve.records.table import schema_with, to_table
from pairsieve.storage import parts
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.urls import bucket_of_url
from transforms.fetch.fetch import Fetcher, FetchSettings
from transforms.fetch.lanes import Lane, make_lanes
from transforms.fetch.open_part import Consent, Gate, load_gate
from transforms.fetch.part_shelf import FetchFolders
from transforms.fetch.robots_texts import SiteTextCache
from transforms.fetch.settings import StoreSettings
from transforms.fetch.web_lane import WebSource
from transforms.write_pairs import slice_pairs

BUCKETS = 32
PART_ROWS = 500
PROCESSES = 2
SIDE = 224  # pixels
BARE_CONNECTIONS = 64
DECODE = DecodeSettings(("JPEG", "PNG", "WEBP"), 89_478_484, 50)
EVIDENCE = {"page_rights_signals": ()}


@dataclass(frozen=True)
class Cost:
    """The cost of one way to fetch.

    `cpu_s` is the CPU time of all its processes, `peak_mb` the peak memory of one of them.
    """

    pictures: int
    seconds: float
    cpu_s: float
    peak_mb: float = 0

    @property
    def rate(self) -> float:
        return self.pictures / self.seconds


@contextmanager
def processes() -> Iterator[ProcessPoolExecutor]:
    """Start processes that have imported what they need, and loaded what a worker loads once."""
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_get_ready, range(PROCESSES)))
        yield pool


def _get_ready(_: int) -> None:
    _gate()
    # Meanwhile the other process gets the next task.
    time.sleep(1)


def peak_mb() -> float:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def bare_loop(urls: Sequence[str]) -> Cost:
    """Request every URL with aiohttp and nothing else."""
    return asyncio.run(_bare_requests(urls))


async def _bare_requests(urls: Sequence[str]) -> Cost:
    """Request and read, and do nothing else."""
    waiting = iter(urls)
    started = time.perf_counter()
    cpu_started = time.process_time()
    connector = aiohttp.TCPConnector(limit=BARE_CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:

        async def work() -> None:
            for url in waiting:
                async with session.get(url) as response:
                    await response.read()

        await asyncio.gather(*(work() for _ in range(BARE_CONNECTIONS)))
    seconds = time.perf_counter() - started
    return Cost(len(urls), seconds, time.process_time() - cpu_started, peak_mb())


def ours(
    pool: ProcessPoolExecutor,
    urls: Sequence[str],
    folder: Path,
    port: int,
    side: int | None = None,
) -> Cost:
    """Run the fetch stage over parts of pairs, with one lane for each process.

    With `side` larger pictures are stored with so many pixels (`fetch.store_size`).
    """
    shutil.rmtree(folder, ignore_errors=True)
    lanes = make_lanes(_write_parts(urls, folder), PROCESSES, max_shares=PROCESSES)
    started = time.perf_counter()
    costs = list(pool.map(partial(_fetch_lane, folder=folder, port=port, side=side), lanes))
    seconds = time.perf_counter() - started
    pictures = sum(cost.pictures for cost in costs)
    if pictures != len(urls):
        raise SystemExit(f"{pictures} of {len(urls)} pictures were fetched: nothing is measured")
    return Cost(
        pictures=pictures,
        seconds=seconds,
        cpu_s=sum(cost.cpu_s for cost in costs),
        peak_mb=max(cost.peak_mb for cost in costs),
    )


def _write_parts(urls: Sequence[str], folder: Path) -> list[str]:
    """Write the parts that extract would leave; return their names."""
    buckets: dict[int, list[Pair]] = {}
    for url in urls:
        buckets.setdefault(bucket_of_url(url, BUCKETS), []).append(_pair(url))
    schema = schema_with(PAIR_SCHEMA, {"page_rights_signals": pa.list_(pa.string())})
    names = []
    for bucket, pairs in buckets.items():
        for number, rows in enumerate(slice_pairs(pairs, PART_ROWS)):
            name = parts.part_name(bucket, number)
            parts.write_part(str(folder / "pairs"), name, to_table(rows, schema), Tally())
            names.append(name)
    return names


def _pair(url: str) -> Pair:
    return Pair(
        key=key_of(url, "words"),
        url=url,
        caption="words",
        subset="en",
        language="en",
        page_url="https://a.example/",
        warc_file="",
        record_offset=0,
        payload_digest="",
        crawl_time="",
        position=0,
        evidence=EVIDENCE,
    )


def client_settings(port: int, **changes: object) -> ClientSettings:
    """Return settings without pauses, for servers on loopback."""
    settings = ClientSettings(
        contact="https://example.org/bot",
        connections=128,
        connections_per_host=128,
        min_interval_s=0,
        connect_timeout_s=20,
        read_timeout_s=10,
        total_timeout_s=60,
        max_bytes=20_000_000,
        max_redirects=5,
        ports=(port,),
        allow_networks=("127.0.0.0/8",),
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def consent() -> Consent:
    """Return the demonstration's rules that can save a request, with their detectors."""
    names = (
        "page_rights",
        "response_rights",
        "picture_metadata",
        "personal_data",
        "medical_caption",
    )
    detectors = build_detectors({name: {} for name in names})
    rules = build_rules(
        {"rights": {"profile": "respect"}, "personal_data": {"captions": "redact", "urls": "drop"}},
        detectors,
    )
    return Consent(
        [rule for rule in rules if rule.saves_request],
        needing(detectors, Needs.PAIR),
        needing(detectors, Needs.RESPONSE),
        needing(detectors, Needs.CONTENT),
    )


@cache
def _gate() -> Gate:
    """Load the gate once in a process."""
    return load_gate(consent())


def _fetch_lane(lane: Lane, folder: Path, port: int, side: int | None) -> Cost:
    """Fetch a lane as a worker does."""
    folders = FetchFolders(
        str(folder / "pairs"), str(folder / "images"), str(folder / "pictures"), BUCKETS
    )
    source = WebSource(client_settings(port), SiteTextCache(str(folder / "sites"), BUCKETS, 0))
    started = time.perf_counter()
    cpu_started = time.process_time() + _children_cpu_s()
    settings = FetchSettings(consent(), source, folders, StoreSettings(DECODE, side=side))
    fetcher = Fetcher(_gate(), settings)
    number = sum(counted.number for counted in fetcher(lane) if counted.outcome == "kept")
    seconds = time.perf_counter() - started
    # Processes that make pictures smaller have ended by now.
    cpu_s = time.process_time() + _children_cpu_s() - cpu_started
    return Cost(number, seconds, cpu_s, peak_mb())


def peers(python: str, urls: Sequence[str], folder: Path) -> list[Cost]:
    """Measure img2dataset: bytes as served, larger pictures resized as ours, and all resized."""
    url_list = folder / "urls.txt"
    url_list.write_text("\n".join(urls))
    as_served = ["--resize_mode", "no", "--skip_reencode", "True"]
    all_resized = ["--image_size", str(SIDE), "--resize_mode", "keep_ratio"]
    larger_resized = [*all_resized, "--resize_only_if_bigger", "True", "--skip_reencode", "True"]
    return [
        _img2dataset(python, url_list, folder / "peer", options, len(urls))
        for options in (as_served, larger_resized, all_resized)
    ]


def _img2dataset(
    python: str, url_list: Path, folder: Path, options: Sequence[str], number: int
) -> Cost:
    shutil.rmtree(folder, ignore_errors=True)
    command = [python, "-c", "from img2dataset import main; main()"]
    command += ["--url_list", str(url_list), "--output_folder", str(folder)]
    command += ["--processes_count", str(PROCESSES), "--thread_count", "32"]
    command += ["--output_format", "webdataset", *options]
    environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
    before_s = _children_cpu_s()
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    seconds = time.perf_counter() - started
    return Cost(number, seconds, _children_cpu_s() - before_s)


def _children_cpu_s() -> float:
    """Return the CPU seconds of all children of this process that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
