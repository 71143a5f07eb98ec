"""Kept samples to published rows: personal data is cut out of captions, keys are made public."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import apache_beam as beam

from pairsieve.collector import collector_paused
from pairsieve.records.choices import Embeddings, Sensitive
from pairsieve.records.layout import EMBEDDINGS_FOLDER
from pairsieve.records.row import row_of
from pairsieve.storage import files
from transforms.judge import KeptSamples
from transforms.plumbing.own import on_own
from transforms.rules import KeptSample, PartRows, ShardRow, shard_of


@dataclass(frozen=True)
class RedactSettings:
    """The number of shards of each folder, and how vectors and sensitive tags are published."""

    shards: int
    embeddings: Embeddings = "none"
    sensitive: Sensitive = "private"


@lru_cache(10_000)  # a crawl has so many archives, and each has many rows
def _public_name(warc_file: str) -> str:
    return files.public_name(warc_file)


def redact_sample(kept: KeptSample, settings: RedactSettings) -> Iterator[ShardRow]:
    """The published row of a sample; with `embeddings: npy` its vector as well."""
    sample = kept.sample
    public_key = kept.public_key
    all_tags, tags = kept.verdict.tags, kept.verdict.public_tags
    if settings.sensitive == "published":
        tags = all_tags
    derived = {
        "text": kept.text,
        "public_key": public_key,
        "tags": tags,
        "private_tags": [tag for tag in all_tags if tag not in tags],
        "public_warc_file": _public_name(sample.pair.warc_file),
    }
    subset = kept.verdict.subset or sample.pair.subset
    shard = shard_of(public_key, settings.shards)
    row = row_of({**kept.evidence, **derived})
    if settings.embeddings == "none":
        yield ShardRow(f"dataset/{subset}", shard, row)
        return
    vector = sample.score.embedding
    if vector is None:
        # The plan has checked that vectors are kept; a row without one must not shift the others.
        raise ValueError("a sample has no embedding")
    if settings.embeddings == "column":
        yield ShardRow(f"dataset/{subset}", shard, (*row, vector))
        return
    yield ShardRow(f"dataset/{subset}", shard, row)
    # Same shard, same key: both files are sorted by it, so that vectors stand in the order of rows.
    yield ShardRow(f"{EMBEDDINGS_FOLDER}/{subset}", shard, (public_key.hex(), vector.tobytes()))


def redact_samples(kept: KeptSamples, settings: RedactSettings) -> PartRows:
    """The published rows of a part's samples."""
    with collector_paused():
        return PartRows([row for one in kept.samples for row in redact_sample(one, settings)])


@dataclass
class RedactRows(beam.PTransform):  # type: ignore[misc]
    """KeptSamples -> PartRows, one or two rows for each sample. Everything else passes."""

    settings: RedactSettings

    def expand(self, kept: beam.PCollection) -> beam.PCollection:
        redact = partial(redact_samples, settings=self.settings)
        return kept | "Redact" >> on_own(_are_samples, redact)


def _are_samples(element: object) -> bool:
    return isinstance(element, KeptSamples)
