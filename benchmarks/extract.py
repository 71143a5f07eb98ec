"""Measures reading and extraction beside a bare loop, other libraries, and our code without Beam.

    python benchmarks/extract.py [--quick] [--input FILE.warc.gz] [--memory]

Takes the pages of a WARC file (the demonstration crawl by default) and repeats the body of each
until it has the size of Common Crawl's pages, about 100 KB. Everything is measured on the same
files, in turn, in one process, by its processor time (user and system). `--memory` also groups two
million pairs on this machine, which takes some minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from benchmarks.extract_input import PAGE_BYTES, write_many_pairs, write_pages
from benchmarks.extract_peers import SOUP_PAGES, bare_loop, with_resiliparse, with_soup
from benchmarks.extract_sides import (
    beam_job,
    everything,
    extractor_of,
    our_rows,
    plain_job,
    plan_of,
)
from benchmarks.machine import Goals, print_goals, resident_bytes, short_cpu
from pipeline.orchestrate.config_file import CONFIGS

MEGABYTE = 1_000_000
COPIES = 10  # of the file, for the jobs over several files
BARE_LOOP = "FastWARC + Lexbor, bare loop"
RESILIPARSE = "FastWARC + resiliparse"
SOUP = f"warcio + BeautifulSoup ({SOUP_PAGES} pages)"

Side = Callable[[], int]
"""Does the work of one side, and returns the number of images or pairs."""


@dataclass(frozen=True)
class Measured:
    """The median processor seconds of each side, and how many images or pairs each counted."""

    seconds: Mapping[str, float]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Peak:
    """One extract job: seconds, and peak memory of one worker and of all processes together."""

    seconds: float
    worker_bytes: float
    all_bytes: float


def main() -> None:
    """Measure, and print the table and the goals."""
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
    with tempfile.TemporaryDirectory(prefix="pairsieve-bench-") as name:
        folder = Path(name)
        if options.child:
            plan = plan_of(options.input, folder)
            beam_job(plan, folder / "beam", workers=os.cpu_count() or 1)
            return
        goals = measure(folder, options.input, options.quick)
        if options.memory:
            goals["peak_gb_of_2_million_pairs"] = (two_million_pairs_gb(folder), "<=", 6)
    print_goals(goals)


def measure(folder: Path, source: str, quick: bool) -> Goals:
    """Measure everything, and print the table."""
    path = folder / "0.warc.gz"
    pages = write_pages(source, path, 300 if quick else None)
    for copy in range(1, COPIES):
        (folder / f"{copy}.warc.gz").write_bytes(path.read_bytes())
    rounds = 1 if quick else 5
    ours = _measure_sides(str(path), folder, rounds)
    peers = _measure_peers(str(path), pages)
    seconds = {**ours.seconds, **peers.seconds}
    counts = {**ours.counts, **peers.counts}
    jobs = _measure_jobs(folder, 1 if quick else 3)
    _print_table(pages, rounds, Measured(seconds, counts), jobs)
    of_one = _measure_peak(str(path))
    of_ten = _measure_peak(_concatenated(folder))
    print(
        f"\npeak memory of one worker: {of_one.worker_bytes / MEGABYTE:.0f} MB on one file, "
        f"{of_ten.worker_bytes / MEGABYTE:.0f} MB on a file ten times its size\n"
    )
    peak_mb = max(of_one.worker_bytes, of_ten.worker_bytes) / MEGABYTE
    bare_s = seconds[BARE_LOOP]
    rows_s = seconds["ours to rows"]
    all_s = seconds["ours with everything"]
    # What Beam's runner needs whatever the work is.
    starting_s = jobs["beam, 1 file"] - jobs["plain loop, 1 file"]
    ten_files_s = jobs["beam, 10 files"]
    ten_loops_s = COPIES * jobs["plain loop, 1 file"]
    return {
        "rows_against_bare_loop": (bare_s / rows_s, ">=", 0.8),
        "rows_against_resiliparse": (seconds[RESILIPARSE] / rows_s, ">=", 3),
        "everything_against_bare_loop": (bare_s / all_s, ">=", 0.7),
        "beam_against_plain_loop": (ten_files_s / jobs["plain loop, 10 files"], "<=", 1.1),
        "ten_files_against_ten_times_one": ((ten_files_s - starting_s) / ten_loops_s, "<=", 1.1),
        "peak_megabytes_of_a_worker": (peak_mb, "<=", 500),
    }


def _measure_sides(path: str, folder: Path, rounds: int) -> Measured:
    """Measure the bare loop and our code."""
    plan = plan_of(path, folder)
    # One for each round, because an extractor remembers captions.
    first, *others = [extractor_of(plan) for _ in range(1 + rounds)]
    extractors = iter(others)
    sides: dict[str, Side] = {
        BARE_LOOP: partial(bare_loop, path),
        "ours to rows": partial(our_rows, path),
        "ours with everything": lambda: everything(plan, next(extractors)),
    }
    # The first pass reads the file, and loads libraries and word lists: a worker does so once.
    bare_loop(path)
    everything(plan, first)
    return _in_turn(sides, rounds)


def _measure_peers(path: str, pages: int) -> Measured:
    """Measure other libraries, after our code because they fragment the memory."""
    sides: dict[str, Side] = {
        RESILIPARSE: partial(with_resiliparse, path),
        SOUP: partial(with_soup, path),
    }
    measured = _in_turn(sides, 1)
    # BeautifulSoup reads some of the pages only.
    soup_s = measured.seconds[SOUP] * pages / min(pages, SOUP_PAGES)
    return Measured({**measured.seconds, SOUP: soup_s}, measured.counts)


def _measure_jobs(folder: Path, rounds: int) -> Mapping[str, float]:
    """Measure the whole extract job, with and without Beam."""
    one = plan_of(str(folder / "0.warc.gz"), folder)
    ten = plan_of(str(folder / "*.warc.gz"), folder)
    jobs: dict[str, Side] = {
        "plain loop, 1 file": partial(plain_job, one, folder / "loop"),
        "plain loop, 10 files": partial(plain_job, ten, folder / "loop"),
        "beam, 1 file": partial(beam_job, one, folder / "beam"),
        "beam, 10 files": partial(beam_job, ten, folder / "beam"),
    }
    return _in_turn(jobs, rounds).seconds


def _in_turn(sides: Mapping[str, Side], rounds: int) -> Measured:
    """Run all sides, one after another in each round."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    counts: dict[str, int] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            # Not the time on the clock, because other processes may share the machine.
            started = time.process_time()
            counts[name] = side()
            times[name].append(time.process_time() - started)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    return Measured(medians, counts)


def _print_table(pages: int, rounds: int, sides: Measured, jobs: Mapping[str, float]) -> None:
    print(
        f"{short_cpu()}, {os.cpu_count()} cores, {rounds} rounds; {pages} pages of about "
        f"{PAGE_BYTES:,} bytes"
    )
    bare_s = sides.seconds[BARE_LOOP]
    print("| | CPU s | of the bare loop's speed | images or pairs |\n|---|---|---|---|")
    for name, seconds in sides.seconds.items():
        print(f"| {name} | {seconds:.2f} | {bare_s / seconds:.2f} | {sides.counts[name]:,} |")
    print("\n| the whole extract job | CPU s |\n|---|---|")
    for name, seconds in jobs.items():
        print(f"| {name} | {seconds:.2f} |")


def _concatenated(folder: Path) -> str:
    """Write one file with the contents of all copies."""
    # Another suffix, so that "*.warc.gz" does not match it.
    path = folder / "whole.big"
    with path.open("wb") as stream:
        for copy in range(COPIES):
            stream.write((folder / f"{copy}.warc.gz").read_bytes())
    return str(path)


def _measure_peak(path: str) -> Peak:
    """Run the extract job in a process of its own, with as many workers as cores."""
    command = [sys.executable, __file__, "--child", f"--input={path}"]
    environment = {**os.environ, "PYTHONPATH": str(CONFIGS.parent)}
    worker_bytes = all_bytes = 0
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment) as child:
        while child.poll() is None:
            runner = psutil.Process(child.pid)
            workers = [resident_bytes(process) for process in runner.children(recursive=True)]
            worker_bytes = max([worker_bytes, *workers])
            all_bytes = max(all_bytes, sum(workers) + resident_bytes(runner))
            time.sleep(0.1)
    if child.returncode:
        raise SystemExit(f"the extract job failed with exit status {child.returncode}")
    return Peak(time.perf_counter() - started, worker_bytes, all_bytes)


def two_million_pairs_gb(folder: Path) -> float:
    """Return the peak memory of the extract job over two million distinct pairs, in GB."""
    path = folder / "pairs.warc.gz"
    write_many_pairs(path)
    peak = _measure_peak(str(path))
    peak_gb = peak.all_bytes / 1e9
    print(
        f"two million pairs extracted, grouped and written in {peak.seconds:.0f} s, "
        f"{peak_gb:.2f} GB at most\n"
    )
    return peak_gb


if __name__ == "__main__":
    main()
