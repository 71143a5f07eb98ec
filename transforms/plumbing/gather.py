"""Sums the counts of all workers at the end of a job, and writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from pairsieve.storage.job_end import write_end
from transforms.plumbing.counting import Counts, merge_counts
from transforms.plumbing.listing import WithAll


@dataclass
class WriteEnd(beam.PTransform):  # type: ignore[misc]
    """Counts -> the two files of the job's end in `folder`: the list of problems, and the tally.

    `start` is the job's Impulse. One worker gets a few hundred bytes of each bundle.
    """

    start: beam.PCollection
    folder: str
    list_file: str

    def expand(self, counts: beam.PCollection) -> beam.PCollection:
        write = partial(_write, folder=self.folder, list_file=self.list_file)
        return counts | "Write" >> WithAll(self.start, write)


def _write(several: Iterable[Counts], folder: str, list_file: str) -> None:
    counts = merge_counts(several)
    write_end((counts.outcomes, counts.problems), folder, list_file)
