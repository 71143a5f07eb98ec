"""Computes from measured rates what a crawl of any size costs, and checks the computation.

    python -m benchmarks.scale --pages 3e9
        one Common Crawl
    python -m benchmarks.scale --pairs 5e9
        LAION-5B's pairs, from links
    python -m benchmarks.scale --check --input site.warc.gz
        real runs at 1, 3 and 10 times a real crawl, beside the computation
    python -m benchmarks.scale --measure --input site.warc.gz
        sizes for pipeline/orchestrate/rates.yaml, from the run at 1 time

A crawl of n times the size is the real one n times, each copy under a host of its own. Pages,
captions and pictures are the same, but every pair is another. It has n times the shards, so that
copies of a row seldom meet in one, where they would compress to nothing. Pictures come from the
archive and the demonstration model scores, because sizes do not depend on either.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import yaml

from benchmarks.machine import cpu
from pairsieve.storage import parts
from pipeline.commands.run import make_parser
from pipeline.monitoring.metrics import read_counters
from pipeline.orchestrate.command import prepare
from pipeline.orchestrate.config_file import CONFIGS, read_config_file
from pipeline.orchestrate.estimate import estimate, parts_of
from pipeline.orchestrate.estimate_text import estimate_text
from pipeline.orchestrate.rates import Rates, read_prices, read_rates
from pipeline.orchestrate.stages import Counts, Run
from pipeline.orchestrate.work import Work

BLOCK_BYTES = 1 << 20
MAX_ERROR_PERCENT = 15
TIMES = (1, 3, 10)
COMMON_CRAWL_PAGES = 3e9
# Host of a crawl -> host of a copy with the same length. The first is that of a crawl on loopback,
# the second that of the demonstration.
HOSTS = {b"127.0.0.1": b"127.0.0.%d", b".example/": b".exampl%d/"}
BUCKETS = 16
PART_ROWS = 1000
SHARDS = 4
BATCH_BYTES = 1500  # what a batch of one row needs besides its row
DEMO_MODEL = f"{{m: {{architecture: 'local-dir:{CONFIGS}/demo/clip', demo: true}}}}"
GZIP_WINDOW = 31  # zlib's number for gzip members

Sizes = Mapping[str, float]
"""What a run counted, and the bytes of what it wrote and shuffled."""


@dataclass(frozen=True)
class Measured:
    """One run: sizes, seconds of each stage, and bytes of the input files."""

    sizes: Sizes
    seconds: Mapping[str, float]
    input_bytes: float


def members(path: Path) -> Iterator[bytes]:
    """Yield the content of each gzip member of an archive."""
    with path.open("rb") as stream:
        block = stream.read(BLOCK_BYTES)
        while block:
            inflate = zlib.decompressobj(GZIP_WINDOW)
            content = bytearray()
            while not inflate.eof and block:
                content += inflate.decompress(block)
                # What lies behind the end of a member belongs to the next one.
                block = inflate.unused_data if inflate.eof else stream.read(BLOCK_BYTES)
            yield bytes(content)
            block = block or stream.read(BLOCK_BYTES)


def copy_under_other_host(source: Path, number: int, folder: Path) -> Path:
    """Copy a crawl and change the host of all addresses; every record keeps its length."""
    path = folder / f"copy-{number}.warc.gz"
    with path.open("wb") as stream:
        for content in members(source):
            # One digit names the host, so the tenth copy has 0.
            stream.write(gzip.compress(_renamed(content, number % 10), 1))
    return path


def _renamed(content: bytes, number: int) -> bytes:
    for host, other_host in HOSTS.items():
        content = content.replace(host, other_host % number)
    return content


def run(inputs: Sequence[Path], folder: Path) -> Measured:
    """Run the whole flow over some crawls."""
    settings = [
        f"score.models={DEMO_MODEL}",
        "score.routes={en: m, multi: m, nolang: m}",
        "fetch.source=archive",
        f"extract.buckets={BUCKETS}",
        f"publish.shards={SHARDS * len(inputs)}",
        f"extract.part_rows={PART_ROWS}",
    ]
    config = folder / "scale.yaml"
    # With the settings of the config that it extends.
    raw = read_config_file(CONFIGS / "laion5b.yaml")
    # To find faces and to read text is slow, and changes sizes by little or nothing.
    for detector in ("faces", "text_in_picture"):
        del raw["filters"]["detectors"][detector]
    for rule in ("documents", "parrot"):  # they need the text
        del raw["filters"]["rules"][rule]
    config.write_text(yaml.safe_dump(raw))
    arguments = ["--config", str(config)]
    arguments += ["--output", str(folder / "out"), "--work", str(folder / "work")]
    arguments += [f"--input={path}" for path in inputs]
    for setting in settings:
        arguments += ["--set", setting]
    options, beam_arguments = make_parser().parse_known_args(arguments)
    plan, engine = prepare(options, beam_arguments)
    job = Run(plan, engine)
    seconds = {}
    for stage in ("extract", "fetch", "score", "publish"):
        started = time.perf_counter()
        counts = job.execute([stage])
        seconds[stage] = time.perf_counter() - started
    input_bytes = sum(path.stat().st_size for path in inputs)
    return Measured(_sizes(job, folder, counts), seconds, input_bytes)


def _sizes(job: Run, folder: Path, counts: Counts) -> Sizes:
    results = job.results
    extract = read_counters(results.extracted.folder).numbers
    publish = read_counters(results.published.folder).numbers
    pairs_bytes = extract["shuffled_pairs_bytes"]
    locations_bytes = extract["shuffled_locations_bytes"]
    sizes: dict[str, float] = {
        "pages": counts["extract"]["page"].entered,
        "pairs": counts["extract"]["image"].kept,
        "archived_files": extract["shuffled_locations_rows"],
        "rows": counts["publish"]["sample"].kept,
        "shuffled in extract": pairs_bytes + locations_bytes,
        "shuffled pairs": pairs_bytes,
        "shuffled locations": locations_bytes,
        "shuffled in publish": publish["shuffled_shelved_bytes"],
        "batches in publish": publish["shuffled_shelved_batches"],
        "parts": len(parts.part_names(results.extracted.folder)),
        "hosts": _number_of_hosts(Path(results.extracted.folder)),
    }
    for stage, result in (
        ("extract", results.extracted),
        ("fetch", results.fetched),
        ("score", results.scored),
    ):
        files = sorted(Path(result.folder).glob("part-*.parquet"))
        sizes[f"stored by {stage}"] = sum(path.stat().st_size for path in files)
        sizes[f"file of {stage}"] = _one_row_file_bytes(files[0])
    for name, pattern in (("shards", "dataset/*/*.parquet"), ("ledger", "ledger/*.parquet")):
        files = sorted((folder / "out").glob(pattern))
        sizes[name] = sum(path.stat().st_size for path in files)
        sizes[f"file of {name}"] = _one_row_file_bytes(files[0])
        sizes[f"files of {name}"] = len(files)
    sizes["stored by publish"] = sizes["shards"] + sizes["ledger"]
    return sizes


def _number_of_hosts(extracted: Path) -> int:
    hosts = set()
    for path in extracted.glob("part-*.parquet"):
        for url in pq.read_table(path, columns=["url"])["url"].to_pylist():
            hosts.add(urlsplit(url).netloc)
    return len(hosts)


def _one_row_file_bytes(path: Path) -> int:
    """Return the size of a file with one row: nearly all of it is the description of columns."""
    one_row = pq.read_table(path, partitioning=None).slice(0, 1)
    buffer = io.BytesIO()
    pq.write_table(one_row, buffer, compression="zstd", write_page_index=True)
    return len(buffer.getvalue())


def rates_of(measured: Measured, before: Rates) -> Rates:
    """Compute rates from one run.

    Rates that the run does not show keep their values: answers of the web, pairs by a real model,
    rows of earlier datasets.
    """
    sizes = measured.sizes
    seconds = measured.seconds
    cores = os.cpu_count() or 1
    pairs = sizes["pairs"]
    core_s = {
        **before.core_s,
        "page": seconds["extract"] * cores / sizes["pages"],
        "archived_picture": seconds["fetch"] * cores / sizes["archived_files"],
        "sample": seconds["publish"] * cores / pairs,
    }
    return replace(
        before,
        measured={"date": time.strftime("%Y-%m-%d"), "machine": f"{cpu()}, {cores} cores"},
        warc_bytes_per_page=round(measured.input_bytes / sizes["pages"]),
        pairs_per_page=round(pairs / sizes["pages"], 4),
        archived_files_per_page=round(sizes["archived_files"] / sizes["pages"], 4),
        kept_share=round(sizes["rows"] / pairs, 4),
        core_s=_three_digits(core_s),
        bytes=_three_digits(_bytes_per_item(sizes, before)),
    )


def _bytes_per_item(sizes: Sizes, before: Rates) -> dict[str, float]:
    """Compute the bytes of each kind of item, without what every file or batch costs."""
    pairs = sizes["pairs"]
    rows = sizes["rows"]
    shuffled_rows = sizes["shuffled in publish"] - sizes["batches in publish"] * BATCH_BYTES
    shards = sizes["shards"] - sizes["files of shards"] * sizes["file of shards"]
    ledger = sizes["ledger"] - sizes["files of ledger"] * sizes["file of ledger"]
    per_item = {
        **before.bytes,
        "shuffled_pair": sizes["shuffled pairs"] / pairs,
        "shuffled_location": sizes["shuffled locations"] / sizes["archived_files"],
        "shuffled_batch": BATCH_BYTES,
        "shuffled_row": shuffled_rows / rows,
        "row": shards / rows,
        "row_file": sizes["file of shards"],
        "decision": ledger / pairs,
        "decision_file": sizes["file of ledger"],
    }
    for name, stage in (("pair", "extract"), ("image", "fetch"), ("score", "score")):
        file_bytes = sizes[f"file of {stage}"]
        rows_bytes = sizes[f"stored by {stage}"] - sizes["parts"] * file_bytes
        per_item[name] = rows_bytes / pairs
        per_item[f"{name}_file"] = file_bytes
    return per_item


def _three_digits(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.3g}") for name, value in values.items()}


def predicted(sizes: Sizes, rates: Rates, times: int) -> dict[str, float]:
    """Compute the sizes of a run from its number of pages, by the rates."""
    pages = sizes["pages"]
    pairs = pages * rates.pairs_per_page
    work = Work(pages, pairs, pages * rates.archived_files_per_page, web=False)
    settings = {
        "extract.buckets": BUCKETS,
        "extract.part_rows": PART_ROWS,
        "publish.shards": SHARDS * times,
    }
    prices = replace(
        read_prices(), cores=os.cpu_count() or 1, pairs_per_host=sizes["pairs"] / sizes["hosts"]
    )
    sizes_predicted = {"pairs": pairs, "parts": parts_of(work, settings, sizes["hosts"])}
    estimates = estimate(work, rates, prices, settings)
    for stage in estimates:
        sizes_predicted[f"stored by {stage.stage}"] = stage.stored
    for stage in estimates:
        if stage.stage in ("extract", "publish"):
            sizes_predicted[f"shuffled in {stage.stage}"] = stage.shuffled
    return sizes_predicted


def check(source: Path, all_times: Sequence[int]) -> None:
    """Run at several sizes, and compare with what the rates of the first run predict."""
    worst = 0.0
    rates: Rates | None = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies = [
            copy_under_other_host(source, number, folder) for number in range(1, max(all_times) + 1)
        ]
        for times in all_times:
            run_folder = folder / f"run-{times}"
            run_folder.mkdir()
            measured = run(copies[:times], run_folder)
            sizes = measured.sizes
            took = ", ".join(f"{stage} {s:.1f} s" for stage, s in measured.seconds.items())
            print(
                f"{times} times: {sizes['pages']:,.0f} pages, {sizes['pairs']:,.0f} pairs, "
                f"{sizes['rows']:,.0f} rows; {took}"
            )
            if rates is None:
                rates = rates_of(measured, read_rates())
            for size_name, computed in predicted(sizes, rates, times).items():
                size = sizes[size_name]
                error_percent = 100 * (computed / size - 1)
                worst = max(worst, abs(error_percent))
                print(
                    f"  {size_name:<22} {size:>14,.0f} computed {computed:>14,.0f} "
                    f"{error_percent:+6.1f} %"
                )
    print(f"goal computed_sizes_off_by_percent {worst:.1f} <= {MAX_ERROR_PERCENT}")


def measure(source: Path) -> None:
    """Print the rates of one run as YAML."""
    with tempfile.TemporaryDirectory() as folder:
        rates = rates_of(run([source], Path(folder)), read_rates())
    values = {name: getattr(rates, name) for name in rates.__dataclass_fields__}
    print(yaml.safe_dump(values, sort_keys=False))


def main() -> None:
    """Compute, check, or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pages", type=float, help="so many pages of a crawl")
    parser.add_argument("--pairs", type=float, help="so many pairs that are known")
    parser.add_argument(
        "--pairs-per-page", type=float, help="what is known of the crawl (default: as measured)"
    )
    parser.add_argument("--gpu", action="store_true", help="an accelerator scores")
    parser.add_argument(
        "--prices",
        help="what machines cost, and what is assumed (default: pipeline/orchestrate/prices.yaml)",
    )
    parser.add_argument(
        "--input",
        type=Path,
        default=CONFIGS / "demo" / "crawl.warc.gz",
        help="a crawl of one host, for --check and --measure",
    )
    parser.add_argument(
        "--check", action="store_true", help="real runs at 1, 3 and 10 times the crawl"
    )
    parser.add_argument("--measure", action="store_true", help="sizes of one run")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one Common Crawl, and the check on the demonstration at 1 and 3 times",
    )
    options = parser.parse_args()
    print(f"{cpu()}, {os.cpu_count()} cores")
    if options.measure:
        measure(options.input)
    elif options.check:
        check(options.input, TIMES)
    else:
        compute(options)
        if options.quick:
            check(CONFIGS / "demo" / "crawl.warc.gz", TIMES[:2])


def compute(options: argparse.Namespace) -> None:
    """Print what the pages or pairs in the options cost."""
    rates = read_rates()
    prices = read_prices(options.prices) if options.prices else read_prices()
    # Pairs that are known need no pages.
    pages = options.pages or (0 if options.pairs else COMMON_CRAWL_PAGES)
    pairs_per_page = options.pairs_per_page or rates.pairs_per_page
    pairs = options.pairs or pages * pairs_per_page
    print(estimate_text(Work(pages, pairs, gpu=options.gpu, interval_s=0.5), rates, prices))


if __name__ == "__main__":
    main()
