"""Where the archive holds each picture: one file of locations for each bucket of hosts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache, partial
from typing import Any

import apache_beam as beam

from pairsieve.records.packed import pack_rows, unpack_rows
from pairsieve.records.page import LOCATION_SCHEMA, Location
from pairsieve.records.table import to_table
from pairsieve.storage import files
from pairsieve.storage.parts import LOCATIONS
from pairsieve.storage.sealed import write_sealed
from pairsieve.warc.source import read_locations
from pairsieve.web.urls import bucket_of_url
from transforms.group import GroupSettings
from transforms.plumbing.packing import PackByKey
from transforms.plumbing.working_on import named

BUCKETS_IN_MEMORY = 4
"""Buckets whose locations a fetch worker holds at a time."""

Batch = bytes
"""Packed locations of one bucket."""


def locations_path(folder: str, bucket: int) -> str:
    """Where the locations of a bucket's URLs are written."""
    return files.join(folder, LOCATIONS, f"bucket-{bucket:05d}.parquet")


def write_locations(group: tuple[int, Iterable[Batch]], settings: GroupSettings) -> dict[Any, int]:
    """Write the best location of each URL of a bucket.

    Returns an empty tally: the step that sums tallies waits for it.
    """
    bucket, batches = group
    best: dict[str, Location] = {}
    for batch in batches:
        for row in unpack_rows(batch):
            location = Location(*row)
            best[location.url] = prefer(best.get(location.url), location)
    table = to_table([best[url] for url in sorted(best)], LOCATION_SCHEMA)
    write_sealed(locations_path(settings.folder, bucket), table)
    return {}


def prefer(known: Location | None, other: Location) -> Location:
    """The better of two locations of one URL.

    One with the bytes comes before any other, then the first in crawl order.
    """
    if known is None:
        return other
    return min(known, other, key=_preference)


def _preference(location: Location) -> tuple[bool, bool, str, int]:
    """First what has the bytes, then what says where they are."""
    has_no_bytes = bool(location.target) or location.http_status != 200
    return has_no_bytes, not location.target, location.warc_file, location.record_offset


class LocationIndex:
    """URL -> location, over all buckets; a few of them are held in memory."""

    def __init__(self, folder: str, buckets: int) -> None:
        self._buckets = buckets
        self._bucket = lru_cache(BUCKETS_IN_MEMORY)(
            lambda bucket: read_locations(locations_path(folder, bucket))
        )

    def find(self, url: str) -> Location | None:
        """Where the archive holds a canonical URL; None where it does not."""
        location: Location | None = self._bucket(bucket_of_url(url, self._buckets)).get(url)
        return location


@dataclass
class IndexLocations(beam.PTransform):  # type: ignore[misc]
    """Locations -> one file a bucket; gives tallies.

    The shuffle carries about 15 bytes an archived file.
    """

    settings: GroupSettings

    def expand(self, locations: beam.PCollection) -> beam.PCollection:
        bucket_of = partial(_bucket_of, buckets=self.settings.buckets)
        return (
            locations
            | "Pack locations" >> beam.ParDo(PackByKey("locations", bucket_of, _pack_locations))
            | "Group locations" >> beam.GroupByKey()
            | "Write locations" >> beam.Map(named(write_locations), settings=self.settings)
        )


def _bucket_of(location: Location, buckets: int) -> int:
    return bucket_of_url(location.url, buckets)


def _pack_locations(bucket: int, locations: Sequence[Location]) -> Batch:
    return pack_rows(map(astuple, locations))
