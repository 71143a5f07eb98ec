"""Measures the whole flow beside the same functions in a plain loop: rates and peak memory.

    python benchmarks/flow.py [--quick] [--input FILE.warc.gz ...] [--workers N]

Reads the demonstration crawl, or the WARC files given (archive source: pictures come from the same
files). Both sides use the demonstration model and do the same work on the same files in this one
run. Beam's time includes starting its workers. Peak memory is the largest sum over a process and
its children, sampled ten times a second.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.machine import Memory, short_cpu

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000
PLAIN_LOOP = "plain loop"

Side = Callable[[Sequence[str], Path], dict[str, float]]
"""Runs the flow on some inputs in a folder; returns the seconds of each stage."""


@dataclass(frozen=True)
class Measured:
    """One run: seconds of each stage, and the peak memory of all its processes together."""

    stages: dict[str, float]
    peak_megabytes: float

    @property
    def total(self) -> float:
        return sum(self.stages.values())


def with_peak_memory(run: Callable[[], dict[str, float]]) -> Measured:
    """Run, and sample the memory of the processes below this one."""
    with Memory(interval_s=0.1, children_only=True) as memory:
        stages = run()
    return Measured(stages, memory.most / MEGABYTE)


def run_beam(inputs: Sequence[str], folder: Path, workers: int | None) -> dict[str, float]:
    """Run the command itself; a stage lasts from its log line to the next stage's.

    Without a number of workers the command starts as many as the work is worth.
    """
    command = [sys.executable, "-u", "-m", "pipeline.run", *_common_options(inputs, folder)]
    if workers is not None:
        command.append(f"--direct_num_workers={workers}")
    starts: dict[str, float] = {}
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            # A line such as "12:00:00 extract: running".
            if line.rstrip().endswith(": running"):
                stage = line.split()[1].rstrip(":")
                starts[stage] = time.perf_counter()
    end = time.perf_counter()
    if running.returncode:
        raise SystemExit(f"the command failed with exit status {running.returncode}")
    ends = [*list(starts.values())[1:], end]
    return {
        stage: stage_end - start
        for (stage, start), stage_end in zip(starts.items(), ends, strict=True)
    }


def run_loop(inputs: Sequence[str], folder: Path) -> dict[str, float]:
    """Run the plain loop in a process of its own, which prints the seconds of each stage."""
    command = [sys.executable, "-m", "benchmarks.plain_loop", *_common_options(inputs, folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = {}
    for line in ran.stdout.splitlines():
        stage, text = line.split()
        seconds[stage] = float(text)
    return seconds


def _common_options(inputs: Sequence[str], folder: Path) -> list[str]:
    return [
        *(f"--input={path}" for path in inputs),
        f"--output={folder / 'out'}",
        f"--work={folder / 'work'}",
        "--set=extract.buckets=64",
    ]


def counts_of(folder: Path) -> tuple[int, int]:
    """Return (pages, distinct pairs with an image) of a finished run, from its manifest."""
    counts = json.loads((folder / "out" / "manifest.json").read_text())["counts"]
    return counts["extract"]["page"]["kept"], counts["fetch"]["pair"]["kept"]


def main() -> None:
    """Measure all sides in turn, and print the table and the goals."""
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
    # A second process is not worth its start on small input, so the command chooses for the
    # demonstration.
    several = options.workers if options.input else None
    several_name = f"beam, {several} workers" if several else "beam, as it chooses"
    sides: dict[str, Side] = {
        PLAIN_LOOP: run_loop,
        "beam, 1 worker": partial(run_beam, workers=1),
        several_name: partial(run_beam, workers=several),
    }
    runs: dict[str, list[Measured]] = {name: [] for name in sides}
    pages = images = 0
    for _ in range(1 if options.quick else 3):
        for name, side in sides.items():
            folder = Path(tempfile.mkdtemp(prefix="pairsieve-bench-"))
            runs[name].append(with_peak_memory(partial(side, inputs, folder)))
            # The plain loop writes no manifest.
            if side is not run_loop:
                pages, images = counts_of(folder)
            shutil.rmtree(folder)
    report(runs, pages, images)
    print_goals(runs, is_demo=not options.input)


def report(runs: dict[str, list[Measured]], pages: int, images: int) -> None:
    """Print medians as the table that docs/benchmarks.md holds."""
    number = len(runs[PLAIN_LOOP])
    print(f"{short_cpu()}, {os.cpu_count()} cores, {number} runs; {pages} pages, {images} pairs")
    print(
        "| | extract pages/s | fetch pairs/s | score pairs/s | publish pairs/s | whole s | peak "
        "MB |\n|---|---|---|---|---|---|---|"
    )
    for side, measured in runs.items():
        seconds = median_seconds(measured)
        rates = [pages / seconds["extract"]]
        rates += [images / seconds[stage] for stage in ("fetch", "score", "publish")]
        columns = " | ".join(f"{rate:,.0f}" for rate in rates)
        whole = statistics.median(run.total for run in measured)
        peak = max(run.peak_megabytes for run in measured)
        print(f"| {side} | {columns} | {whole:.1f} | {peak:,.0f} |")


def median_seconds(measured: Sequence[Measured]) -> dict[str, float]:
    """Return the median seconds of each stage."""
    stages = measured[0].stages
    return {stage: statistics.median(run.stages[stage] for run in measured) for stage in stages}


def print_goals(runs: dict[str, list[Measured]], is_demo: bool) -> None:
    """Print how many times faster several workers are than one.

    On the demonstration, which is small, the command's own choice must not take longer in all.
    Times of two runs of the same work differ by some percent, so the goal allows 5.
    """
    _, one, several = runs.values()
    if is_demo:
        whole_one = statistics.median(run.total for run in one)
        whole_several = statistics.median(run.total for run in several)
        print(
            f"goal workers_against_one_on_the_demonstration {whole_several / whole_one:.2f} <= 1.05"
        )
        return
    seconds_one = median_seconds(one)
    seconds_several = median_seconds(several)
    for stage in ("extract", "fetch", "score"):
        print(f"goal {stage}_faster {seconds_one[stage] / seconds_several[stage]:.2f} >= 1.7")


if __name__ == "__main__":
    main()
