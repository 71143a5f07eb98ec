"""Measures an erasure of a few rows beside writing all shards anew.

    python -m benchmarks.erase [--quick] [--rows N] [--shards N]

A made-up dataset with the columns of a run: `--rows` rows in `--shards` shards. Ten rows go out of
ten of them, by their keys and then by the domains of their pictures, with search, rewriting and
verification. Beside it every shard is written without these rows: by a bare pyarrow loop in one
process, by the same loop in as many processes as there are cores, and by the job of the erasure.

Prints seconds, seconds of all processors, the memory of the launcher and of the largest worker, and
how many bytes of a shard change by one row. Shares are those of processor seconds too: on a busy
machine they say more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.machine import Goals, cpu, print_goals, resident_bytes
from pairsieve.records.row import ROW_SCHEMA, published_names
from pairsieve.storage.shards import shard_bytes
from pipeline.commands.adopt import adopt

ERASED_ROWS = 10
MAX_SHARE, MAX_LAUNCHER_GB, MAX_WORKER_GB, MAX_CHANGED = 0.1, 0.4, 1.5, 0.2
SAMPLE_EVERY_S = 0.05
HASH_BYTES = 32  # of the window by whose content a file is cut to be compared
CUT_BITS = 11  # pieces of 2 kB


@dataclass(frozen=True)
class Measured:
    """Seconds, those of all processors, and the peak memory of the command and its workers in GB."""

    seconds: float
    cpu_s: float
    launcher_gb: float = 0
    worker_gb: float = 0


def make_shard(folder: Path, shards: int, rows: int, number: int) -> None:
    """Write one shard of made-up rows, sorted by key; it has its range of keys, as in a run."""
    random = np.random.default_rng(number)
    least, next_least = (end * 2**64 // shards for end in (number, number + 1))
    firsts = random.integers(least, next_least, rows, np.uint64, endpoint=False)
    keys = np.sort([f"{first:016x}{random.bytes(8).hex()}" for first in firsts.tolist()])
    hexes, numbers = pa.array(keys), pa.array(np.arange(rows))
    texts = pc.cast(numbers, pa.string())
    host = pc.binary_join_element_wise("https://host", _of(random.integers(0, 50_000, rows)), "")
    url = pc.binary_join_element_wise(host, ".example/images/", hexes, ".jpg", "")
    columns = {
        "URL": url,
        "final_url": url,
        "TEXT": pc.binary_join_element_wise("a red star of number ", texts, ""),
        "page_url": pc.binary_join_element_wise(host, ".example/pages/", texts, ".html", ""),
        "WIDTH": random.integers(200, 2000, rows),
        "HEIGHT": random.integers(200, 2000, rows),
        "size_bytes": random.integers(5000, 900_000, rows),
        "similarity": random.uniform(0.28, 0.4, rows),
        "LANGUAGE": ["en"] * rows,
        "model": ["ViT-B-32-quickgelu@0123456789abcdef"] * rows,
        "crawl_time": ["2026-11-01T12:00:00Z"] * rows,
        "fetched_at": ["2026-11-25T12:00:00Z"] * rows,
        "warc_file": ["CC-MAIN-00001.warc.gz"] * rows,
        "payload_digest": pc.binary_join_element_wise("sha1:", hexes, ""),
        "sha256": pc.binary_join_element_wise(hexes, hexes, ""),
        "md5": hexes,
        "pdq": pc.binary_join_element_wise(hexes, hexes, ""),
        "key": hexes,
    }
    fields = [ROW_SCHEMA.field(name) for name in published_names("private")]
    arrays = []
    for field in fields:
        if field.name in columns:
            arrays.append(pa.array(columns[field.name]).cast(field.type))
        else:
            arrays.append(pa.nulls(rows, field.type))
    table = pa.table(arrays, schema=pa.schema(fields))
    path = folder / "dataset" / "en" / f"part-{number:05d}-of-{shards:05d}.parquet"
    path.write_bytes(shard_bytes(table, "key"))


def _of(numbers: NDArray[np.int64]) -> pa.Array:
    return pc.cast(pa.array(numbers), pa.string())


def make_dataset(folder: Path, rows: int, shards: int) -> list[Path]:
    """Write the dataset in as many processes as there are cores; returns its shards."""
    (folder / "dataset" / "en").mkdir(parents=True)
    with ProcessPoolExecutor(os.cpu_count(), get_context("forkserver")) as pool:
        list(pool.map(partial(make_shard, folder, shards, rows // shards), range(shards)))
    adopt(str(folder), {})
    return sorted(folder.rglob("*.parquet"))


def rows_to_erase(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Key and host of one row of each of ERASED_ROWS shards."""
    chosen = paths[:: max(1, len(paths) // ERASED_ROWS)][:ERASED_ROWS]
    rows = []
    for path in chosen:
        table = pq.read_table(path, columns=["key", "URL"])
        row = table.slice(table.num_rows // 2, 1).to_pylist()[0]
        rows.append({"key": row["key"], "host": row["URL"].split("/")[2]})
    return rows


def _keys_of_all_row_groups(paths: Sequence[Path]) -> list[str]:
    """The key of the second row of each: `rows_to_erase` may choose first ones."""
    shards = [pq.ParquetFile(path) for path in paths]
    groups = [(shard, group) for shard in shards for group in range(shard.num_row_groups)]
    return [shard.read_row_group(group, ["key"])["key"][1].as_py() for shard, group in groups]


def without_rows(keys: Sequence[str], target: Path, path: Path) -> None:
    """Write a shard without some rows, as the bare loop does."""
    is_kept = pc.invert(pc.field("key").isin(keys))
    table = pq.read_table(path).filter(is_kept)
    pq.write_table(table, target / path.name, compression="zstd", write_page_index=True)


def all_anew(paths: Sequence[Path], keys: Sequence[str], target: Path, processes: int) -> None:
    """Write every shard without some rows, in one process or in several."""
    target.mkdir(exist_ok=True)
    write = partial(without_rows, keys, target)
    if processes == 1:
        for path in paths:
            write(path)
        return
    with ProcessPoolExecutor(processes, get_context("forkserver")) as pool:
        list(pool.map(write, paths))


def command(dataset: Path, requests: Path, *further: str) -> Measured:
    """Run `pairsieve erase` in a process of its own, its start included."""
    arguments = ["erase", "--dataset", str(dataset), "--requests", str(requests), "--log=quiet"]
    launched = [sys.executable, "-m", "pipeline.cli", *arguments, *further]
    started = time.perf_counter()
    launcher = worker = 0
    used_s: dict[int, float] = {}
    with subprocess.Popen(launched, stdout=subprocess.DEVNULL) as running:
        process = psutil.Process(running.pid)
        while running.poll() is None:
            launcher = max(launcher, resident_bytes(process))
            below = _below(process)
            worker = max([worker, *map(resident_bytes, below)])
            for each in (process, *below):
                used_s[each.pid] = max(used_s.get(each.pid, 0.0), _used_s(each))
            time.sleep(SAMPLE_EVERY_S)
    if running.returncode:
        raise SystemExit(f"the command failed: {' '.join(launched)}")
    passed_s = time.perf_counter() - started
    return Measured(passed_s, sum(used_s.values()), launcher / 1e9, worker / 1e9)


def _used_s(process: psutil.Process) -> float:
    """The processor time of a process; 0 if it has ended."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def measured(work: Callable[[], object]) -> Measured:
    """Measure something that runs in this process alone, or that others do for it."""
    started, used = time.perf_counter(), time.process_time()
    work()
    return Measured(time.perf_counter() - started, time.process_time() - used)


def share_changed(before: bytes, after: bytes) -> float:
    """Which share of a file's bytes is in none of the pieces of an earlier file.

    Both are cut where their content says so, as stores do that keep each piece once.
    """
    known = set(_pieces(before))
    return sum(len(piece) for piece in _pieces(after) if piece not in known) / len(after)


def _pieces(content: bytes) -> list[bytes]:
    values = np.random.default_rng(0).integers(0, 2**63, 256, dtype=np.uint64)
    of_bytes = values[np.frombuffer(content, np.uint8)]
    rolling = np.zeros(len(content), np.uint64)
    for back in range(HASH_BYTES):
        rolling[back:] += of_bytes[: len(content) - back] << np.uint64(back)
    ends = np.flatnonzero((rolling >> np.uint64(20)) % np.uint64(1 << CUT_BITS) == 0) + 1
    borders = [0, *ends.tolist(), len(content)]
    return [content[a:b] for a, b in pairwise(borders) if a < b]


def measure(folder: Path, rows: int, shards: int) -> Goals:
    """Make a dataset, erase from it, write it anew, and compare."""
    cores = os.cpu_count() or 1
    paths = make_dataset(folder / "made", rows, shards)
    erased = rows_to_erase(paths)
    keys = [row["key"] for row in erased]
    by_key = write_requests(folder / "keys", "key", keys)
    by_domain = write_requests(folder / "domains", "domain", [row["host"] for row in erased])
    every = write_requests(folder / "every", "key", _keys_of_all_row_groups(paths))
    middle = next(path for path in paths if keys[0] in pq.read_table(path)["key"].to_pylist())
    before = middle.read_bytes()

    anew = folder / "anew"
    bare = measured(lambda: all_anew(paths, keys, anew, 1))
    bare_cores = measured(lambda: all_anew(paths, keys, anew, cores))
    sides = {
        "bare loop writes all shards, one process": bare,
        f"bare loop writes all shards, {cores} processes": bare_cores,
    }
    made = folder / "made"
    sides["dry run by key"] = command(made, by_key, "--dry-run")
    sides["dry run by domain"] = command(made, by_domain, "--dry-run")
    sides["erasure of 10 rows by key"] = command(made, by_key)
    changed = share_changed(before, middle.read_bytes())
    sides["erasure of 10 domains"] = command(made, by_domain)
    # Of each row group, because one that keeps its rows is copied.
    sides["erasure of a row of each row group"] = command(made, every)

    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    print(f"{rows:,} rows in {shards} shards, {megabytes:,.0f} MB")
    print("| | s | s of processors | GB of the launcher | GB of the largest worker |")
    print("|---|---|---|---|---|")
    for name, side in sides.items():
        memory = f"{side.launcher_gb:.2f} | {side.worker_gb:.2f}"
        # What a pool of processes has used nobody counts here.
        cpu_s = "" if side is bare_cores else f"{side.cpu_s:.1f}"
        print(f"| {name} | {side.seconds:.1f} | {cpu_s} | {memory} |")
    print(f"one row of {rows // shards:,} changes {changed:.1%} of a shard's bytes")
    return _goals(sides, bare, bare_cores, changed)


def write_requests(path: Path, kind: str, values: Iterable[str]) -> Path:
    """Write a request of one kind for each value; returns the path."""
    lines = [json.dumps({kind: value}) for value in values]
    path.write_text("\n".join(lines) + "\n")
    return path


def _goals(
    sides: Mapping[str, Measured], bare: Measured, bare_cores: Measured, changed: float
) -> Goals:
    erasure = sides["erasure of 10 rows by key"]
    dry_run = sides["dry run by key"]
    own = sides["erasure of a row of each row group"]
    most_of_launcher = max(side.launcher_gb for side in sides.values())
    most_of_worker = max(side.worker_gb for side in sides.values())
    share_on_all_cores = erasure.seconds / bare_cores.seconds
    return {
        "erase_share_of_writing": (erasure.seconds / bare.seconds, "<=", MAX_SHARE),
        "erase_cpu_share_of_writing": (erasure.cpu_s / bare.cpu_s, "<=", MAX_SHARE),
        "erase_share_of_writing_on_all_cores": (share_on_all_cores, "<=", MAX_SHARE),
        "erase_cpu_share_of_own_writing": (erasure.cpu_s / own.cpu_s, "<=", MAX_SHARE),
        "erase_dry_run_share": (dry_run.seconds / bare.seconds, "<=", MAX_SHARE),
        "erase_dry_run_cpu_share": (dry_run.cpu_s / bare.cpu_s, "<=", MAX_SHARE),
        "erase_gb_of_the_launcher": (most_of_launcher, "<=", MAX_LAUNCHER_GB),
        "erase_gb_of_a_worker": (most_of_worker, "<=", MAX_WORKER_GB),
        "erase_share_of_a_shard_changed": (changed, "<=", MAX_CHANGED),
    }


def main() -> None:
    """Measure, and print the tables and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the dataset")
    parser.add_argument("--shards", type=int, default=100, help="shards of the dataset")
    parser.add_argument("--quick", action="store_true", help="200,000 rows in 20 shards")
    options = parser.parse_args()
    rows, shards = (200_000, 20) if options.quick else (options.rows, options.shards)
    print(cpu())
    with tempfile.TemporaryDirectory(prefix="pairsieve-bench-") as name:
        print_goals(measure(Path(name), rows, shards))
        shutil.rmtree(Path(name) / "anew")


if __name__ == "__main__":
    main()
