"""Our sides of benchmarks/extract.py: to rows, with everything, and the job with and without Beam."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from filters.detector import Needs
from filters.registry import evidence_columns, needing
from pairsieve.records.page import Page
from pairsieve.records.pair import Pair, pack_pairs
from pairsieve.storage import files
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.splits import split_file
from pairsieve.web.html import parse_page
from pairsieve.web.urls import bucket_of_url
from pipeline import flow
from pipeline.load_config import load_config
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.engine import Engine
from pipeline.orchestrate.job_settings import Jobs
from pipeline.orchestrate.plan import Plan, make_plan
from pipeline.orchestrate.results import Results
from transforms.deduplicate import Bucket, distinct_pairs
from transforms.extractor import make_extractor
from transforms.group import PAIRS
from transforms.plumbing.counting import Work
from transforms.write_pairs import write_parts

MAX_PAGE_BYTES = 10_000_000


def pages_of(path: str) -> Iterator[Page]:
    """Yield the pages that our reader finds in a file."""
    settings = ReadSettings(MAX_PAGE_BYTES, locate=False)
    for split in split_file(path, None, {}):
        for item in read_split(split, settings):
            if isinstance(item, Page):
                yield item


def our_rows(path: str) -> int:
    """Read absolute URL and caption of every image; return the number of images.

    Our parser returns equal images of a page once, with their number.
    """
    number = 0
    for page in pages_of(path):
        for image in parse_page(page).images:
            _ = image.url, image.alt
            number += image.times
    return number


def plan_of(pattern: str, folder: Path) -> Plan:
    """Plan a run of the demonstration's config over some files, with LAION's plain image rule."""
    given = {
        "output": str(folder / "out"),
        "work": str(folder / "work"),
        "input": {"files": (pattern,)},
    }
    settings = ["extract.images=plain", "fetch.source=web", "fetch.contact=x"]
    return make_plan(load_config(CONFIGS / "demo.yaml", settings, given))


def extractor_of(plan: Plan) -> Work:
    """Make the function that does to a page what extract does; it has loaded its word lists."""
    job = Jobs(Results(plan), 1).extract("")
    return make_extractor(job.settings, job.detectors)


def everything(plan: Plan, extract: Work) -> int:
    """Do all that extract does to pages; return the number of pairs."""
    return sum(1 for _ in _pairs(plan, extract))


def _pairs(plan: Plan, extract: Work) -> Iterator[Pair]:
    for path in plan.inputs:
        for page in pages_of(path):
            for result in extract(page):
                if isinstance(result, Pair):
                    yield result


def plain_job(plan: Plan, folder: Path) -> int:
    """Do what the Beam job does, as a loop: extract, group by host, deduplicate, write."""
    files.remove_tree(str(folder))
    job = Jobs(Results(plan), 1).extract(str(folder))
    buckets: dict[int, list[Pair]] = {}
    for pair in _pairs(plan, extractor_of(plan)):
        bucket = bucket_of_url(pair.url, job.group.buckets)
        buckets.setdefault(bucket, []).append(pair)
    evidence = evidence_columns(needing(plan.detectors, Needs.PAGE))
    for bucket, pairs in buckets.items():
        for result in distinct_pairs(
            ((PAIRS, bucket), [pack_pairs(pairs)]), identity=job.group.identity
        ):
            # Besides pairs there are counts.
            if isinstance(result, Bucket):
                write_parts(result, job.group, evidence)
    return 0


def beam_job(plan: Plan, folder: Path, workers: int = 1) -> int:
    """Run the extract job itself on Beam's local runner."""
    files.remove_tree(str(folder))
    engine = Engine((f"--direct_num_workers={workers}",))
    job = Jobs(Results(plan), engine.workers).extract(str(folder))
    engine.run(partial(flow.extract, job=job), "extract")
    return 0
