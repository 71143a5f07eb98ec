"""Reading and extraction beside what bounds them, what others use, and the same functions without
Beam.

    python benchmarks/extract.py [--quick] [--input FILE.warc.gz] [--memory]

Takes the pages of a WARC file (the demonstration crawl by default) and repeats the body of each
until it has the size of Common Crawl's pages, about 100 KB. Everything is measured on the same
files, in turn, in one process; `--memory` also groups two million pairs on this machine, which
takes some minutes.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import psutil
from bs4 import BeautifulSoup
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.parse.html import HTMLTree
from resiliparse.parse.html.node import ElementNode
from selectolax.lexbor import LexborHTMLParser
from warcio.archiveiterator import ArchiveIterator as WarcioIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from filters.detector import Needs
from filters.registry import evidence_columns, needing
from pairsieve.records.page import Page
from pairsieve.records.pair import Pair, pack_pairs
from pairsieve.storage import files
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.splits import split_file
from pairsieve.web.html import parse_page
from pairsieve.web.urls import bucket_of_url
from pipeline import flow
from pipeline.config import load_config
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.engine import Engine
from pipeline.orchestrate.job_settings import Jobs
from pipeline.orchestrate.plan import Plan, make_plan
from pipeline.orchestrate.results import Results
from transforms.deduplicate import distinct_pairs
from transforms.extractor import make_extractor
from transforms.plumbing.route import Work
from transforms.write_pairs import write_parts

PAGE_BYTES = 100_000
MEGABYTE = 1_000_000
SOUP_PAGES = 100
_BODY = re.compile(rb"<body[^>]*>(.*)</body>", re.IGNORECASE | re.DOTALL)
DATE = {"WARC-Date": "2026-01-02T03:04:05Z"}


def main() -> None:
    """Measure, print the table and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="300 pages and one round instead of all pages and five"
    )
    parser.add_argument(
        "--input",
        default=str(CONFIGS / "demo" / "crawl.warc.gz"),
        help="WARC file whose pages are taken",
    )
    parser.add_argument(
        "--memory",
        action="store_true",
        help="also group two million pairs and take the most memory held meanwhile",
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        with tempfile.TemporaryDirectory() as child_folder:
            beam_job(
                plan_of(options.input, Path(child_folder)),
                Path(child_folder) / "beam",
                workers=os.cpu_count() or 1,
            )
        return
    with tempfile.TemporaryDirectory(prefix="pairsieve-bench-") as folder:
        goals = measure(Path(folder), options.input, options.quick)
        if options.memory:
            goals["peak_gb_of_2_million_pairs"] = (two_million_pairs(Path(folder)), "<=", 6)
    for name, (value, sign, target) in goals.items():
        print(f"goal {name} {value:.3g} {sign} {target}")


Goals = dict[str, tuple[float, str, float]]


def measure(folder: Path, source: str, quick: bool) -> Goals:
    """All times in turn, as medians; the table is printed."""
    pages = write_pages(source, folder / "0.warc.gz", 300 if quick else None)
    for copy in range(1, 10):
        (folder / f"{copy}.warc.gz").write_bytes((folder / "0.warc.gz").read_bytes())
    path, ten = str(folder / "0.warc.gz"), str(folder / "*.warc.gz")
    rounds = 1 if quick else 5
    plan = plan_of(path, folder)
    # one a round: they remember captions
    extractors = iter([extractor_of(plan) for _ in range(rounds)])
    ours: dict[str, Callable[[], int]] = {
        "FastWARC + Lexbor, bare loop": partial(limit, path),
        "ours to rows": partial(our_rows, path),
        "ours with everything": lambda: everything(plan, next(extractors)),
    }
    soup = f"warcio + BeautifulSoup ({SOUP_PAGES} pages)"
    peers: dict[str, Callable[[], int]] = {
        "FastWARC + resiliparse": partial(with_resiliparse, path),
        soup: partial(with_soup, path),
    }
    limit(path)  # what is read and loaded for the first time is nobody's fault
    seconds, images = _in_turn(ours, rounds)
    peer_seconds, peer_images = _in_turn(peers, 1)  # afterwards: they leave the memory in pieces
    seconds, images = {**seconds, **peer_seconds}, {**images, **peer_images}
    seconds[soup] *= pages / min(pages, SOUP_PAGES)
    one, many = plan_of(path, folder), plan_of(ten, folder)
    jobs: dict[str, Callable[[], int]] = {
        "plain loop, 1 file": partial(plain_job, one, folder / "loop"),
        "plain loop, 10 files": partial(plain_job, many, folder / "loop"),
        "beam, 1 file": partial(beam_job, one, folder / "beam"),
        "beam, 10 files": partial(beam_job, many, folder / "beam"),
    }
    job_seconds, _ = _in_turn(jobs, 1 if quick else 3)
    _table(pages, rounds, seconds, images, job_seconds)
    peaks = [_job_in_a_child(given)[1] / MEGABYTE for given in (path, _concatenated(folder))]
    print(
        f"\npeak memory of one worker: {peaks[0]:.0f} MB on one file, {peaks[1]:.0f} MB on a file "
        "ten times its size\n"
    )
    base = seconds["FastWARC + Lexbor, bare loop"]
    starting = job_seconds["beam, 1 file"] - job_seconds["plain loop, 1 file"]
    return {
        "rows_against_bare_loop": (base / seconds["ours to rows"], ">=", 0.8),
        "rows_against_resiliparse": (
            seconds["FastWARC + resiliparse"] / seconds["ours to rows"],
            ">=",
            3,
        ),
        "everything_against_bare_loop": (base / seconds["ours with everything"], ">=", 0.5),
        "beam_against_plain_loop": (
            job_seconds["beam, 10 files"] / job_seconds["plain loop, 10 files"],
            "<=",
            1.1,
        ),
        "ten_files_against_ten_times_one": (
            (job_seconds["beam, 10 files"] - starting) / (10 * job_seconds["plain loop, 1 file"]),
            "<=",
            1.1,
        ),
        "peak_megabytes_of_a_worker": (max(peaks), "<=", 500),
    }


def _in_turn(
    sides: dict[str, Callable[[], int]], rounds: int
) -> tuple[dict[str, float], dict[str, int]]:
    """Median seconds of each side, one after another in each round, and what each counted."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    counted: dict[str, int] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            counted[name] = side()
            found[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in found.items()}, counted


def _table(
    pages: int,
    rounds: int,
    seconds: dict[str, float],
    images: dict[str, int],
    jobs: dict[str, float],
) -> None:
    processor = platform.processor() or platform.machine()
    print(
        f"{processor}, {os.cpu_count()} cores, {rounds} rounds; {pages} pages of about "
        f"{PAGE_BYTES:,} bytes"
    )
    base = next(iter(seconds.values()))
    print("| | s | of the bare loop's speed | images or pairs |\n|---|---|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value:.2f} | {base / value:.2f} | {images[name]:,} |")
    print("\n| the whole extract job | s |\n|---|---|")
    for name, value in jobs.items():
        print(f"| {name} | {value:.2f} |")


def write_pages(source: str, target: Path, most: int | None) -> int:
    """The HTML pages of a file, the body of each repeated up to PAGE_BYTES; how many."""
    with open(source, "rb") as given, target.open("wb") as made:  # noqa: PTH123 - may be any path
        writer = WARCWriter(made, gzip=True)
        found = (
            record
            for record in WarcioIterator(given)
            if record.rec_type == "response" and _is_page(record)
        )
        return sum(_write_page(writer, record) for record in islice(_sound(found), most))


def _write_page(writer: WARCWriter, record: Any) -> int:
    body = _repeated(record.content_stream().read())
    http = StatusAndHeaders(
        "200 OK",
        [("Content-Type", record.http_headers.get_header("Content-Type"))],
        protocol="HTTP/1.1",
    )
    url = record.rec_headers.get_header("WARC-Target-URI")
    writer.write_record(
        writer.create_warc_record(
            url, "response", payload=io.BytesIO(body), http_headers=http, warc_headers_dict=DATE
        )
    )
    return 1


def _is_page(record: Any) -> bool:
    http = record.http_headers
    return (
        http is not None
        and http.get_statuscode() == "200"
        and "html" in (http.get_header("Content-Type") or "")
    )


def _sound(records: Iterator[Any]) -> Iterator[Any]:
    """Up to the first broken record: the demonstration crawl ends in one."""
    try:
        yield from records
    except (EOFError, OSError, ValueError):
        return


def _repeated(body: bytes) -> bytes:
    found = _BODY.search(body)
    if not found or not found[1]:
        return body
    times = max(1, round((PAGE_BYTES - len(body)) / len(found[1])))
    return body[: found.start(1)] + found[1] * times + body[found.end(1) :]


def limit(path: str) -> int:
    """What no Python over these two libraries can beat."""
    number = 0
    for record in ArchiveIterator(path, record_types=WarcRecordType.response):
        for node in LexborHTMLParser(record.reader.read()).css("img[src][alt]"):
            attributes = node.attributes
            number += bool((attributes["src"], attributes["alt"]))
    return number


def with_resiliparse(path: str) -> int:
    """FastWARC and resiliparse's own parser, by a walk over the tree: its collections take
    quadratic time to go through.
    """
    number = 0
    for record in ArchiveIterator(path, record_types=WarcRecordType.response):
        document = HTMLTree.parse_from_bytes(record.reader.read()).document
        for node in document or ():
            if isinstance(node, ElementNode) and node.tag == "img":
                number += node.getattr("src") is not None and node.getattr("alt") is not None
    return number


def with_soup(path: str) -> int:
    """warcio and BeautifulSoup, as Fondant read Common Crawl; on some pages only."""
    number = 0
    with open(path, "rb") as stream:  # noqa: PTH123
        responses = (record for record in WarcioIterator(stream) if record.rec_type == "response")
        for record in islice(responses, SOUP_PAGES):
            soup = BeautifulSoup(record.content_stream().read(), "html.parser")
            number += sum(
                bool((tag["src"], tag["alt"])) for tag in soup.find_all("img", src=True, alt=True)
            )
    return number


def pages_of(path: str) -> Iterator[Page]:
    """What our reader gives of a file."""
    for split in split_file(path, None, {}):
        for found in read_split(split, ReadSettings(10 * MEGABYTE, locate=False)):
            if isinstance(found, Page):
                yield found


def our_rows(path: str) -> int:
    """Absolute URL and caption of every image; those of a page that say the same come once,
    counted.
    """
    return sum(
        image.times
        for page in pages_of(path)
        for image in parse_page(page).images
        if (image.url, image.alt)
    )


def plan_of(pattern: str, folder: Path) -> Plan:
    """The demonstration's config over some files, with LAION's plain image rule."""
    given = {
        "output": str(folder / "out"),
        "work": str(folder / "work"),
        "input": {"files": (pattern,)},
    }
    return make_plan(
        load_config(
            CONFIGS / "demo.yaml",
            ["extract.images=plain", "fetch.source=web", "fetch.contact=x"],
            given,
        )
    )


def extractor_of(plan: Plan) -> Work:
    """Everything that extract does to a page, word lists loaded: as a worker does once."""
    job = Jobs(Results(plan), 1).extract("")
    return make_extractor(job.settings, job.detectors)


def everything(plan: Plan, extract: Work) -> int:
    """Pairs with all that extract does to them, and all page evidence."""
    return sum(1 for _ in _pairs(plan, extract))


def _pairs(plan: Plan, extract: Work) -> Iterator[Pair]:
    for path in plan.inputs:
        for page in pages_of(path):
            yield from (found for found in extract(page) if isinstance(found, Pair))


def plain_job(plan: Plan, folder: Path) -> int:
    """What the Beam job does, as a loop: extract, group by host, deduplicate, write."""
    files.remove_tree(str(folder))
    job = Jobs(Results(plan), 1).extract(str(folder))
    buckets: dict[int, list[Pair]] = {}
    for pair in _pairs(plan, extractor_of(plan)):
        buckets.setdefault(bucket_of_url(pair.url, job.group.buckets), []).append(pair)
    evidence = evidence_columns(needing(plan.detectors, Needs.PAGE))
    for number, pairs in buckets.items():
        for result in distinct_pairs((number, [pack_pairs(pairs)]), job.group.identity):
            if isinstance(result, tuple):
                write_parts(result, job.group, evidence)
    return 0


def beam_job(plan: Plan, folder: Path, workers: int = 1) -> int:
    """The extract job itself, on Beam's local runner in this process."""
    files.remove_tree(str(folder))
    engine = Engine((f"--direct_num_workers={workers}",))
    engine.run(
        partial(flow.extract, job=Jobs(Results(plan), engine.workers).extract(str(folder))),
        "extract",
    )
    return 0


def _concatenated(folder: Path) -> str:
    """One file that holds what ten hold."""
    whole = folder / "whole.big"
    with whole.open("wb") as stream:
        for copy in range(10):
            stream.write((folder / f"{copy}.warc.gz").read_bytes())
    return str(whole)


def _job_in_a_child(path: str) -> tuple[float, float, float]:
    """The extract job in a process of its own, with as many workers as cores: seconds, the most
    bytes that one worker held, and the most that all processes held together.
    """
    command = [sys.executable, __file__, "--child", f"--input={path}"]
    one = together = 0.0
    start = time.perf_counter()
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(CONFIGS.parent)}) as child:
        while child.poll() is None:
            runner = psutil.Process(child.pid)
            workers = [_resident(process) for process in runner.children(recursive=True)]
            one = max([one, *workers])
            together = max(together, sum(workers) + _resident(runner))
            time.sleep(0.1)
    if child.returncode:
        raise SystemExit(f"the extract job failed with exit status {child.returncode}")
    return time.perf_counter() - start, one, together


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def two_million_pairs(folder: Path) -> float:
    """The most gigabytes that the extract job holds, with all its workers, over two million
    distinct pairs.
    """
    path = folder / "pairs.warc.gz"
    _write_two_million(path)
    seconds, _, together = _job_in_a_child(str(path))
    print(
        f"two million pairs extracted, grouped and written in {seconds:.0f} s, "
        f"{together / 1e9:.2f} GB at most\n"
    )
    return together / 1e9


def _write_two_million(path: Path) -> None:
    """Pages of 50 pictures each, on 5,000 hosts, with captions of some ten words."""
    random = Random(0)
    words = [
        f"{a}{b}"
        for a in ("red", "old", "small", "north", "quiet")
        for b in ("house", "river", "mountain", "bridge", "garden", "street")
    ]
    with path.open("wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for page in range(40_000):
            images = "".join(
                f'<img src="https://host{random.randrange(5000)}.example/{page}/{n}.jpg" alt="{" ".join(random.choices(words, k=10))}">'
                for n in range(50)
            )
            payload = io.BytesIO(
                f"<html><title>page {page}</title><body>{images}</body></html>".encode()
            )
            http = StatusAndHeaders(
                "200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1"
            )
            url = f"https://site{page % 1000}.example/{page}.html"
            writer.write_record(
                writer.create_warc_record(
                    url, "response", payload=payload, http_headers=http, warc_headers_dict=DATE
                )
            )


if __name__ == "__main__":
    main()
