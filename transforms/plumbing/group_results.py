"""The last step of a job: each group of its shuffle writes its result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from pairsieve.storage.job_end import GroupResult, write_group_result
from transforms.plumbing.counting import COUNTS_KEY, Counts, merge_counts

GroupOfCounts = tuple[tuple[str, int], Iterable[Counts]]
"""What a shuffle makes of the counts of the steps before it."""


@dataclass
class WriteGroupResults(beam.PTransform):  # type: ignore[misc]
    """GroupResult, and the group of all counts before the shuffle -> a small file each in `folder`.

    Whoever waits for the job sums them (pairsieve/storage/job_end.py).
    """

    folder: str

    def expand(self, results: beam.PCollection) -> beam.PCollection:
        return results | "Write" >> beam.Map(partial(_write, folder=self.folder))


def _write(element: GroupResult | GroupOfCounts, folder: str) -> None:
    result = element if isinstance(element, GroupResult) else _result_of_counts(element)
    write_group_result(result, folder)


def _result_of_counts(group: GroupOfCounts) -> GroupResult:
    if isinstance(group, Counts):
        raise ValueError("a step behind the shuffle counts by bundle; it must count by group")
    key, several = group
    if key != COUNTS_KEY:
        raise ValueError(f"no step has worked on the group {key}")
    counts = merge_counts(several)
    return GroupResult(COUNTS_KEY, counts.outcomes, counts.problems)
