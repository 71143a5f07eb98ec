"""Buckets of distinct pairs to parts: the files that fetch and score read one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import apache_beam as beam

from pairsieve.records.outcome import Tally
from pairsieve.records.pair import PAIR_SCHEMA, Pair
from pairsieve.records.table import EvidenceColumns, schema_with, to_table
from pairsieve.storage import parts
from pairsieve.storage.job_end import GroupResult
from pairsieve.web.urls import url_digest
from transforms.deduplicate import Bucket
from transforms.group import PAIRS, GroupSettings
from transforms.plumbing.own import on_own


def slice_pairs(pairs: Iterable[Pair], part_rows: int) -> Iterator[list[Pair]]:
    """Slices of at least `part_rows` pairs; the last one may have fewer.

    All pairs of a URL are in one slice, so that the URL is asked for once. URLs come in the order
    of their hash, so that the hosts of a bucket are mixed.
    """
    by_url = sorted(pairs, key=lambda pair: (url_digest(pair.url), pair.key))
    rows: list[Pair] = []
    for _, pairs_of_url in groupby(by_url, key=lambda pair: pair.url):
        rows += pairs_of_url
        if len(rows) >= part_rows:
            yield rows
            rows = []
    if rows:
        yield rows


def write_parts(bucket: Bucket, settings: GroupSettings, evidence: EvidenceColumns) -> GroupResult:
    """Write a bucket's pairs. Returns what was counted of them."""
    schema = schema_with(PAIR_SCHEMA, evidence)
    # A bucket that is written again gives the same parts, under the same names.
    for chunk, rows in enumerate(slice_pairs(bucket.pairs, settings.part_rows)):
        name = parts.part_name(bucket.number, chunk)
        parts.write_part(settings.folder, name, to_table(rows, schema), Tally())
    return GroupResult((PAIRS, bucket.number), bucket.outcomes)


@dataclass
class WritePairs(beam.PTransform):  # type: ignore[misc]
    """Buckets -> parts of pairs in `settings.folder`, and GroupResult. Everything else passes."""

    settings: GroupSettings
    evidence: EvidenceColumns

    def expand(self, buckets: beam.PCollection) -> beam.PCollection:
        write = partial(write_parts, settings=self.settings, evidence=self.evidence)
        return buckets | "Write parts" >> on_own(_is_bucket, write)


def _is_bucket(element: object) -> bool:
    return isinstance(element, Bucket)
