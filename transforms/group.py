"""Groups pairs and locations by the host of their image: all of one host lie in one bucket.

One worker at a time asks a host, and duplicates of a URL meet, because a URL has one host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any

import apache_beam as beam

from pairsieve.records.choices import Identity
from pairsieve.records.packed import pack_rows
from pairsieve.records.page import Location
from pairsieve.records.pair import Pair, pack_pairs
from pairsieve.storage.job_end import GroupKey
from pairsieve.web.urls import bucket_of_url
from transforms.plumbing.packing import PackByKey

PAIRS, LOCATIONS = "pairs", "locations"

BucketKey = GroupKey
"""(PAIRS or LOCATIONS, number of the bucket): what a group holds."""

Batch = bytes
"""Packed pairs, or packed locations, of one bucket. One of each bucket is empty."""


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

    @property
    def all_keys(self) -> list[BucketKey]:
        """The keys of all groups of pairs and locations."""
        return [(kind, number) for kind in (PAIRS, LOCATIONS) for number in range(self.buckets)]


@dataclass
class GroupByHost(beam.PTransform):  # type: ignore[misc]
    """Pairs, locations and counts -> (BucketKey, its batches); counts have a key of their own.

    The one shuffle carries about 100 bytes a pair, and 15 bytes a location.
    """

    settings: GroupSettings

    def expand(self, extracted: beam.PCollection) -> beam.PCollection:
        # One shuffle for all: on Flink each costs tasks, and may start every worker anew.
        key_of = partial(_key_of, buckets=self.settings.buckets)
        packing = PackByKey(_kind_of, key_of, _pack, all_keys=self.settings.all_keys)
        keyed = extracted | "Pack by host" >> beam.ParDo(packing)
        return keyed | "Group hosts" >> beam.GroupByKey()


def _key_of(element: Pair | Location, buckets: int) -> BucketKey:
    kind = PAIRS if isinstance(element, Pair) else LOCATIONS
    return kind, bucket_of_url(element.url, buckets)


def _kind_of(key: BucketKey) -> str:
    kind, _ = key
    return kind


def _pack(key: BucketKey, elements: Sequence[Any]) -> Batch:
    """Pack the pairs, or the locations, of one bucket."""
    if _kind_of(key) == PAIRS:
        return pack_pairs(elements)
    # Locations: nothing else is packed here.
    return pack_rows(map(astuple, elements))
