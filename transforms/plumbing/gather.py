"""What a job says at its end: its tally and one list, as two JSON files that the command reads. The
tally is written last.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam

from pairsieve.records.outcome import Tally
from pairsieve.storage import files

MAX_PROBLEMS = 1000
TALLY_FILE = "tally.json"
Outcomes = dict[tuple[str, str, str], int]
"""A tally, as it goes through a shuffle."""
Said = tuple[Outcomes, list[Any]]


def merge(said: Iterable[Said], most: int) -> Said:
    """The sum of tallies, and of all that is listed the smallest, up to `most`."""
    total, listed = Tally(), list[Any]()
    for outcomes, some in said:
        total.update(outcomes)
        listed += some
    return dict(total), heapq.nsmallest(most, listed)


@dataclass
class WriteEnd(beam.PTransform):  # type: ignore[misc]
    """(tallies, elements to list) -> the two files in `folder`; of the elements the smallest, up to
    `most`.

    A few hundred bytes a bundle go through this one shuffle, and every listed element.
    """

    folder: str
    list_file: str
    most: int = MAX_PROBLEMS

    def expand(
        self, said: tuple[tuple[beam.PCollection, ...], tuple[beam.PCollection, ...]]
    ) -> beam.PCollection:
        tallies, listed = said
        counted = [one | f"Counted {at}" >> beam.Map(_counted) for at, one in enumerate(tallies)]
        named = [one | f"Named {at}" >> beam.Map(_named) for at, one in enumerate(listed)]
        return (
            (*counted, *named)
            | beam.Flatten()
            | "Merge" >> beam.CombineGlobally(partial(merge, most=self.most)).without_defaults()
            | "Write" >> beam.Map(write_end, folder=self.folder, list_file=self.list_file)
        )


def _counted(outcomes: Outcomes) -> Said:
    return outcomes, []


def _named(element: Any) -> Said:
    return {}, [element]


def write_end(said: Said, folder: str, list_file: str) -> None:
    """The list, then the tally as sorted rows [unit, outcome, reason, number]: where it is, the job
    has ended.
    """
    outcomes, listed = said
    files.write_text(files.join(folder, list_file), json.dumps(listed))
    files.write_text(
        files.join(folder, TALLY_FILE),
        json.dumps(sorted([*key, number] for key, number in outcomes.items())),
    )


def has_ended(folder: str) -> bool:
    """Whether the job that says its end in this folder has come to it."""
    return files.exists(files.join(folder, TALLY_FILE))


def forget_end(folder: str) -> None:
    """Take the job for one that has not ended."""
    files.remove_file(files.join(folder, TALLY_FILE))


def read_tally(folder: str) -> Tally:
    """The tally of a job that has ended."""
    rows: list[list[Any]] = json.loads(files.read_text(files.join(folder, TALLY_FILE)))
    return Tally({(unit, outcome, reason): number for unit, outcome, reason, number in rows})


def read_list(folder: str, list_file: str) -> list[Any]:
    """What a job that has ended has listed."""
    found: list[Any] = json.loads(files.read_text(files.join(folder, list_file)))
    return found
