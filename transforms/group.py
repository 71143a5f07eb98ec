"""Pairs and locations, grouped by the host of their image and written as parts.

A host lies in one bucket, so that one worker at a time asks it, and a URL lies in one bucket, so
that duplicates meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache, partial
from itertools import groupby
from typing import Any

import apache_beam as beam

from pairsieve.records.choices import Identity
from pairsieve.records.outcome import Counted, Rejection, Tally
from pairsieve.records.packed import pack, unpack
from pairsieve.records.page import LOCATION_SCHEMA, Location
from pairsieve.records.pair import PAIR_SCHEMA, Pair, pack_pairs, unpack_pairs
from pairsieve.records.table import EvidenceColumns, schema_with, to_table
from pairsieve.storage import files, parts
from pairsieve.storage.parts import LOCATIONS
from pairsieve.storage.sealed import write_sealed
from pairsieve.warc.source import read_locations
from pairsieve.web.urls import bucket_of_url, url_digest
from transforms.deduplicate import deduplicate, identity_of
from transforms.plumbing.packing import PackByKey
from transforms.plumbing.route import Work, routed

KNOWN_BUCKETS = 4


@dataclass(frozen=True)
class GroupSettings:
    """How many buckets of hosts, from how many rows on a part is full, where the parts go, and
    which pairs are the same.
    """

    buckets: int
    part_rows: int
    folder: str
    identity: Identity = "pair"


Batch = bytes
"""Packed pairs or locations of one bucket."""
KnownPair = tuple[bytes]
"""The identity of a pair that an earlier dataset has."""


def write_bucket(
    group: tuple[int, Iterable[Batch | KnownPair]],
    settings: GroupSettings,
    evidence: EvidenceColumns,
) -> Iterator[Rejection | Counted]:
    """Deduplicate a bucket, leave out what is known, and write the rest as parts."""
    bucket, rows = group
    contents = _Contents(rows)
    distinct = deduplicate(contents, settings.identity)
    known = contents.known
    pairs = (
        [
            pair
            for pair in distinct
            if identity_of(pair.url, pair.caption, settings.identity) not in known
        ]
        if known
        else distinct
    )
    schema = schema_with(PAIR_SCHEMA, evidence)
    for chunk, part in enumerate(slice_pairs(pairs, settings.part_rows)):
        parts.write_part(
            settings.folder, parts.part_name(bucket, chunk), to_table(part, schema), Tally()
        )
    yield Rejection("image", "duplicate", number=contents.number - len(distinct))
    yield Rejection("image", "already_known", number=len(distinct) - len(pairs))
    yield Counted("image", "kept", len(pairs))


class _Contents:
    """The pairs of a bucket, unpacked batch by batch and counted; what is known is put aside."""

    def __init__(self, rows: Iterable[Batch | KnownPair]) -> None:
        self._rows = rows
        self.known: set[bytes] = set()
        self.number = 0

    def __iter__(self) -> Iterator[Pair]:
        for row in self._rows:
            if isinstance(row, tuple):
                self.known.add(row[0])
            else:
                for pair in unpack_pairs(row):
                    self.number += 1
                    yield pair


def slice_pairs(pairs: Iterable[Pair], part_rows: int) -> Iterator[list[Pair]]:
    """Parts of at least `part_rows` pairs but the last: all pairs of a URL are in one part, so that
    it is asked for once.

    URLs come in the order of their hash, so that the hosts of a bucket are mixed.
    """
    rows: list[Pair] = []
    for _, of_url in groupby(
        sorted(pairs, key=lambda pair: (url_digest(pair.url), pair.key)), key=lambda pair: pair.url
    ):
        rows += of_url
        if len(rows) >= part_rows:
            yield rows
            rows = []
    if rows:
        yield rows


def _make_bucket_writer(settings: GroupSettings, evidence: EvidenceColumns) -> Work:
    return partial(write_bucket, settings=settings, evidence=evidence)


@dataclass
class GroupByHost(beam.PTransform):  # type: ignore[misc]
    """Pairs -> parts in `settings.folder`; outputs "tally". The shuffle carries about 100 bytes a
    pair.

    `known` are (bucket, identity) of pairs that are not taken again, 16 bytes each.
    """

    settings: GroupSettings
    evidence: EvidenceColumns
    known: beam.PCollection | None = None

    def expand(self, pairs: beam.PCollection) -> beam.DoOutputsTuple:
        keyed = pairs | "Pack by host" >> beam.ParDo(
            PackByKey("pairs", partial(_bucket_of, buckets=self.settings.buckets), _pack_bucket)
        )
        if self.known is not None:
            keyed = (keyed, self.known) | "With known pairs" >> beam.Flatten()
        return (
            keyed
            | "Group hosts" >> beam.GroupByKey()
            | "Deduplicate and write"
            >> routed(partial(_make_bucket_writer, self.settings, self.evidence))
        )


def _bucket_of(found: Pair | Location, buckets: int) -> int:
    return bucket_of_url(found.url, buckets)


def _pack_bucket(bucket: int, pairs: Sequence[Pair]) -> Batch:
    return pack_pairs(pairs)


def locations_path(folder: str, bucket: int) -> str:
    """Where the locations of a bucket's URLs are written."""
    return files.join(folder, LOCATIONS, f"bucket-{bucket:05d}.parquet")


def write_locations(group: tuple[int, Iterable[Batch]], settings: GroupSettings) -> dict[Any, int]:
    """The best location of each URL of a bucket.

    An empty tally: whoever sums tallies waits for it.
    """
    bucket, batches = group
    best: dict[str, Location] = {}
    for found in (Location(*row) for batch in batches for row in unpack(batch)):
        best[found.url] = prefer(best.get(found.url), found)
    table = to_table([best[url] for url in sorted(best)], LOCATION_SCHEMA)
    write_sealed(locations_path(settings.folder, bucket), table)
    return {}


def prefer(known: Location | None, found: Location) -> Location:
    """Of two locations of one URL the better: one with the bytes before any other, then the first
    in crawl order.
    """
    return found if known is None else min(known, found, key=_preference)


def _preference(found: Location) -> tuple[bool, bool, str, int]:
    """First what has the bytes, then what says where they are."""
    return (
        bool(found.target) or found.http_status != 200,
        not found.target,
        found.warc_file,
        found.record_offset,
    )


class LocationIndex:
    """URL -> location, over all buckets; a few of them are held."""

    def __init__(self, folder: str, buckets: int) -> None:
        self._buckets = buckets
        self._bucket = lru_cache(KNOWN_BUCKETS)(
            lambda bucket: read_locations(locations_path(folder, bucket))
        )

    def find(self, url: str) -> Location | None:
        found: Location | None = self._bucket(bucket_of_url(url, self._buckets)).get(url)
        return found


@dataclass
class IndexLocations(beam.PTransform):  # type: ignore[misc]
    """Locations -> one file a bucket; gives tallies. The shuffle carries about 15 bytes an archived
    file.
    """

    settings: GroupSettings

    def expand(self, locations: beam.PCollection) -> beam.PCollection:
        return (
            locations
            | "Pack locations"
            >> beam.ParDo(
                PackByKey(
                    "locations", partial(_bucket_of, buckets=self.settings.buckets), _pack_locations
                )
            )
            | "Group locations" >> beam.GroupByKey()
            | "Write locations" >> beam.Map(write_locations, settings=self.settings)
        )


def _pack_locations(bucket: int, locations: Sequence[Location]) -> Batch:
    return pack(map(astuple, locations))
