"""Measures what starting costs: help, a run with nothing to do, and the whole demonstration.

    python benchmarks/start.py [--quick]

Each command is measured beside `python -c "import apache_beam"` in the same rounds, by the clock,
because that is what a user waits for. The table has the medians of the rounds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import cpu

ROOT = Path(__file__).resolve().parent.parent
BASELINE = "import apache_beam"
# Command -> how many times the seconds of the baseline it may take.
GOALS = {
    "help": 0.3,
    "search_help": 0.3,
    "nothing_to_do": 1.5,
    "demonstration": 8.0,
}


def seconds_of(command: Sequence[str]) -> float:
    """Return the seconds by the clock that a command takes."""
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - started


def measure(folder: Path, number: int) -> dict[str, float]:
    """Measure one round: command -> seconds."""
    output = folder / f"out-{number}"
    work = folder / f"work-{number}"
    run = [sys.executable, "-m", "pipeline.run", f"--output={output}", f"--work={work}"]
    cli = [sys.executable, "-m", "pipeline.cli"]
    return {
        BASELINE: seconds_of([sys.executable, "-c", BASELINE]),
        "help": seconds_of([*cli, "--help"]),
        "search_help": seconds_of([*cli, "search", "--help"]),
        "demonstration": seconds_of(run),
        # The same command again: everything is done already.
        "nothing_to_do": seconds_of(run),
    }


def main() -> None:
    """Measure, and print the table and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pairsieve-start-"))
    try:
        rounds = [measure(folder, number) for number in range(1 if options.quick else 5)]
    finally:
        shutil.rmtree(folder)
    medians = {}
    for name in rounds[0]:
        medians[name] = statistics.median(seconds[name] for seconds in rounds)
    baseline = medians[BASELINE]
    print(f"{cpu()}, {os.cpu_count()} cores, {len(rounds)} rounds")
    print(f"| command | s | times `{BASELINE}` |\n|---|---|---|")
    for name, seconds in medians.items():
        print(f"| {name} | {seconds:.2f} | {seconds / baseline:.2f} |")
    for name, target in GOALS.items():
        print(f"goal {name} {medians[name] / baseline:.2f} <= {target}")


if __name__ == "__main__":
    main()
