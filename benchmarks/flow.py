"""The whole flow beside the same functions in a plain loop: pages a second, images a second, peak
memory.

    python benchmarks/flow.py [--quick] [--input FILE.warc.gz ...] [--workers N]

Reads the demonstration crawl, or the WARC files given (archive source: pictures come from the same
files). Both sides use the demonstration model and do the same work on the same files in this one
run; Beam's time includes starting its workers. Peak memory is the largest sum over a process and
its children, sampled ten times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000


# Runs the flow on some inputs in a folder; returns the seconds of each stage.
Side = Callable[[Sequence[str], Path], dict[str, float]]


@dataclass(frozen=True)
class Measured:
    """One run: seconds of each stage, and the most memory its processes held together."""

    stages: dict[str, float]
    peak_megabytes: float

    @property
    def total(self) -> float:
        return sum(self.stages.values())


def with_peak_memory(run: Callable[[], dict[str, float]]) -> Measured:
    """Run, and sample the memory of this process's children (and of their children)."""
    peak, stop = 0.0, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not stop.wait(0.1):
            peak = max(
                peak, sum(_resident(child) for child in psutil.Process().children(recursive=True))
            )

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        stages = run()
    finally:
        stop.set()
        sampler.join()
    return Measured(stages, peak / MEGABYTE)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def run_beam(inputs: Sequence[str], folder: Path, workers: int | None) -> dict[str, float]:
    """The command itself; a stage lasts from its own log line to the next one's.

    Without a number of workers the command starts as many as it takes the work to be worth.
    """
    command = [sys.executable, "-u", "-m", "pipeline.run", *_common(inputs, folder)]
    if workers is not None:
        command.append(f"--direct_num_workers={workers}")
    starts: dict[str, float] = {}
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.rstrip().endswith(": running"):
                starts[line.split()[1].rstrip(":")] = time.perf_counter()
    if running.returncode:
        raise SystemExit(f"the command failed with exit status {running.returncode}")
    names, ends = list(starts), [*list(starts.values())[1:], time.perf_counter()]
    return {name: end - starts[name] for name, end in zip(names, ends, strict=True)}


def run_loop(inputs: Sequence[str], folder: Path) -> dict[str, float]:
    """The plain loop, in a process of its own; it prints the seconds of each stage."""
    command = [sys.executable, "-m", "benchmarks.plain_loop", *_common(inputs, folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {
        name: float(seconds) for name, seconds in (line.split() for line in ran.stdout.splitlines())
    }


def _common(inputs: Sequence[str], folder: Path) -> list[str]:
    given = [f"--input={path}" for path in inputs]
    return [
        *given,
        f"--output={folder / 'out'}",
        f"--work={folder / 'work'}",
        "--set=extract.buckets=64",
    ]


def counts_of(folder: Path) -> tuple[int, int]:
    """(pages, distinct pairs with an image) of a finished run, from its manifest."""
    counts = json.loads((folder / "out" / "manifest.json").read_text())["counts"]
    return counts["extract"]["page"]["kept"], counts["fetch"]["pair"]["kept"]


def main() -> None:
    """Measure both sides in turn and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one run of each side instead of three"
    )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        help="WARC file with pages and pictures (default: the demonstration crawl)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="Beam worker processes for --input (default: all cores)",
    )
    options = parser.parse_args()
    inputs = options.input or [str(ROOT / "configs" / "demo" / "crawl.warc.gz")]
    # What is small is not worth a second process, so the command chooses for the demonstration.
    several = options.workers if options.input else None
    several_name = f"beam, {several} workers" if several else "beam, as it chooses"
    sides: dict[str, Side] = {
        "plain loop": run_loop,
        "beam, 1 worker": partial(run_beam, workers=1),
        several_name: partial(run_beam, workers=several),
    }
    runs: dict[str, list[Measured]] = {name: [] for name in sides}
    pages = images = 0
    for _ in range(1 if options.quick else 3):
        for name, side in sides.items():
            folder = Path(tempfile.mkdtemp(prefix="pairsieve-bench-"))
            runs[name].append(with_peak_memory(partial(side, inputs, folder)))
            if side is not run_loop:
                pages, images = counts_of(folder)
            shutil.rmtree(folder)
    report(runs, pages, images)
    print_goals(runs, is_demo=not options.input)


def report(runs: dict[str, list[Measured]], pages: int, images: int) -> None:
    """Medians, as the table that docs/benchmarks.md holds."""
    times, processor = len(next(iter(runs.values()))), platform.processor() or platform.machine()
    print(f"{processor}, {os.cpu_count()} cores, {times} runs; {pages} pages, {images} pairs")
    print(
        "| | extract pages/s | fetch pairs/s | score pairs/s | publish pairs/s | whole s | peak "
        "MB |\n|---|---|---|---|---|---|---|"
    )
    for name, measured in runs.items():
        seconds = median_seconds(measured)
        rates = [pages / seconds["extract"]]
        rates += [images / seconds[stage] for stage in ("fetch", "score", "publish")]
        columns = " | ".join(f"{rate:,.0f}" for rate in rates)
        whole = statistics.median(run.total for run in measured)
        peak = max(run.peak_megabytes for run in measured)
        print(f"| {name} | {columns} | {whole:.1f} | {peak:,.0f} |")


def median_seconds(measured: Sequence[Measured]) -> dict[str, float]:
    """Median seconds of each stage."""
    stages = measured[0].stages
    return {stage: statistics.median(run.stages[stage] for run in measured) for stage in stages}


def print_goals(runs: dict[str, list[Measured]], is_demo: bool) -> None:
    """How many times faster several workers are than one.

    On the demonstration, which is small, the command's own choice must not take longer in all.
    Times of two runs of the same work differ by some percent, and so the goal allows 5.
    """
    (_, one), (_, several) = list(runs.items())[1:]
    if is_demo:
        whole_one = statistics.median(run.total for run in one)
        whole_several = statistics.median(run.total for run in several)
        print(
            f"goal workers_against_one_on_the_demonstration {whole_several / whole_one:.2f} <= 1.05"
        )
        return
    seconds_one, seconds_several = median_seconds(one), median_seconds(several)
    for stage in ("extract", "fetch", "score"):
        print(f"goal {stage}_faster {seconds_one[stage] / seconds_several[stage]:.2f} >= 1.7")


if __name__ == "__main__":
    main()
