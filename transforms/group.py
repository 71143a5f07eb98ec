"""Pairs grouped by the host of their image: all pairs of a host lie in one bucket.

One worker at a time asks a host, and duplicates of a URL meet, because a URL has one host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from pairsieve.records.choices import Identity
from pairsieve.records.pair import Pair, pack_pairs
from pairsieve.web.urls import bucket_of_url
from transforms.plumbing.packing import PackByKey

Batch = bytes
"""Packed pairs of one bucket."""

KnownPair = tuple[bytes]
"""The identity of a pair that an earlier dataset has."""


@dataclass(frozen=True)
class GroupSettings:
    """How pairs are grouped and written.

    `buckets`: the number of buckets of hosts. `part_rows`: a part is full from so many rows on.
    `folder`: where the parts go. `identity`: which pairs are the same.
    """

    buckets: int
    part_rows: int
    folder: str
    identity: Identity = "pair"


@dataclass
class GroupByHost(beam.PTransform):  # type: ignore[misc]
    """Pairs -> (bucket, its batches). The shuffle carries about 100 bytes a pair.

    `known` are (bucket, identity) of pairs that are not taken again. They go through the same
    shuffle, 16 bytes each.
    """

    settings: GroupSettings
    known: beam.PCollection | None = None

    def expand(self, pairs: beam.PCollection) -> beam.PCollection:
        bucket_of = partial(_bucket_of, buckets=self.settings.buckets)
        keyed = pairs | "Pack by host" >> beam.ParDo(PackByKey("pairs", bucket_of, _pack_bucket))
        if self.known is not None:
            keyed = (keyed, self.known) | "With known pairs" >> beam.Flatten()
        return keyed | "Group hosts" >> beam.GroupByKey()


def _bucket_of(pair: Pair, buckets: int) -> int:
    return bucket_of_url(pair.url, buckets)


def _pack_bucket(bucket: int, pairs: Sequence[Pair]) -> Batch:
    return pack_pairs(pairs)
