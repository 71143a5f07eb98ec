"""The result of a job: the sum of the results of its groups.

Each group of a job's last shuffle writes one small file: its result, which says what it has
counted. When the file of every group is there, the job has ended, and whoever waits for it sums
them. So no worker has to wait for the others, and a job for which nobody waited can be taken over.

The sum is a tally and one list, as two JSON files, and the aggregates of a dataset's rows where
there are any. The tally is written last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

GROUPS = "groups"
"""The folder, below that of a job, of the results of its groups."""

FILES_AT_ONCE = 1000
"""How many files of groups are read together. That of a shard has its histograms, a few kB."""

GroupKey = tuple[str, int]
"""(what a group of a shuffle holds, its number)."""

Outcomes = dict[tuple[str, str, str], int]
"""A tally as a plain dict, as it passes a shuffle: (unit, outcome, reason) -> number."""


class GroupsMissing(RuntimeError):
    """The result of a group is not there."""


@dataclass(frozen=True, slots=True)
class GroupResult:
    """What one group has counted. `listed` are its problems, or the files that it has written."""

    key: GroupKey
    outcomes: Outcomes = field(default_factory=dict)
    listed: Sequence[Sequence[Any]] = ()
    aggregates: Aggregates | None = None


def write_group_result(result: GroupResult, folder: str) -> None:
    """Write the result of a group. A runner may repeat it; the file is the same then."""
    content = {
        "outcomes": _rows_of(result.outcomes),
        "listed": result.listed,
        "aggregates": None if result.aggregates is None else result.aggregates.text(),
    }
    # A file that a power cut leaves cut off counts as one that is missing.
    path = files.join(folder, GROUPS, _name(result.key))
    files.write_text(path, json.dumps(content), synced=False)


def take_over(folder: str, keys_of_job: Callable[[], Iterable[GroupKey]], list_file: str) -> bool:
    """Write the result of a job that has ended while nobody waited for it.

    Returns whether the job has ended: whether its result is there, now or from before. The keys of
    its groups are asked for only where a group has written something.
    """
    if has_ended(folder):
        return True
    if not _written_groups(folder):
        return False
    try:
        write_result(folder, keys_of_job(), list_file)
    except GroupsMissing:
        return False
    return True


def write_result(folder: str, keys: Iterable[GroupKey], list_file: str) -> None:
    """Sum the results of the groups of a job, and write the result of the job.

    An earlier result is written over. Raises GroupsMissing.
    """
    groups = files.join(folder, GROUPS)
    expected = {_name(key) for key in keys}
    missing = sorted(expected - _written_groups(folder))
    if missing:
        raise _missing(missing, len(expected), groups)

    tally, listed = Tally(), list[list[Any]]()
    aggregates: Aggregates | None = None
    for name, content in _read_all(groups, sorted(expected)):
        if content is None:
            raise _missing([name], len(expected), groups)
        tally.update(_outcomes_of(content["outcomes"]))
        listed += content["listed"]
        if content["aggregates"] is not None:
            # One by one: those of ten thousand shards must not be in memory together.
            part = read_aggregates(content["aggregates"])
            aggregates = sum_aggregates([aggregates, part]) if aggregates else part

    # Sorted, because groups end in any order, and the list must be the same in every run.
    files.write_text(files.join(folder, list_file), json.dumps(sorted(listed)))
    if aggregates:
        files.write_text(files.join(folder, AGGREGATES_FILE), aggregates.text())
    # Last, because `has_ended` looks for it alone.
    files.write_text(files.join(folder, TALLY_FILE), json.dumps(_rows_of(tally)))
    files.remove_tree(groups)


def _written_groups(folder: str) -> set[str]:
    """The names of the files of those groups that have written their results."""
    groups = files.join(folder, GROUPS)
    files.forget_listing(groups)  # workers have written there
    return set(files.names_in(groups))


def _missing(names: Sequence[str], groups: int, folder: str) -> GroupsMissing:
    return GroupsMissing(
        f"the job has ended, but {len(names)} of its {groups} files of counts are missing in "
        f"{folder} or cut off, as {names[0]}. Does every worker write to the folder that this "
        "command reads?"
    )


def _read_all(folder: str, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """The name of each file with what it holds, None for one that is cut off."""
    for start in range(0, len(names), FILES_AT_ONCE):
        some = names[start : start + FILES_AT_ONCE]
        texts = files.read_texts([files.join(folder, name) for name in some])
        for name, text in zip(some, texts, strict=True):
            try:
                yield name, json.loads(text)
            except json.JSONDecodeError:
                yield name, None


def has_ended(folder: str) -> bool:
    """Whether the result of a job is in this folder."""
    return files.exists(files.join(folder, TALLY_FILE))


def forget_end(folder: str) -> None:
    """Remove tally and results of groups, so that the job counts as one that has not ended."""
    # First those of groups. A kill before the tally is removed leaves a job that has ended; the
    # other way round the next run would sum them again.
    files.remove_tree(files.join(folder, GROUPS))
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
