"""Sums what the publish job has counted, and writes it: tally, list of files, and aggregates.

Card and report are made of these, so that no row is read again after the job. The number of
distinct domains grows with the rows, so domains are summed in buckets by their hash: each worker
holds some, and only the largest of each bucket go on.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import apache_beam as beam

from pairsieve.records.aggregates import Aggregates, Largest, sum_aggregates
from pairsieve.records.outcome import Tally
from pairsieve.storage import files
from pairsieve.storage.job_end import AGGREGATES_FILE, SHARDS_FILE, Outcomes, write_end
from transforms.shard import FileInfo, WrittenShard

DOMAIN_BUCKETS = 64
"""A crawl of 10 million domains then has 160,000 in each: some 20 MB in a worker."""


@dataclass(frozen=True, slots=True)
class PublishEnd:
    """The end of the job, or what one bundle or shard adds to it."""

    outcomes: Outcomes = field(default_factory=dict)
    files: tuple[FileInfo, ...] = ()
    aggregates: Aggregates = field(default_factory=Aggregates)


def merge_ends(ends: Iterable[PublishEnd]) -> PublishEnd:
    """The sum, in whatever order and grouping the ends come."""
    tally, listed, aggregates = Tally(), list[FileInfo](), list[Aggregates]()
    for end in ends:
        tally.update(end.outcomes)
        listed += end.files
        aggregates.append(end.aggregates)
    return PublishEnd(dict(tally), tuple(sorted(listed)), sum_aggregates(aggregates))


def write_publish_end(end: PublishEnd, folder: str) -> None:
    """Write aggregates, list of files and tally. Where the tally is, the others are too."""
    files.write_text(files.join(folder, AGGREGATES_FILE), end.aggregates.text())
    write_end((end.outcomes, list(end.files)), folder, SHARDS_FILE)


def bucket_of_domain(domain: str) -> int:
    """The bucket of a domain: the same on every machine, as Python's own hash is not."""
    return zlib.crc32(domain.encode()) % DOMAIN_BUCKETS


def pack_domains(shard: WrittenShard) -> Iterator[tuple[int, bytes]]:
    """(bucket, its domains with their rows) for each bucket of which the shard has domains."""
    buckets: dict[int, dict[str, int]] = {}
    for domain, rows in shard.domains.items():
        buckets.setdefault(bucket_of_domain(domain), {})[domain] = rows
    for bucket, rows_of in buckets.items():
        # About 15 bytes a domain.
        yield bucket, zlib.compress(json.dumps(rows_of).encode(), 1)


def largest_domains(bucket: tuple[int, Iterable[bytes]]) -> PublishEnd:
    """The top list of a bucket. No domain is in another bucket, so it is exact."""
    _, batches = bucket
    total: Counter[str] = Counter()
    for batch in batches:
        rows_of: Mapping[str, int] = json.loads(zlib.decompress(batch))
        total.update(rows_of)
    return PublishEnd(aggregates=Aggregates(domains=Largest.of(total)))


@dataclass
class WriteResult(beam.PTransform):  # type: ignore[misc]
    """(tallies, shards as WrittenShard) -> the three files of the job's end in `folder`."""

    folder: str

    def expand(
        self, counted: tuple[beam.PCollection, tuple[beam.PCollection, ...]]
    ) -> beam.PCollection:
        tallies, shards = counted
        outcomes = tallies | "Counted" >> beam.Map(_of_tally)
        written = shards | "All shards" >> beam.Flatten()
        listed = written | "Listed" >> beam.Map(_of_shard)
        domains = (
            written
            | "Pack domains" >> beam.FlatMap(pack_domains)
            | "Group domains" >> beam.GroupByKey()
            | "Largest domains" >> beam.Map(largest_domains)
        )
        return (
            (outcomes, listed, domains)
            | beam.Flatten()
            | "Merge" >> beam.CombineGlobally(merge_ends).without_defaults()
            | "Write" >> beam.Map(write_publish_end, folder=self.folder)
        )


def _of_tally(outcomes: Outcomes) -> PublishEnd:
    return PublishEnd(outcomes=outcomes)


def _of_shard(shard: WrittenShard) -> PublishEnd:
    return PublishEnd(files=(shard.file,), aggregates=shard.aggregates)
