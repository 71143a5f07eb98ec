"""Fetching beside a bare aiohttp loop and img2dataset: rates, CPU, skew, slow hosts and memory.

    python benchmarks/fetch.py [--quick] [--pictures DIR] [--img2dataset PYTHON]

Serves the pictures below DIR (generated ones by default) with nginx on addresses of loopback, each
of which is a host of its own, and asks for them in two processes. `--img2dataset` is the Python of
an environment that has it: it does not install beside ours.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import platform
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import cycle, islice
from pathlib import Path
from random import Random

import aiohttp
import pyarrow as pa

from demo.pictures import all_scenes, picture
from filters.detector import Needs
from filters.registry import build_detectors, build_rules, needing
from pairsieve.images.decode import Decoded, DecodeSettings, decode
from pairsieve.records.outcome import Tally
from pairsieve.records.pair import PAIR_SCHEMA, Pair, key_of
from pairsieve.records.table import schema_with, to_table
from pairsieve.storage import parts
from pairsieve.web.answer import FetchRequest
from pairsieve.web.client import open_client
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.schedule import Schedule
from pairsieve.web.urls import bucket_of_url
from transforms.fetch.fetch import Fetcher
from transforms.fetch.lanes import Lane, make_lanes
from transforms.fetch.open_part import Consent, Gate, load_gate
from transforms.fetch.part_shelf import FetchFolders
from transforms.fetch.robots_texts import SiteTextCache
from transforms.fetch.settings import StoreSettings
from transforms.fetch.web_lane import WebSource
from transforms.write_pairs import slice_pairs

HOSTS, BUCKETS, PART_ROWS, PROCESSES = 16, 32, 500, 2
ZIPF = 1.7  # of so many hosts the first then has half of all pictures
SIDE = 224
DECODE = DecodeSettings(("JPEG", "PNG", "WEBP"), 89_478_484, 50)
EVIDENCE = {"page_rights_signals": ()}


def main() -> None:
    """Measure, print the table and the goals."""
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
    with tempfile.TemporaryDirectory(prefix="pairsieve-bench-") as folder:
        goals = measure(Path(folder), options)
    for name, (value, sign, target) in goals.items():
        print(f"goal {name} {value:.3g} {sign} {target}")


Goals = dict[str, tuple[float, str, float]]


@dataclass(frozen=True)
class Cost:
    """Of one way to fetch: pictures got, wall seconds, CPU seconds of all its processes, most
    memory of one.
    """

    pictures: int
    seconds: float
    cpu_s: float
    peak_mb: float = 0

    @property
    def rate(self) -> float:
        return self.pictures / self.seconds


def measure(folder: Path, options: argparse.Namespace) -> Goals:
    """All ways in turn on the same pictures."""
    given = Path(options.pictures) if options.pictures else _generated(folder / "given")
    found = (Path(at) / name for at, _, names in os.walk(given, followlinks=True) for name in names)
    files = sorted(
        path for path in found if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp")
    )
    if not files:
        sys.exit(f"{given} holds no pictures")
    files = Random(0).sample(files, 600) if options.quick and len(files) > 600 else files
    rounds = 1 if options.quick else 3
    with _nginx(given, folder) as port, _pool() as pool:
        urls = [
            f"http://127.0.0.{1 + n % HOSTS}:{port}/{path.relative_to(given)}"
            for n, path in enumerate(files)
        ]
        chances = [1 / (n + 1) ** ZIPF for n in range(HOSTS)]
        by_zipf = Random(0).choices(range(HOSTS), chances, k=len(files))
        skewed = [
            f"http://127.0.0.{1 + host}:{port}/{path.relative_to(given)}"
            for host, path in zip(by_zipf, files, strict=True)
        ]
        bare = _median([_bare(pool, urls) for _ in range(rounds)])
        ours = _median([_ours(pool, urls, folder / "ours", port) for _ in range(rounds)])
        uneven = _median([_ours(pool, skewed, folder / "skew", port) for _ in range(rounds)])
        with_pixels = _median(
            [_ours(pool, urls, folder / "pixels", port, pixels=True) for _ in range(rounds)]
        )
        one_host = [f"http://127.0.0.1:{port}/{path.relative_to(given)}" for path in files]
        alone, beside = _slow_hosts(pool, 500 if options.quick else 10_000, one_host, port)
        peers = _peers(options.img2dataset, urls, folder) if options.img2dataset else {}
    rows = {
        "bare aiohttp loop, 1 process": bare,
        "ours, as served": ours,
        "ours, hosts by Zipf's law, half of all on one": uneven,
    }
    rows |= {f"ours, and decoded to {SIDE} px": with_pixels, **peers}
    _table(len(files), rounds, rows)
    print(
        f"\none quick host, 1 process: {alone.rate:,.0f}/s alone, {beside.rate:,.0f}/s beside "
        f"slow hosts; peak {beside.peak_mb:.0f} MB\n"
    )
    goals: Goals = {
        "as_served_against_bare_loop": (ours.rate / bare.rate, ">=", 0.3),
        "slow_hosts_beside": (beside.rate / alone.rate, ">=", 0.9),
        "peak_megabytes_at_256_connections": (max(beside.peak_mb, ours.peak_mb), "<=", 700),
        "half_on_one_host_takes_as_long": (uneven.seconds / ours.seconds, "<=", 1.15),
    }
    if peers:
        served, small = peers.values()
        goals["as_served_against_img2dataset"] = (ours.rate / served.rate, ">=", 5)
        goals["at_224_px_against_img2dataset"] = (with_pixels.rate / small.rate, ">=", 3)
        goals["cpu_of_img2dataset"] = (
            (ours.cpu_s / ours.pictures) / (served.cpu_s / served.pictures),
            "<=",
            1 / 3,
        )
    return goals


def _table(pictures: int, rounds: int, rows: dict[str, Cost]) -> None:
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {rounds} rounds; "
        f"{pictures} pictures on {HOSTS} hosts"
    )
    print("| | pictures/s | CPU ms a picture | peak MB |\n|---|---|---|---|")
    for name, cost in rows.items():
        print(
            f"| {name} | {cost.rate:,.0f} | {1000 * cost.cpu_s / cost.pictures:.2f} | "
            f"{cost.peak_mb:.0f} |"
        )


def _median(costs: Sequence[Cost]) -> Cost:
    middle = statistics.median_low(cost.seconds for cost in costs)
    return next(cost for cost in costs if cost.seconds == middle)


def _generated(folder: Path) -> Path:
    folder.mkdir()
    for number, scene in enumerate(islice(cycle(all_scenes()), 600)):
        picture(scene, Random(number), 256).save(folder / f"{number}.png")
    return folder


@contextmanager
def _nginx(root: Path, folder: Path) -> Iterator[int]:
    """Serve a folder on 127.0.0.1 to 127.0.0.HOSTS."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listen = " ".join(f"listen 127.0.0.{n + 1}:{port};" for n in range(HOSTS))
    config = folder / "nginx.conf"
    config.write_text(
        f"worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 4096; }\n"
        "http { types { image/png png; image/jpeg jpg jpeg; image/webp webp; }\n"
        f" access_log off; sendfile on; server {{ {listen} root {root.resolve()}; }} }}\n"
    )
    server = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(config)])
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start within 5 s")


@contextmanager
def _pool() -> Iterator[ProcessPoolExecutor]:
    """Processes that have imported what they need, and loaded what a worker loads once."""
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_get_ready, range(PROCESSES)))
        yield pool


def _get_ready(_: int) -> None:
    _gate()
    time.sleep(1)  # so that each process gets one


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _bare(pool: ProcessPoolExecutor, urls: Sequence[str]) -> Cost:
    return pool.submit(_bare_loop, urls).result()


def _bare_loop(urls: Sequence[str]) -> Cost:
    return asyncio.run(_bare_requests(urls))


async def _bare_requests(urls: Sequence[str]) -> Cost:
    """GET and read, nothing else."""
    waiting, started, cpu = iter(urls), time.perf_counter(), time.process_time()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:

        async def work() -> None:
            for url in waiting:
                async with session.get(url) as response:
                    await response.read()

        await asyncio.gather(*(work() for _ in range(64)))
    return Cost(len(urls), time.perf_counter() - started, time.process_time() - cpu, _peak_mb())


def _ours(
    pool: ProcessPoolExecutor, urls: Sequence[str], folder: Path, port: int, pixels: bool = False
) -> Cost:
    """The fetch stage over parts of pairs, one lane a process."""
    shutil.rmtree(folder, ignore_errors=True)
    lanes = make_lanes(_write_parts(urls, folder), PROCESSES, max_shares=PROCESSES)
    started = time.perf_counter()
    costs = list(pool.map(partial(_our_lane, folder=folder, port=port, pixels=pixels), lanes))
    seconds = time.perf_counter() - started
    return Cost(
        sum(c.pictures for c in costs),
        seconds,
        sum(c.cpu_s for c in costs),
        max(c.peak_mb for c in costs),
    )


def _write_parts(urls: Sequence[str], folder: Path) -> list[str]:
    buckets: dict[int, list[Pair]] = {}
    for url in urls:
        pair = Pair(
            key_of(url, "words"),
            url,
            "words",
            "en",
            "en",
            "https://a.example/",
            "",
            0,
            "",
            "",
            0,
            EVIDENCE,
        )
        buckets.setdefault(bucket_of_url(url, BUCKETS), []).append(pair)
    schema = schema_with(PAIR_SCHEMA, {"page_rights_signals": pa.list_(pa.string())})
    names = []
    for bucket, pairs in buckets.items():
        for chunk, rows in enumerate(slice_pairs(pairs, PART_ROWS)):
            names.append(parts.part_name(bucket, chunk))
            parts.write_part(str(folder / "pairs"), names[-1], to_table(rows, schema), Tally())
    return names


def _settings(port: int, **changes: object) -> ClientSettings:
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
    """The demonstration's rules that can save a request."""
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
    needed = (needing(detectors, kind) for kind in (Needs.PAIR, Needs.RESPONSE, Needs.CONTENT))
    return Consent([rule for rule in rules if rule.saves_request], *needed)


@cache
def _gate() -> Gate:
    return load_gate(consent())


def _our_lane(
    lane: Lane, folder: Path, port: int, pixels: bool, settings: ClientSettings | None = None
) -> Cost:
    pairs, images, pictures = (str(folder / name) for name in ("pairs", "images", "pictures"))
    folders = FetchFolders(pairs, images, pictures, BUCKETS)
    source = WebSource(
        settings or _settings(port), SiteTextCache(str(folder / "sites"), BUCKETS, 0)
    )
    started, cpu = time.perf_counter(), time.process_time()
    fetcher = Fetcher(_gate(), source, folders, StoreSettings(DECODE))
    number = sum(outcome.number for outcome in fetcher(lane))
    if pixels:
        for name in lane.names:
            _decode_part(folders.pictures, name)
    return Cost(number, time.perf_counter() - started, time.process_time() - cpu, _peak_mb())


def _decode_part(folder: str, name: str) -> None:
    """The half of score that works on pixels: decode, and resize as CLIP wants it."""
    with parts.open_pictures(folder, name) as pictures:
        for sha256 in pictures.names():
            found = decode(pictures.read(sha256), DECODE)
            if isinstance(found, Decoded):
                small = SIDE / min(found.image.size)
                found.image.resize(
                    (round(found.image.width * small), round(found.image.height * small)),
                    resample=3,
                )


def _peers(python: str, urls: Sequence[str], folder: Path) -> dict[str, Cost]:
    """img2dataset storing bytes as served, and resized."""
    listing = folder / "urls.txt"
    listing.write_text("\n".join(urls))
    sides = {
        "img2dataset, as served": ["--resize_mode", "no", "--skip_reencode", "True"],
        f"img2dataset, {SIDE} px": ["--image_size", str(SIDE), "--resize_mode", "keep_ratio"],
    }
    return {
        name: _peer(python, listing, folder / "peer", own, len(urls)) for name, own in sides.items()
    }


def _peer(python: str, listing: Path, folder: Path, own: Sequence[str], number: int) -> Cost:
    shutil.rmtree(folder, ignore_errors=True)
    command = [
        python,
        "-c",
        "from img2dataset import main; main()",
        "--url_list",
        str(listing),
        "--output_folder",
        str(folder),
    ]
    command += [
        "--processes_count",
        str(PROCESSES),
        "--thread_count",
        "32",
        "--output_format",
        "webdataset",
        *own,
    ]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        command,
        check=True,
        capture_output=True,
        env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},
    )
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(
        number, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    )


def _slow_hosts(
    pool: ProcessPoolExecutor, number: int, quick: Sequence[str], port: int
) -> tuple[Cost, Cost]:
    """One quick host alone, then beside hosts that take a second for each answer; 256 connections
    in one process.
    """
    with socket.create_server(("0.0.0.0", 0)) as probe:  # noqa: S104 - every address of loopback is a host of its own
        slow_port = probe.getsockname()[1]
    server = multiprocessing.get_context("spawn").Process(
        target=_serve_slowly, args=(slow_port,), daemon=True
    )
    server.start()
    try:
        _wait_for(slow_port)
        slow = [f"http://127.1.{n // 250}.{n % 250 + 1}:{slow_port}/x.png" for n in range(number)]
        settings = _settings(
            port, ports=(port, slow_port), connections=256, connections_per_host=64
        )
        urls = list(quick) * 5
        return tuple(pool.submit(_beside, urls, others, settings).result() for others in ([], slow))  # type: ignore[return-value]
    finally:
        server.terminate()


def _serve_slowly(port: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(1)
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def serve() -> None:
        async with await asyncio.start_server(answer, "0.0.0.0", port, backlog=4096) as server:  # noqa: S104
            await server.serve_forever()

    asyncio.run(serve())


def _beside(quick: Sequence[str], slow: Sequence[str], settings: ClientSettings) -> Cost:
    return asyncio.run(_ask_beside(quick, slow, settings))


async def _ask_beside(quick: Sequence[str], slow: Sequence[str], settings: ClientSettings) -> Cost:
    """From when the slow hosts hold what they are given of the connections until the quick one has
    answered everything.
    """
    answered: list[str] = []
    batches = [
        [FetchRequest(url, _never, _ignore) for url in slow],
        [FetchRequest(url, _never, lambda answer: answered.append(answer.status)) for url in quick],
    ]

    async def refill() -> Sequence[FetchRequest] | None:
        await asyncio.sleep(2 if len(batches) == 1 and slow else 0)
        return batches.pop(0) if batches else None

    async with open_client(settings) as client:
        asking = asyncio.create_task(Schedule(client, refill, 10 * len(quick) + len(slow)).run())
        while not answered:
            await asyncio.sleep(0.001)
        started, cpu = time.perf_counter(), time.process_time()
        while len(answered) < len(quick):
            await asyncio.sleep(0.001)
        seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
    return Cost(answered.count("ok"), seconds, cpu_s, _peak_mb())


def _never(_url: str, _final_url: str, _headers: object) -> None:
    return None


def _ignore(_answer: object) -> None:
    return None


if __name__ == "__main__":
    main()
