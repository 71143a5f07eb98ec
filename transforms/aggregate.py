"""Sums what the publish job has counted, and writes it: tally, list of files, and aggregates.

Card and report are made of these, so that no row is read again after the job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import apache_beam as beam

from pairsieve.records.aggregates import Aggregates, sum_aggregates
from pairsieve.records.outcome import Tally
from pairsieve.storage import files
from pairsieve.storage.job_end import AGGREGATES_FILE, SHARDS_FILE, Outcomes, write_end
from transforms.domains import DOMAINS, largest_domains
from transforms.plumbing.counting import COUNTS
from transforms.plumbing.listing import WithAll
from transforms.shard import FileInfo, WrittenShard


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
    # Sorted, because shards end in any order, and the list must be the same in every run.
    return PublishEnd(dict(tally), tuple(sorted(listed)), sum_aggregates(aggregates))


def write_publish_end(end: PublishEnd, folder: str) -> None:
    """Write aggregates, list of files and tally. Where the tally is, the others are too."""
    # The tally is written last: `has_ended` looks for it alone.
    files.write_text(files.join(folder, AGGREGATES_FILE), end.aggregates.text())
    write_end((end.outcomes, list(end.files)), folder, SHARDS_FILE)


@dataclass
class WriteResult(beam.PTransform):  # type: ignore[misc]
    """Counts, WrittenShard and buckets of domains -> the files of the job's end in `folder`.

    `start` is the job's Impulse. One worker gets a few kB of each shard.
    """

    start: beam.PCollection
    folder: str

    def expand(self, counted: beam.PCollection) -> beam.PCollection:
        ends = counted | "As ends" >> beam.FlatMap(_ends_of)
        return ends | "Write" >> WithAll(self.start, partial(_write, folder=self.folder))


def _write(ends: Iterable[PublishEnd], folder: str) -> None:
    write_publish_end(merge_ends(ends), folder)


def _ends_of(element: Any) -> Iterator[PublishEnd]:
    """What an element adds to the end of the job."""
    if isinstance(element, WrittenShard):
        yield PublishEnd(files=(element.file,), aggregates=element.aggregates)
        return
    # What is left are groups of the shuffle; the kind in their key says what they hold.
    (kind, _), batches = element
    if kind == DOMAINS:
        # A domain is in one bucket, so that the lists of buckets can be merged exactly.
        yield PublishEnd(aggregates=Aggregates(domains=largest_domains(batches)))
    elif kind == COUNTS:
        yield from (PublishEnd(outcomes=counts.outcomes) for counts in batches)
    else:
        raise ValueError(f"no step has written {kind}")
