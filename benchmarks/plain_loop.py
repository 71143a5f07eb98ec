"""The whole flow as a plain loop over the same functions: what Beam's result must equal, and what
its cost is compared with.

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
from transforms.score.scorer import Scorer, score_rows
from transforms.shard import ShardSettings, pack, write_shard
from transforms.write_pairs import slice_pairs


@dataclass(frozen=True)
class Extracted:
    """Pages read, and the parts of pairs and the locations that `extract` would write."""

    pages: int
    parts: list[list[Pair]]
    locations: dict[str, Location]


def extract(plan: Plan) -> Extracted:
    """Every input file, page by page."""
    config = plan.config.extract
    extract_page = make_extractor(
        ExtractSettings(
            config.images, config.caption, config.url, config.language, config.captions
        ),
        needing(plan.detectors, Needs.PAGE),
    )
    read = ReadSettings(config.max_page_bytes, locate=plan.config.fetch.source == "archive")
    pages, found, locations = 0, dict[int, list[Pair]](), dict[str, Location]()
    for path in plan.inputs:
        for item in (
            item for split in split_file(path, None, {}) for item in read_split(split, read)
        ):
            if isinstance(item, Location):
                locations[item.url] = prefer(locations.get(item.url), item)
            elif isinstance(item, Page):
                pages += 1
                for pair in extract_page(item):
                    if isinstance(pair, Pair):
                        found.setdefault(bucket_of_url(pair.url, config.buckets), []).append(pair)
    return Extracted(
        pages,
        [
            part
            for bucket in sorted(found)
            for part in slice_pairs(deduplicate(found[bucket]), config.part_rows)
        ],
        locations,
    )


def fetch(
    plan: Plan,
    parts: Iterable[list[Pair]],
    locations: dict[str, Location],
    pictures: dict[str, bytes],
) -> list[list[Image]]:
    """The images of every part, from the archive; bytes that do not stay there go to `pictures`."""
    gate, settings = load_gate(plan.consent), ArchiveSettings(plan.config.fetch.max_bytes)
    images = []
    for pairs in parts:
        part = open_part(pairs, gate, pictures.__setitem__)
        fetch_from_archive(part.orders(), locations.get, settings)
        images.append(part.images())
    return images


def score(
    plan: Plan, parts: list[list[Pair]], images: list[list[Image]], pictures: dict[str, bytes]
) -> list[list[Score]]:
    """The scores of every part."""
    config = plan.config.score

    def read(image: Image) -> bytes:
        if image.warc_file is not None and image.record_offset is not None:
            return read_at(
                image.warc_file, image.record_offset, ArchiveSettings(plan.config.fetch.max_bytes)
            )[1]
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
    """Rows and ledger entries of every sample."""
    detectors = needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE)
    shards = plan.config.publish.shards
    rule_book = make_rule_book(RuleSettings(plan.rules, detectors, secret, shards))
    redact = RedactSettings(shards)
    for part in zip(parts, images, scores, strict=True):
        for sample in map(Sample, *part):
            for result in rule_book.apply(sample):
                if isinstance(result, LedgerRow):
                    yield ShardRow(LEDGER_FOLDER, result.shard, result.row)
                elif isinstance(result, KeptSample):
                    yield from redact_sample(result, redact)


def main() -> None:
    """One stage after another in this process, with one thread in the model as each Beam worker
    has.
    """
    torch.set_num_threads(1)
    options, beam_arguments = make_parser().parse_known_args()
    plan, _ = prepare(options, beam_arguments)
    marks = [time.perf_counter()]
    found = extract(plan)
    marks.append(time.perf_counter())
    images = fetch(plan, found.parts, found.locations, {})
    marks.append(time.perf_counter())
    scores = score(plan, found.parts, images, {})
    marks.append(time.perf_counter())
    folders = [*(f"dataset/{subset}" for subset in SUBSETS), "ledger"]
    shelved = list(publish(plan, found.parts, images, scores, bytes(32)))
    for name in folders:
        settings = ShardSettings(plan.config.output, folders, 1)
        rows = [item.row for item in shelved if item.folder == name]
        write_shard(((name, 0), [pack(rows, settings.schema(name))] if rows else []), settings)
    marks.append(time.perf_counter())
    for stage, start, end in zip(
        ("extract", "fetch", "score", "publish"), marks, marks[1:], strict=False
    ):
        print(stage, end - start)


if __name__ == "__main__":
    main()
