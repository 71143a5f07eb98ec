"""When a dataset's pages were crawled and its pictures fetched, by the statistics of its shards.

No row is read: a parquet file has the least and the greatest value of each column in its footer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow.parquet as pq

from pairsieve.records.aggregates import Aggregates
from pairsieve.records.manifest import Manifest
from pairsieve.storage import files
from pairsieve.storage.shards import shard_paths

CRAWLED, FETCHED = "crawl_time", "fetched_at"


@dataclass(frozen=True)
class Span:
    """The first and the last time, as ISO 8601; empty where no row has one."""

    first: str = ""
    last: str = ""

    def joined(self, times: Iterable[str]) -> Span:
        """The span that also covers these times."""
        # ISO 8601 in UTC sorts by time.
        known = sorted(time for time in (self.first, self.last, *times) if time)
        return Span(known[0], known[-1]) if known else self


@dataclass(frozen=True)
class Period:
    """When the pages were crawled, and when the pictures were fetched."""

    crawled: Span = Span()
    fetched: Span = Span()

    @property
    def last_day(self) -> str:
        """The day of the newest row, as 2026-11-28; empty where no row has a time."""
        return Span().joined((self.crawled.last, self.fetched.last)).last[:10]


def counted_period(aggregates: Aggregates) -> Period:
    """The period of the rows that a job has counted."""
    spans = aggregates.spans
    crawled, fetched = (Span(*spans.get(name, ("", ""))) for name in (CRAWLED, FETCHED))
    return Period(crawled, fetched)


def period_of(dataset: str, manifest: Manifest) -> Period:
    """The period of a dataset whose shards are in place."""
    crawled, fetched = Span(), Span()
    for path in shard_paths(manifest):
        with files.open_read(files.join(dataset, path)) as stream:
            footer = pq.read_metadata(stream)
        crawled = crawled.joined(_extremes(footer, manifest.columns.get(CRAWLED, CRAWLED)))
        fetched = fetched.joined(_extremes(footer, manifest.columns.get(FETCHED, FETCHED)))
    return Period(crawled, fetched)


def _extremes(footer: pq.FileMetaData, name: str) -> list[str]:
    """The least and the greatest value of each row group; datasets of others may have no text."""
    extremes: list[str] = []
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        columns = [group.column(index) for index in range(group.num_columns)]
        for column in columns:
            if column.path_in_schema != name or not column.is_stats_set:
                continue
            statistics = column.statistics
            if statistics.has_min_max and isinstance(statistics.min, str):
                extremes += [statistics.min, statistics.max]
    return extremes
