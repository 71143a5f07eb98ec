"""Measures the whole publish job beside a bare pyarrow loop that writes the same rows and ledger.

    python -m benchmarks.publish [--samples 1000000 3000000 10000000] [--quick]

Made-up samples, of which a tenth is kept, lie as parts on the disk: pairs, images and scores. Both
sides read them, apply the thresholds of subset, size and similarity, and write shards and ledger,
in as many processes as there are cores. The bare loop knows the thresholds by heart, and has no
runner, no resume, no counts and no quarantine. What both have written is compared.

Prints samples a second, the memory of all processes, how the time grows with the samples, and what
a thousand million would take.
"""

from __future__ import annotations

import argparse
import hmac
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path

import mmh3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.machine import Memory, cpu
from filters.pictures.size import ImageSize
from filters.similarity import Similarity
from filters.subset import Subset
from pairsieve.records.ledger import LEDGER_SCHEMA
from pairsieve.records.outcome import Tally
from pairsieve.records.pair import PAIR_SCHEMA
from pairsieve.records.row import ROW_SCHEMA, published_names
from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA
from pairsieve.storage import parts
from pipeline import flow
from pipeline.orchestrate.engine import Engine
from transforms.redact import RedactSettings
from transforms.rules import RuleSettings
from transforms.samples import SampleFolders
from transforms.shard import ShardSettings, shard_count

PART_ROWS = 5_000
SECRET = b"s" * 32
MIN_BYTES, MIN_SIDE, MAX_PIXELS = 5000, 1, 89_478_484
THRESHOLD = 0.28
KEPT_SHARE = 0.1
MIN_SHARDS, ROWS_PER_SHARD = 4, 1_000_000
THOUSAND_MILLION = 1e9
MAX_WORKER_GB = 1.5
MAX_LAUNCHER_GB = 0.4
MIN_SHARE_OF_BARE = 0.4
COPIED = {
    "URL": "url",
    "TEXT": "caption",
    "HEIGHT": "height",
    "WIDTH": "width",
    "similarity": "similarity",
    "LANGUAGE": "language",
    "page_source": "page_source",
    "page_url": "page_url",
    "image_attribute": "image_attribute",
    "caption_source": "caption_source",
    "record_offset": "record_offset",
    "record_id": "record_id",
    "payload_digest": "payload_digest",
    "crawl_time": "crawl_time",
    "final_url": "final_url",
    "fetched_at": "fetched_at",
    "http_status": "http_status",
    "content_type": "content_type",
    "size_bytes": "size_bytes",
    "format": "format",
    "sha256": "sha256",
    "md5": "md5",
    "model": "model",
}
"""Published column -> column of the parts that it is a copy of."""

Side = Callable[[SampleFolders, Sequence[str], Path, int], None]
"""Publishes parts into a folder with so many shards."""


Columns = dict[str, pa.Array]


def make_part(number: int, folder: Path) -> str:
    """Write the three files of a part; returns its name."""
    rows = np.arange(number * PART_ROWS, (number + 1) * PART_ROWS)
    random = np.random.default_rng(number)
    keys = [blake2b(int(row).to_bytes(8, "big"), digest_size=16).digest() for row in rows]
    hexes = pa.array([key.hex() for key in keys])
    pairs = _pairs(rows, keys, hexes)
    images = _images(pairs, hexes, random)
    scores = _scores(pairs, random)
    name = parts.part_name(number % 64, number)
    for stage, columns, schema in (
        ("pairs", pairs, PAIR_SCHEMA),
        ("images", images, IMAGE_SCHEMA),
        ("scores", scores, SCORE_SCHEMA),
    ):
        parts.write_part(str(folder / stage), name, _table(columns, schema), Tally())
    return name


def _pairs(rows: NDArray[np.int64], keys: list[bytes], hexes: pa.Array) -> Columns:
    texts = pc.cast(pa.array(rows), pa.string())
    host = pc.binary_join_element_wise("https://host", pc.utf8_slice_codeunits(texts, -4), "")
    url = pc.binary_join_element_wise(host, ".example/images/", hexes, ".jpg", "")
    return {
        "key": pa.array(keys, pa.binary(16)),
        "url": url,
        "caption": pc.binary_join_element_wise("a red star of number ", hexes, ""),
        "subset": _constant("en"),
        "language": _constant("en"),
        "page_url": pc.binary_join_element_wise(host, ".example/pages/", texts, ".html", ""),
        "warc_file": _constant("CC-MAIN-00001.warc.gz"),
        "record_offset": pa.array(rows * 977 % 1_000_000_000),
        "payload_digest": pc.binary_join_element_wise("sha1:", hexes, ""),
        "crawl_time": _constant("2026-11-01T12:00:00Z"),
        "position": pa.array(rows % 7, pa.int32()),
        "image_attribute": _constant("src"),
        "record_id": pc.binary_join_element_wise("<urn:uuid:", hexes, ">", ""),
        "page_source": _constant("warc"),
        "caption_source": _constant("alt"),
    }


def _images(pairs: Columns, hexes: pa.Array, random: np.random.Generator) -> Columns:
    return {
        "key": pairs["key"],
        "status": _constant("ok"),
        "http_status": pa.array(np.full(PART_ROWS, 200), pa.int32()),
        "final_url": pairs["url"],
        "fetched_at": _constant("2026-11-25T12:00:00Z"),
        "content_type": _constant("image/jpeg"),
        "size_bytes": pa.array(random.integers(5000, 900_000, PART_ROWS)),
        "sha256": pc.binary_join_element_wise(hexes, hexes, ""),
        "md5": hexes,
    }


def _scores(pairs: Columns, random: np.random.Generator) -> Columns:
    similarity = random.uniform(0, THRESHOLD, PART_ROWS)
    similarity[random.random(PART_ROWS) < KEPT_SHARE] += THRESHOLD
    return {
        "key": pairs["key"],
        "status": _constant("ok"),
        "width": pa.array(random.integers(200, 2000, PART_ROWS), pa.int32()),
        "height": pa.array(random.integers(200, 2000, PART_ROWS), pa.int32()),
        "format": _constant("JPEG"),
        "similarity": pa.array(similarity),
        "model": _constant("ViT-B-32-quickgelu@0123456789abcdef"),
        "precision": _constant("fp32"),
        "looked_at": pa.array(np.zeros(PART_ROWS, bool)),
    }


def _constant(text: str) -> pa.Array:
    return pa.repeat(pa.scalar(text), PART_ROWS)


def _table(columns: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
    """Make a table; columns that are not given are empty, and lists without entries."""
    arrays = []
    for field in schema:
        if field.name in columns:
            arrays.append(columns[field.name])
        elif field.name == "errors":
            arrays.append(pa.array([[]] * PART_ROWS, field.type))
        else:
            arrays.append(pa.nulls(PART_ROWS, field.type))
    return pa.table(arrays, schema=schema)


def publish_by_job(folders: SampleFolders, names: Sequence[str], folder: Path, shards: int) -> None:
    """Run the product's own job, as a run does."""
    rules = (
        Subset(("en",)),
        ImageSize(MIN_BYTES, MIN_SIDE, MAX_PIXELS),
        Similarity({"en": THRESHOLD}),
    )
    out = folder / "out"
    job = flow.PublishJob(
        names=names,
        folders=folders,
        rules=RuleSettings(rules, (), SECRET, shards),
        redact=RedactSettings(shards),
        shards=ShardSettings(
            str(out),
            ["dataset/en", "ledger"],
            shards,
            spill=str(folder / "spilled"),
            private=str(folder / "private"),
        ),
        results=str(folder / "results"),
    )
    Engine(()).run(partial(flow.publish, job=job), "pairsieve-publish")


def publish_by_loop(
    folders: SampleFolders, names: Sequence[str], folder: Path, shards: int
) -> None:
    """Do the same with pyarrow alone: each process first has some parts, and then some shards."""
    spilled = folder / "spilled"
    spilled.mkdir(parents=True)
    processes = os.cpu_count() or 1
    with ProcessPoolExecutor(processes, get_context("forkserver")) as pool:
        judge = partial(_judge_part, folders, spilled, shards)
        list(pool.map(judge, names, chunksize=4))
        jobs = [(kind, shard) for kind in ("dataset/en", "ledger") for shard in range(shards)]
        list(pool.map(partial(_write_shard, spilled, folder / "out", shards), jobs))


def _judge_part(folders: SampleFolders, spilled: Path, shards: int, name: str) -> None:
    """Read a part, apply the thresholds, and write rows and entries by shard."""
    columns: dict[str, pa.ChunkedArray] = {}
    for stage in (folders.images, folders.scores, folders.pairs):
        table = pq.read_table(parts.part_path(stage, name), partitioning=None)
        columns |= {column: table.column(column) for column in table.column_names}
    shorter = pc.min_element_wise(columns["width"], columns["height"])
    pixels = pc.multiply(pc.cast(columns["width"], pa.int64()), columns["height"])
    fits = pc.and_(
        pc.and_(
            pc.greater_equal(columns["size_bytes"], MIN_BYTES),
            pc.greater_equal(shorter, MIN_SIDE),
        ),
        pc.less_equal(pixels, MAX_PIXELS),
    )
    is_similar = pc.greater_equal(columns["similarity"], THRESHOLD)
    keeps = pc.and_(pc.and_(pc.equal(columns["subset"], "en"), fits), is_similar)
    samples = pa.table(columns)
    rows = _rows(samples.filter(keeps))
    entries = _entries(samples.filter(pc.invert(keeps)))
    for kind, table, hexes in (("dataset", rows, "key"), ("ledger", entries, "id")):
        ids = table.column(hexes).to_pylist()
        of_shard = np.array([int(one, 16) * shards >> 4 * len(one) for one in ids])
        order = np.argsort(of_shard, kind="stable")
        ordered = table.take(pa.array(order))
        borders = np.searchsorted(of_shard[order], np.arange(shards + 1))
        for shard in range(shards):
            piece = ordered.slice(borders[shard], borders[shard + 1] - borders[shard])
            path = spilled / f"{kind}-{shard}-{name}.arrow"
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            with pa.ipc.new_file(str(path), table.schema, options=options) as stream:
                stream.write_table(piece)


def _rows(kept: pa.Table) -> pa.Table:
    """The published rows of kept samples."""
    number = kept.num_rows
    keys = kept.column("key").to_pylist()
    urls, captions = kept.column("url").to_pylist(), kept.column("caption").to_pylist()
    hashes = [mmh3.hash64(url + text)[0] for url, text in zip(urls, captions, strict=True)]
    derived = {
        "SAMPLE_ID": pa.array([int.from_bytes(key[:8], "big") >> 1 for key in keys], pa.int64()),
        "LICENSE": pa.repeat(pa.scalar("?"), number),
        "hash": pa.array(hashes, pa.int64()),
        "key": pa.array([key.hex() for key in keys]),
        "tags": pa.array([[]] * number, pa.list_(pa.string())),
        "rights_signals": pa.array([[]] * number, pa.list_(pa.string())),
        "warc_file": kept.column("warc_file"),
    }
    arrays = []
    names = published_names("private")
    for name in names:
        if name in derived:
            arrays.append(derived[name])
        elif name in COPIED:
            arrays.append(kept.column(COPIED[name]))
        else:
            arrays.append(pa.nulls(number, ROW_SCHEMA.field(name).type))
    return pa.table(arrays, schema=pa.schema([ROW_SCHEMA.field(name) for name in names]))


def _entries(dropped: pa.Table) -> pa.Table:
    """The ledger's entries on samples that are not similar enough: here all that are dropped."""
    number = dropped.num_rows
    keys = dropped.column("key").to_pylist()
    ids = [hmac.digest(SECRET, key, "sha256")[:16].hex() for key in keys]
    columns = [
        pa.array(ids),
        *(pa.repeat(pa.scalar(text), number) for text in ("publish", "similarity")),
        pa.array(np.ones(number), pa.int32()),
        *(pa.repeat(pa.scalar(text), number) for text in ("drop", "similarity_low")),
        pc.round(dropped.column("similarity"), 3),
    ]
    return pa.table(columns, schema=LEDGER_SCHEMA)


def _write_shard(spilled: Path, out: Path, shards: int, job: tuple[str, int]) -> None:
    kind, shard = job
    folder, _, _ = kind.partition("/")
    pieces = sorted(spilled.glob(f"{folder}-{shard}-*.arrow"))
    table = pa.concat_tables([pa.ipc.open_file(str(path)).read_all() for path in pieces])
    names = table.schema.names if kind == "ledger" else ["key"]
    in_order = table.sort_by([(name, "ascending") for name in names])
    (out / kind).mkdir(parents=True, exist_ok=True)
    path = out / kind / f"part-{shard:05d}-of-{shards:05d}.parquet"
    pq.write_table(in_order, path, compression="zstd")


@dataclass(frozen=True)
class Measured:
    """One side at one size: seconds, and peaks of memory in GB.

    `gigabytes` is that of all worker processes together, `launcher_gb` that of this one.
    """

    seconds: float
    gigabytes: float
    launcher_gb: float


def measure(side: Side, folders: SampleFolders, names: Sequence[str], folder: Path) -> Measured:
    """Publish the parts by one side."""
    # As many as a run has: no more rows can be published than there are samples.
    shards = shard_count(len(names) * PART_ROWS, MIN_SHARDS, ROWS_PER_SHARD)
    with Memory(children_only=True) as memory:
        started = time.perf_counter()
        side(folders, names, folder, shards)
        seconds = time.perf_counter() - started
    return Measured(seconds, memory.most / 1e9, memory.most_of_this / 1e9)


def same_output(first: Path, second: Path) -> bool:
    """Whether both sides have written the same rows and ledger entries, file by file."""
    paths = sorted(path.relative_to(first) for path in first.rglob("*.parquet"))
    others = sorted(path.relative_to(second) for path in second.rglob("*.parquet"))
    return paths == others and all(
        pq.read_table(first / path, partitioning=None).equals(
            pq.read_table(second / path, partitioning=None)
        )
        for path in paths
    )


def compare(samples: int, folder: Path) -> tuple[Measured, Measured]:
    """Measure both sides on so many samples; raises SystemExit where their output differs."""
    folder.mkdir()
    with ProcessPoolExecutor(os.cpu_count(), get_context("forkserver")) as pool:
        numbers = range(max(1, samples // PART_ROWS))
        names = list(pool.map(partial(make_part, folder=folder), numbers, chunksize=4))
    folders = SampleFolders(*(str(folder / stage) for stage in ("pairs", "images", "scores")))
    bare = measure(publish_by_loop, folders, names, folder / "bare")
    ours = measure(publish_by_job, folders, names, folder / "ours")
    # In another process: this one's memory is measured, also for the next size.
    with ProcessPoolExecutor(1, get_context("forkserver")) as pool:
        same = pool.submit(same_output, folder / "ours" / "out", folder / "bare" / "out").result()
    if not same:
        raise SystemExit("the two sides have not written the same rows and ledger")
    shutil.rmtree(folder)
    return ours, bare


def main() -> None:
    """Measure both sides at all sizes; print the table, the fit, and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--samples", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000]
    )
    parser.add_argument("--quick", action="store_true", help="20,000 and 100,000 samples")
    options = parser.parse_args()
    sizes = [20_000, 100_000] if options.quick else sorted(options.samples)
    print(cpu())
    print("| samples | samples/s | bare loop | share | GB of all processes | bare |")
    print("|---|---|---|---|---|---|")
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        for samples in sizes:
            ours, bare = measured[samples] = compare(samples, Path(folder) / str(samples))
            print(
                f"| {samples:,} | {samples / ours.seconds:,.0f} | {samples / bare.seconds:,.0f} | "
                f"{bare.seconds / ours.seconds:.2f} | {ours.gigabytes:.2f} | {bare.gigabytes:.2f} |",
                flush=True,
            )
    if not options.quick:
        # So few samples take less time than starting does, and say nothing of many.
        report_fit(sizes, [measured[samples][0].seconds for samples in sizes])
    ours, bare = measured[sizes[-1]]
    workers = os.cpu_count() or 1
    print(f"goal share_of_bare_loop {bare.seconds / ours.seconds:.2f} >= {MIN_SHARE_OF_BARE}")
    print(f"goal gigabytes_of_a_worker {ours.gigabytes / workers:.2f} <= {MAX_WORKER_GB}")
    print(f"goal gigabytes_of_the_launcher {ours.launcher_gb:.2f} <= {MAX_LAUNCHER_GB}")


def report_fit(sizes: Sequence[int], seconds: Sequence[float]) -> None:
    """Print seconds as a line over samples, and what it says of a thousand million."""
    if len(sizes) < 2:
        return
    per_sample, start_s = np.polyfit(sizes, seconds, 1)
    if per_sample <= 0:
        print("the sizes are too small for a fit: starting takes longer than publishing")
        return
    hours = (start_s + per_sample * THOUSAND_MILLION) / 3600
    print(
        f"{start_s:.1f} s to start and {per_sample * 1e6:.1f} us a sample on {os.cpu_count()} "
        f"cores: {hours:.1f} hours for a thousand million"
    )


if __name__ == "__main__":
    main()
