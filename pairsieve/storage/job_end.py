"""The result of a job: what its workers counted, summed when all of them are done.

Each group of a job's last shuffle writes one small file of what it has counted. When the file of
every group is there, the job has ended, and whoever waits for it sums them. So no worker has to
wait for the others, and a job can be taken over for which nobody waited.

The sum is a tally and one list, as two JSON files, and the aggregates of a dataset's rows where
there are any. The tally is written last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pairsieve.records.aggregates import Aggregates, read_aggregates, sum_aggregates
from pairsieve.records.outcome import Tally
from pairsieve.storage import files

TALLY_FILE = "tally.json"
PROBLEMS_FILE = "problems.json"
"""The list of extract: (where, unit, reason) of each unit that could not be read."""

SHARDS_FILE = "shards.json"
"""The list of publish: (path, rows, bytes, sha256) of each shard."""

AGGREGATES_FILE = "aggregates.json"
"""What publish has counted of all rows and decisions, for card and report."""

ENDS = "ends"
"""The folder, below that of a job, of what its groups have counted."""

FILES_AT_ONCE = 1000
"""How many files of groups are read together. Each has a few kB."""

GroupKey = tuple[str, int]
"""(what a group of a shuffle holds, its number)."""

Outcomes = dict[tuple[str, str, str], int]
"""A tally as a plain dict, as it passes a shuffle: (unit, outcome, reason) -> number."""


class GroupsMissing(RuntimeError):
    """A job has ended, and what a group has counted is not there."""


@dataclass(frozen=True, slots=True)
class GroupEnd:
    """What one group has counted. `listed` are its problems, or the files that it has written."""

    key: GroupKey
    outcomes: Outcomes = field(default_factory=dict)
    listed: Sequence[Sequence[Any]] = ()
    aggregates: Aggregates | None = None


def write_group_end(end: GroupEnd, folder: str) -> None:
    """Write what a group has counted. A runner may repeat it; the file is the same then."""
    content = {
        "outcomes": _rows_of(end.outcomes),
        "listed": end.listed,
        "aggregates": None if end.aggregates is None else end.aggregates.text(),
    }
    # A file that a power cut leaves cut off counts as one that is missing.
    path = files.join(folder, ENDS, _name(end.key))
    files.write_text(path, json.dumps(content), synced=False)


def sum_groups(folder: str, keys: Iterable[GroupKey], list_file: str) -> bool:
    """Write the result of a job, if every group of `keys` has written what it has counted.

    Returns whether the result is there, which it may have been before.
    """
    if has_ended(folder):
        return True
    ends = files.join(folder, ENDS)
    files.forget_listing(ends)  # workers have written there
    expected = {_name(key) for key in keys}
    if expected - set(files.names_in(ends)):
        return False

    tally, listed = Tally(), list[list[Any]]()
    aggregates: Aggregates | None = None
    for end in _read_all(ends, sorted(expected)):
        if end is None:
            return False
        tally.update(_outcomes_of(end["outcomes"]))
        listed += end["listed"]
        if end["aggregates"] is not None:
            # One by one: those of ten thousand shards must not be in memory together.
            part = read_aggregates(end["aggregates"])
            aggregates = sum_aggregates([aggregates, part]) if aggregates else part

    # Sorted, because groups end in any order, and the list must be the same in every run.
    files.write_text(files.join(folder, list_file), json.dumps(sorted(listed)))
    if aggregates:
        files.write_text(files.join(folder, AGGREGATES_FILE), aggregates.text())
    # Last, because `has_ended` looks for it alone.
    files.write_text(files.join(folder, TALLY_FILE), json.dumps(_rows_of(tally)))
    files.remove_tree(ends)
    return True


def finish_job(folder: str, keys: Sequence[GroupKey], list_file: str) -> None:
    """Write the result of a job that has ended. Raises GroupsMissing."""
    if not sum_groups(folder, keys, list_file):
        raise GroupsMissing(
            f"the job has ended, but not every one of its {len(keys)} groups has a whole file in "
            f"{files.join(folder, ENDS)}. Did somebody remove files there? Run the same command "
            "again"
        )


def _read_all(folder: str, names: Sequence[str]) -> Iterator[dict[str, Any] | None]:
    """What each file holds; None for one that is cut off."""
    for start in range(0, len(names), FILES_AT_ONCE):
        paths = [files.join(folder, name) for name in names[start : start + FILES_AT_ONCE]]
        for text in files.read_texts(paths):
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                yield None


def has_ended(folder: str) -> bool:
    """Whether the result of a job is in this folder."""
    return files.exists(files.join(folder, TALLY_FILE))


def forget_end(folder: str) -> None:
    """Remove the tally, so that the job counts as one that has not ended."""
    files.remove_file(files.join(folder, TALLY_FILE))


def read_tally(folder: str) -> Tally:
    """Read the tally of a job that has ended."""
    rows: list[list[Any]] = json.loads(files.read_text(files.join(folder, TALLY_FILE)))
    return Tally(_outcomes_of(rows))


def read_list(folder: str, list_file: str) -> list[Any]:
    """Read the list of a job that has ended."""
    listed: list[Any] = json.loads(files.read_text(files.join(folder, list_file)))
    return listed


def _name(key: GroupKey) -> str:
    kind, number = key
    # Some groups hold the rows of a folder, as `dataset/en`.
    return f"{kind.replace('/', '.')}-{number:05d}.json"


def _rows_of(outcomes: Mapping[tuple[str, str, str], int]) -> list[list[Any]]:
    """Sorted rows [unit, outcome, reason, number], without those whose number is 0."""
    return sorted([*key, number] for key, number in outcomes.items() if number)


def _outcomes_of(rows: Iterable[Sequence[Any]]) -> Outcomes:
    return {(unit, outcome, reason): number for unit, outcome, reason, number in rows}
