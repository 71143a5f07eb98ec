"""Measures the release check beside a bare scan of the columns that it reads.

    python -m benchmarks.check [--quick] [--rows N] [--captions FILE]

A dataset is made of captions: those of the frozen sets in tests/filters/sets in which nothing is
found, as in a dataset that the rules have passed, and one in SHARE_FOUND of the others; or one a
line of --captions. They are harder than those of a crawl, since many were written to look like what
is looked for. Both sides read the same columns of the same shards, in as many processes as there
are cores; the bare scan does nothing with them. Prints rows a second, the memory of all processes,
and, for one process without Beam, the processor time of a row. A job takes some seconds to start,
which are a large share of a short one.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import Memory, cpu, print_goals
from pairsieve.collector import collector_paused
from pairsieve.search.sources import Source
from pipeline.orchestrate.engine import Engine
from pipeline.orchestrate.review_job import review_dataset
from transforms.review.findings import COLUMNS, Reviewer
from transforms.review.review import NumberedShard, ReviewSettings, load_reviewer, review_shard

SETS = Path(__file__).resolve().parent.parent / "tests" / "filters" / "sets"
SHARDS = 8
SHARE_FOUND = 50
ROUNDS = 7
MIN_SHARE_OF_BARE = 0.4
_MARK = re.compile(r"\{[A-Z_]+\|((?:[^{}]|\{[^{}]*\})*)\}")
MAX_GB = 1.5  # of a worker


@dataclass(frozen=True)
class Measured:
    """Seconds and peak memory of one side."""

    seconds: float
    gigabytes: float


def captions_of(path: str | None) -> list[str]:
    """The captions of a file, one a line; without one, those of the frozen sets."""
    if path:
        return [line.strip() for line in Path(path).read_text("utf-8").splitlines() if line.strip()]
    captions = [caption for file in sorted(SETS.rglob("*.txt")) for caption in _captions(file)]
    found = [caption for caption in captions if _is_found(caption)]
    others = sorted(set(captions).difference(found))
    # of all sets alike, and the same at each call
    rest = cycle(random.Random(0).sample(found, len(found)))
    return [
        next(rest) if number % SHARE_FOUND == 0 else caption
        for number, caption in enumerate(others)
    ]


def _captions(path: Path) -> Iterator[str]:
    """The captions of a set, without their groups and marks."""
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            caption = _MARK.sub(r"\1", re.split(r"[|\t]", line)[-1])
            yield caption.partition(": ")[2] or caption


def _is_found(caption: str) -> bool:
    row = {"TEXT": caption, "LANGUAGE": "en", "page_source": "none"}
    return any(Reviewer().findings(row))


def make_dataset(folder: Path, captions: Sequence[str], rows: int) -> list[Source]:
    """Write shards of made rows with these captions, again and again."""
    sources = []
    of_shard = rows // SHARDS
    texts = cycle(captions)
    for number in range(SHARDS):
        first = number * of_shard
        numbers = range(first, first + of_shard)
        table = pa.table(
            {
                "URL": [f"https://host{n % 50_000}.example/images/{n}.jpg" for n in numbers],
                "TEXT": list(islice(texts, of_shard)),
                "LANGUAGE": ["en"] * of_shard,
                "page_url": [f"https://host{n % 50_000}.example/pages/{n}" for n in numbers],
                "final_url": [f"https://host{n % 50_000}.example/images/{n}.jpg" for n in numbers],
                "warc_file": ["CC-MAIN-00001.warc.gz"] * of_shard,
                "page_source": ["warc"] * of_shard,
                "sha256": [f"{n:064x}" for n in numbers],
                "md5": [f"{n:032x}" for n in numbers],
                "face_count": pa.nulls(of_shard, pa.int32()),
                "medical_picture_score": pa.nulls(of_shard, pa.float32()),
                "tags": pa.array([[]] * of_shard, pa.list_(pa.string())),
                "crawl_time": ["2026-11-01T12:00:00Z"] * of_shard,
                "key": [f"{n:032x}" for n in numbers],
                "similarity": pa.array([0.3] * of_shard, pa.float32()),
            }
        )
        path = f"dataset/en/part-{number:05d}-of-{SHARDS:05d}.parquet"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, folder / path, compression="zstd")
        sources.append(Source(path, "", of_shard))
    return sources


def scan(path: Path) -> int:
    """Read the columns of one shard, and return the number of its rows."""
    shard = pq.ParquetFile(path)
    columns = [name for name in COLUMNS if name in shard.schema_arrow.names]
    return sum(len(batch.to_pylist()) for batch in shard.iter_batches(10_000, columns=columns))


def bare_scan(folder: Path, sources: Sequence[Source]) -> None:
    """Read all shards in as many processes as there are cores."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("forkserver")) as pool:
        list(pool.map(scan, [folder / source.path for source in sources]))


def processor_us(folder: Path, shard: Source) -> tuple[float, float, float]:
    """Microseconds of processor time a row of one shard, as medians of ROUNDS in turn.

    Of the bare scan, of the review, and the share of the first in the second.
    """
    settings = ReviewSettings(str(folder))
    reviewer = load_reviewer(settings)
    numbered = NumberedShard(0, shard)
    review_shard(numbered, settings, reviewer)  # reads the lists
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        # As the review does: the collector would walk over the rows, and over all else.
        with collector_paused():
            scan(folder / shard.path)
        between = time.process_time()
        review_shard(numbered, settings, reviewer)
        rounds.append((between - started, time.process_time() - between))
    bare, check = (1e6 * median(side) / shard.rows for side in zip(*rounds, strict=True))
    return bare, check, median(of_bare / of_check for of_bare, of_check in rounds)


def measured(work: Callable[[], object]) -> Measured:
    """Measure one side."""
    with Memory(interval_s=0.1) as memory:
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
    return Measured(seconds, memory.most / 1e9)


def main() -> None:
    """Measure, and print the table and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the dataset")
    parser.add_argument("--captions", metavar="FILE", help="captions, one a line")
    parser.add_argument("--quick", action="store_true", help="100,000 rows")
    options = parser.parse_args()
    rows = 100_000 if options.quick else options.rows
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="pairsieve-bench-") as name:
        folder = Path(name)
        sources = make_dataset(folder, captions_of(options.captions), rows)
        bare = measured(lambda: bare_scan(folder, sources))
        settings = ReviewSettings(name)
        engine = Engine((f"--direct_num_workers={cores}",))
        check = measured(lambda: review_dataset(engine, settings, sources, f"{name}/job"))
        bare_us, check_us, share = processor_us(folder, sources[0])
    print(f"{cpu()}, {cores} cores; {rows:,} rows in {SHARDS} shards")
    print("| | s | rows/s | GB of all processes |\n|---|---|---|---|")
    for side, run in {"bare scan": bare, "release check": check}.items():
        print(f"| {side} | {run.seconds:.1f} | {rows / run.seconds:,.0f} | {run.gigabytes:.2f} |")
    print(f"in one process: {bare_us:.1f} us a row for the scan, {check_us:.1f} for the check")
    print_goals(
        {
            "check_share_of_bare_scan": (bare.seconds / check.seconds, ">=", MIN_SHARE_OF_BARE),
            "check_share_of_bare_scan_in_one_process": (share, ">=", MIN_SHARE_OF_BARE),
            "check_gb_of_a_worker": (check.gigabytes / cores, "<=", MAX_GB),
        }
    )


if __name__ == "__main__":
    main()
