"""Where the archive holds each picture: one file of locations for each bucket of hosts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import apache_beam as beam

from pairsieve.records.packed import unpack_rows
from pairsieve.records.page import LOCATION_SCHEMA, Location
from pairsieve.records.table import to_table
from pairsieve.storage import files
from pairsieve.storage.job_end import GroupResult
from pairsieve.storage.parts import LOCATIONS as LOCATIONS_FOLDER
from pairsieve.storage.sealed import write_sealed
from pairsieve.warc.source import read_locations
from pairsieve.web.urls import bucket_of_url
from transforms.group import LOCATIONS, Batch, BucketKey, GroupSettings
from transforms.plumbing.own import kind_of_group, on_own

Group = tuple[BucketKey, Iterable[Batch]]
"""The batches of locations of one bucket."""

BUCKETS_IN_MEMORY = 4
"""Buckets whose locations a fetch worker holds at a time."""


def locations_path(folder: str, bucket: int) -> str:
    """Where the locations of a bucket's URLs are written."""
    return files.join(folder, LOCATIONS_FOLDER, f"bucket-{bucket:05d}.parquet")


def write_locations(group: Group, settings: GroupSettings) -> GroupResult:
    """Write the best location of each URL of a bucket, if there is any."""
    key, batches = group
    _, bucket = key
    best: dict[str, Location] = {}
    for batch in filter(None, batches):
        for row in unpack_rows(batch):
            location = Location(*row)
            best[location.url] = prefer(best.get(location.url), location)
    if best:
        # Sorted, so that the file does not depend on the order in which batches come.
        table = to_table([best[url] for url in sorted(best)], LOCATION_SCHEMA)
        write_sealed(locations_path(settings.folder, bucket), table)
    return GroupResult(key)


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
    """Buckets of locations -> one file each, and GroupResult. Everything else passes."""

    settings: GroupSettings

    def expand(self, groups: beam.PCollection) -> beam.PCollection:
        write = partial(write_locations, settings=self.settings)
        return groups | "Write locations" >> on_own(_are_locations, write)


def _are_locations(element: Any) -> bool:
    return kind_of_group(element) == LOCATIONS
