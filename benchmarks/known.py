"""Measures extraction beside earlier datasets of any size: time, memory, and bytes shuffled.

    python -m benchmarks.known [--rows 1e6 3e6 10e6] [--quick]

A made-up earlier dataset is `extract.known` of the demonstration, which the command extracts with
one worker. Prints for each size the seconds of a processor, the largest resident memory, the bytes
that went through the shuffle, and the seconds of a second run that finds the earlier dataset
grouped. Beside it stands a bare loop of pyarrow that reads the same columns and hashes each row.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import Goals, Memory, cpu, print_goals
from pipeline.monitoring.metrics import read_counters

ROWS = (1e6, 3e6, 10e6)
QUICK_ROWS = (5e4, 2e5)
CHUNK_ROWS = 100_000
ROW_GROUP_ROWS = 1_000_000
HOSTS = 50_000
WORDS = tuple(f"word{number}" for number in range(251))
# A URL is made absolute and canonical, its host found, and the caption cleaned, besides reading and
# hashing. 12 times were measured at 200,000 rows (docs/benchmarks.md).
MAX_TIMES_OF_BARE_LOOP = 10
# What a worker holds is meant to be 100 MB at most (pairsieve/storage/identities.py), beside the
# 325 MB of a run without any.
MAX_MEMORY_TIMES = 1.5


@dataclass(frozen=True)
class Measured:
    """One run of the command: seconds of the processor, bytes of memory and of the shuffle."""

    cpu_s: float
    memory_bytes: int
    shuffled_bytes: int


def write_earlier(path: Path, rows: int) -> None:
    """Write a dataset whose rows have the size of real ones."""
    schema = pa.schema([("URL", pa.string()), ("TEXT", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, rows, ROW_GROUP_ROWS):
            end = min(rows, first + ROW_GROUP_ROWS)
            writer.write_table(pa.concat_tables(_chunks(first, end, schema)))


def _chunks(first: int, end: int, schema: pa.Schema) -> Iterator[pa.Table]:
    for start in range(first, end, CHUNK_ROWS):
        numbers = range(start, min(end, start + CHUNK_ROWS))
        pairs = [_pair(number) for number in numbers]
        urls = [url for url, _ in pairs]
        captions = [caption for _, caption in pairs]
        yield pa.table({"URL": urls, "TEXT": captions}, schema=schema)


def _pair(number: int) -> tuple[str, str]:
    """A made-up URL and caption."""
    key = blake2b(number.to_bytes(8, "big"), digest_size=16).digest()
    url = f"https://host{number % HOSTS}.example/images/{key[:6].hex()}/{number}.jpg"
    words = [WORDS[octet % len(WORDS)] for octet in key[:10]]
    return url, " ".join(words)


def bare_loop_s(path: Path) -> float:
    """Read and hash every row; the seconds of the processor."""
    started = time.process_time()
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(columns=["URL", "TEXT"]):
            urls, captions = (column.to_pylist() for column in batch.columns)
            for url, caption in zip(urls, captions, strict=True):
                blake2b(f"{url}\0{caption}".encode(), digest_size=16).digest()
    return time.process_time() - started


def extract(folder: Path, earlier: Path | None, *more: str) -> Measured:
    """Extract the demonstration beside an earlier dataset. Raises CalledProcessError."""
    work = folder / "work"
    command = [sys.executable, "-m", "pipeline.run", "--stages=extract", "--log=quiet"]
    command += [f"--output={folder / 'out'}", f"--work={work}", "--direct_num_workers=1"]
    if earlier:
        command += ["--set", f"extract.known=['{earlier}']"]
    before_s = _children_s()
    with Memory(interval_s=0.1, children_only=True) as memory:
        subprocess.run([*command, *more], check=True, stdout=subprocess.DEVNULL)
    cpu_s = _children_s() - before_s
    manifests = work.glob("extract/*/manifest.json")
    newest = max(manifests, key=lambda path: path.stat().st_mtime_ns).parent
    counters = read_counters(str(newest)).numbers
    return Measured(cpu_s, memory.most, counters["shuffled_pairs_bytes"])


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(all_rows: Sequence[int]) -> Goals:
    """Print a table with one line for each size."""
    print("rows       s   s again  MB of memory  kB shuffled  MB of identities  s of a bare loop")
    with tempfile.TemporaryDirectory() as name:
        without = _measure_one(Path(name) / "0", 0)
        runs = {rows: _measure_one(Path(name) / str(rows), rows) for rows in all_rows}
    most_rows = max(all_rows)
    largest, bare_s = runs[most_rows]
    nothing, _ = without
    million_s = (largest.cpu_s - nothing.cpu_s) / most_rows * 1e6
    print(f"{million_s:.1f} s for a million known rows")
    return {
        "known_rows_times_of_a_bare_loop": (
            million_s / (bare_s / most_rows * 1e6),
            "<=",
            MAX_TIMES_OF_BARE_LOOP,
        ),
        "known_rows_memory_times": (
            largest.memory_bytes / nothing.memory_bytes,
            "<=",
            MAX_MEMORY_TIMES,
        ),
        "known_rows_shuffled_times": (
            largest.shuffled_bytes / nothing.shuffled_bytes,
            "<=",
            1.0,
        ),
    }


def _measure_one(folder: Path, rows: int) -> tuple[Measured, float]:
    folder.mkdir()
    earlier = folder / "earlier.parquet" if rows else None
    bare_s = 0.0
    if earlier:
        write_earlier(earlier, rows)
        bare_s = bare_loop_s(earlier)
    first = extract(folder, earlier)
    # Another result of extract, which uses the same files of identities.
    again = extract(folder, earlier, "--set=extract.max_page_bytes=9000000")
    identities = sum(path.stat().st_size for path in folder.glob("work/known/*/*"))
    print(
        f"{rows:>10,} {first.cpu_s:>6.1f} {again.cpu_s:>6.1f} {first.memory_bytes / 1e6:>8,.0f} "
        f"{first.shuffled_bytes / 1e3:>8,.1f} {identities / 1e6:>8,.1f} {bare_s:>8.1f}",
        flush=True,
    )
    return first, bare_s


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=float, nargs="+", default=ROWS, help="sizes to measure")
    parser.add_argument("--quick", action="store_true", help="two small sizes, under a minute")
    options = parser.parse_args()
    print(cpu())
    sizes = QUICK_ROWS if options.quick else options.rows
    print_goals(measure([int(rows) for rows in sizes]))


if __name__ == "__main__":
    main()
