"""The whole flow as a plain loop over the same functions, without Beam.

Beam's result must equal its result, and Beam's cost is compared with its cost.
`python -m benchmarks.plain_loop` takes the options of `pipeline.run` and prints the seconds of each
stage.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import torch

from filters.detector import Needs
from filters.observe import load_all
from filters.registry import needing
from pairsieve.clip.encoder import load_encoder
from pairsieve.images.processes import Processes
from pairsieve.records.layout import LEDGER_FOLDER
from pairsieve.records.page import Location, Page
from pairsieve.records.pair import Pair
from pairsieve.records.sample import Image, Sample, Score
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.source import ArchiveSettings, fetch_from_archive, read_at
from pairsieve.warc.splits import split_file
from pairsieve.web.language import SUBSETS
from pairsieve.web.urls import bucket_of_url
from pipeline.commands.run import make_parser
from pipeline.orchestrate.command import prepare
from pipeline.orchestrate.plan import Plan
from transforms.deduplicate import deduplicate
from transforms.extractor import ExtractSettings, make_extractor
from transforms.fetch.open_part import load_gate, open_part
from transforms.locations import prefer
from transforms.redact import RedactSettings, redact_sample
from transforms.rules import KeptSample, LedgerRow, RuleSettings, ShardRow, make_rule_book
from transforms.score.score_rows import score_rows
from transforms.score.scorer import Scorer
from transforms.shard import ShardSettings, pack, write_shard
from transforms.write_pairs import slice_pairs


@dataclass(frozen=True)
class Extracted:
    """What extract would write: parts of pairs, and locations by URL; and the pages read."""

    pages: int
    parts: list[list[Pair]]
    locations: dict[str, Location]


def extract(plan: Plan) -> Extracted:
    """Read every input file, page by page."""
    config = plan.config.extract
    extract_page = make_extractor(
        ExtractSettings(
            config.images, config.caption, config.url, config.language, config.captions
        ),
        needing(plan.detectors, Needs.PAGE),
    )
    pages = 0
    buckets: dict[int, list[Pair]] = {}
    locations: dict[str, Location] = {}
    for item in _records(plan):
        if isinstance(item, Location):
            locations[item.url] = prefer(locations.get(item.url), item)
        elif isinstance(item, Page):
            pages += 1
            for pair in extract_page(item):
                # The extractor yields counts and rejections too.
                if isinstance(pair, Pair):
                    bucket = bucket_of_url(pair.url, config.buckets)
                    buckets.setdefault(bucket, []).append(pair)
    parts: list[list[Pair]] = []
    for bucket in sorted(buckets):
        parts.extend(slice_pairs(deduplicate(buckets[bucket]), config.part_rows))
    return Extracted(pages, parts, locations)


def _records(plan: Plan) -> Iterator[object]:
    """Yield what the reader makes of every input file."""
    is_archive_source = plan.config.fetch.source == "archive"
    settings = ReadSettings(plan.config.extract.max_page_bytes, locate=is_archive_source)
    for path in plan.inputs:
        for split in split_file(path, None, {}):
            yield from read_split(split, settings)


def fetch(
    plan: Plan,
    parts: Iterable[list[Pair]],
    locations: dict[str, Location],
    pictures: dict[str, bytes],
) -> list[list[Image]]:
    """Fetch the images of every part from the archive.

    Bytes that do not stay in the archive are put into `pictures`, by sha256.
    """
    gate = load_gate(plan.consent)
    settings = ArchiveSettings(plan.config.fetch.max_bytes)
    images = []
    for pairs in parts:
        part = open_part(pairs, gate, pictures.__setitem__)
        fetch_from_archive(part.requests(), locations.get, settings)
        images.append(part.images())
    return images


def score(
    plan: Plan, parts: list[list[Pair]], images: list[list[Image]], pictures: dict[str, bytes]
) -> list[list[Score]]:
    """Score every part."""
    config = plan.config.score
    archive = ArchiveSettings(plan.config.fetch.max_bytes)

    def read(image: Image) -> bytes:
        if image.warc_file is not None and image.record_offset is not None:
            _, body = read_at(image.warc_file, image.record_offset, archive)
            return body
        return pictures[image.sha256 or ""]

    encoders = {
        name: load_encoder(config.models[name], model, config.encoder)
        for name, model in plan.models.items()
    }
    with ThreadPoolExecutor(os.cpu_count()) as executor, closing(Processes(1)) as processes:
        scorer = Scorer(
            encoders=encoders,
            routes=config.routes,
            decode=config.decode,
            detect_from=plan.detect_from,
            keep_embeddings=config.keep_embeddings,
            observe_picture=load_all(needing(plan.detectors, Needs.IMAGE)),
            observe_embedding=load_all(needing(plan.detectors, Needs.EMBEDDING)),
            executor=executor,
            processes=processes,
        )
        return [
            score_rows(part, part_images, read, scorer)
            for part, part_images in zip(parts, images, strict=True)
        ]


def publish(
    plan: Plan,
    parts: list[list[Pair]],
    images: list[list[Image]],
    scores: list[list[Score]],
    secret: bytes,
) -> Iterator[ShardRow]:
    """Yield the rows and ledger entries of every sample."""
    detectors = needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE)
    shards = plan.config.publish.shards
    rule_book = make_rule_book(RuleSettings(plan.rules, detectors, secret, shards))
    redact = RedactSettings(shards, sensitive=plan.config.publish.sensitive)
    for part_pairs, part_images, part_scores in zip(parts, images, scores, strict=True):
        for sample in map(Sample, part_pairs, part_images, part_scores):
            for result in rule_book.apply(sample):
                if isinstance(result, LedgerRow):
                    yield ShardRow(LEDGER_FOLDER, result.shard, result.row)
                elif isinstance(result, KeptSample):
                    yield from redact_sample(result, redact)


def write(plan: Plan, rows: Iterable[ShardRow]) -> None:
    """Write one shard for each folder."""
    folders = [*(f"dataset/{subset}" for subset in SUBSETS), LEDGER_FOLDER]
    is_private = plan.config.publish.sensitive == "private"
    private = plan.config.work if is_private else ""
    settings = ShardSettings(plan.config.output, folders, 1, private=private)
    shard_rows = list(rows)
    for folder in folders:
        of_folder = [row.row for row in shard_rows if row.folder == folder]
        # A folder without rows gets an empty shard.
        packed = [pack(of_folder, settings.schema(folder))] if of_folder else []
        write_shard(((folder, 0), packed), settings)


def main() -> None:
    """Run one stage after another in this process, and print the seconds of each."""
    # Each Beam worker has one thread in the model.
    torch.set_num_threads(1)
    options, beam_arguments = make_parser().parse_known_args()
    plan, _ = prepare(options, beam_arguments)
    ends = [time.perf_counter()]
    extracted = extract(plan)
    ends.append(time.perf_counter())
    images = fetch(plan, extracted.parts, extracted.locations, {})
    ends.append(time.perf_counter())
    scores = score(plan, extracted.parts, images, {})
    ends.append(time.perf_counter())
    write(plan, publish(plan, extracted.parts, images, scores, bytes(32)))
    ends.append(time.perf_counter())
    for number, stage in enumerate(("extract", "fetch", "score", "publish")):
        print(stage, ends[number + 1] - ends[number])


if __name__ == "__main__":
    main()
