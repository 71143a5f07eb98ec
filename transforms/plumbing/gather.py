"""Sums the counts of all workers at the end of a job, and writes them."""

from __future__ import annotations

from dataclasses import dataclass

import apache_beam as beam

from pairsieve.storage.job_end import write_end
from transforms.plumbing.counting import Counts, merge_counts


@dataclass
class WriteEnd(beam.PTransform):  # type: ignore[misc]
    """Counts -> the two files of the job's end in `folder`: the list of problems, and the tally.

    A few hundred bytes a bundle go through this one shuffle.
    """

    folder: str
    list_file: str

    def expand(self, counts: beam.PCollection) -> beam.PCollection:
        return (
            counts
            | "Merge" >> beam.CombineGlobally(merge_counts).without_defaults()
            | "Write" >> beam.Map(_write, folder=self.folder, list_file=self.list_file)
        )


def _write(counts: Counts, folder: str, list_file: str) -> None:
    write_end((counts.outcomes, counts.problems), folder, list_file)
