"""Measures writing many rows as shards: speed, and peak memory of all processes together.

    python benchmarks/shards.py [--rows 10000000] [--quick]

Made-up rows of the size of real ones go through the same transforms that a run ends with. They run
on the local runner in as many processes as there are cores. Prints rows a second, bytes a row in
the shards, and the largest sum of resident memory.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from functools import partial
from hashlib import blake2b
from math import ceil
from pathlib import Path

import apache_beam as beam

from benchmarks.machine import Memory, cpu
from pairsieve.records.row import SHUFFLED_SCHEMA
from pipeline.orchestrate.engine import Engine
from transforms.rules import PartRows, ShardRow, shard_of
from transforms.shard import PackByShard, ShardSettings, WriteShards, shard_count

CHUNK_ROWS = 10_000
WORDS = tuple(f"word{number}" for number in range(251))


def rows_of(chunk: int, shards: int) -> PartRows:
    """Make the rows of a chunk; they differ in the columns in which real rows differ."""
    rows = []
    for number in range(chunk * CHUNK_ROWS, (chunk + 1) * CHUNK_ROWS):
        key = blake2b(number.to_bytes(8, "big"), digest_size=16).digest()
        shard = shard_of(key, shards)
        cells = _cells(number, key)
        row = tuple(cells.get(name) for name in SHUFFLED_SCHEMA.names)
        rows.append(ShardRow("dataset/en", shard, row))
    return PartRows(rows)


def _cells(number: int, key: bytes) -> dict[str, object]:
    """Make the cells of a row; the bytes of its key stand in for random numbers."""
    host = f"https://host{number % 50_000}.example"
    return {
        "SAMPLE_ID": int.from_bytes(key[:8], "big") >> 1,
        "URL": f"{host}/images/{key[:6].hex()}/picture-{number}.jpg",
        "TEXT": " ".join(WORDS[octet % len(WORDS)] for octet in key[:10]),
        "HEIGHT": 200 + key[0] * 4,
        "WIDTH": 200 + key[1] * 4,
        "LICENSE": "?",
        "similarity": 0.28 + key[2] / 2000,
        "hash": int.from_bytes(key[8:], "big", signed=True),
        "LANGUAGE": "en",
        "key": key.hex(),
        "tags": [],
        "rights_signals": [],
        "page_source": "warc",
        "page_url": f"{host}/pages/{number // 5}.html",
        "image_attribute": "src",
        "caption_source": "alt",
        "warc_file": f"CC-MAIN-{number // 40_000:05d}.warc.gz",
        "record_offset": number * 977 % 1_000_000_000,
        "record_id": f"<urn:uuid:{key.hex()}>",
        "payload_digest": f"sha1:{key.hex()[:32]}",
        "crawl_time": f"2026-11-{1 + number % 28:02d}T12:00:00Z",
        "final_url": f"{host}/images/{key[:6].hex()}/picture-{number}.jpg",
        "fetched_at": f"2026-11-25T{number % 24:02d}:{number % 60:02d}:00Z",
        "http_status": 200,
        "content_type": "image/jpeg",
        "size_bytes": 20_000 + key[3] * 999,
        "format": "JPEG",
        "sha256": key.hex() * 2,
        "md5": key.hex(),
        "pdq": key.hex() * 2,
        "model": "ViT-B-32-quickgelu@0123456789abcdef",
    }


def main() -> None:
    """Write the shards, and print speed, size and memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--shards", type=int, default=16, help="at least so many (default: 16)")
    parser.add_argument("--rows-per-shard", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="200,000 rows")
    options = parser.parse_args()
    rows = 200_000 if options.quick else options.rows
    shards = shard_count(rows, options.shards, options.rows_per_shard)
    with tempfile.TemporaryDirectory() as folder, Memory() as memory:
        settings = ShardSettings(folder, ["dataset/en"], shards, spill=f"{folder}/spilled")

        def lay_out(pipeline: beam.Pipeline) -> None:
            # Reshuffle spreads the chunks over the workers.
            chunks = pipeline | beam.Create(range(ceil(rows / CHUNK_ROWS))) | beam.Reshuffle()
            elements = chunks | "Rows" >> beam.Map(partial(rows_of, shards=shards))
            packed = elements | "Pack" >> PackByShard(settings)
            grouped = packed | "Group" >> beam.GroupByKey()
            _ = grouped | "Write" >> WriteShards(settings)

        started = time.perf_counter()
        Engine(()).run(lay_out, "pairsieve-shards")
        seconds = time.perf_counter() - started
        written = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
    print(f"{cpu()}, {os.cpu_count()} cores; {rows:,} rows in {shards} shards")
    print(
        f"{rows / seconds:,.0f} rows/s, {written / rows:.0f} bytes a row in the shards, at most "
        f"{memory.most / 1e9:.2f} GB in all processes"
    )


if __name__ == "__main__":
    main()
