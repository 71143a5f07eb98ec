"""The result that a job writes at its end: its tally and one list, as two JSON files.

The tally is written last. If it exists, the job has ended.
"""

from __future__ import annotations

import json
from typing import Any

from pairsieve.records.outcome import Tally
from pairsieve.storage import files

TALLY_FILE = "tally.json"
PROBLEMS_FILE = "problems.json"
"""The list of extract: (where, unit, reason) of each unit that could not be read."""

SHARDS_FILE = "shards.json"
"""The list of publish: (path, rows, bytes, sha256) of each shard."""

AGGREGATES_FILE = "aggregates.json"
"""What publish has counted of all rows and decisions, for card and report."""

Outcomes = dict[tuple[str, str, str], int]
"""A tally as a plain dict, as it passes a shuffle: (unit, outcome, reason) -> number."""

JobEnd = tuple[Outcomes, list[Any]]
"""The tally and the list of a job."""


def write_end(end: JobEnd, folder: str, list_file: str) -> None:
    """Write the list, then the tally as sorted rows [unit, outcome, reason, number]."""
    outcomes, listed = end
    files.write_text(files.join(folder, list_file), json.dumps(listed))
    rows = sorted([*key, number] for key, number in outcomes.items())
    files.write_text(files.join(folder, TALLY_FILE), json.dumps(rows))


def has_ended(folder: str) -> bool:
    """Whether the job whose result is in this folder has ended."""
    return files.exists(files.join(folder, TALLY_FILE))


def forget_end(folder: str) -> None:
    """Remove the tally, so that the job counts as one that has not ended."""
    files.remove_file(files.join(folder, TALLY_FILE))


def read_tally(folder: str) -> Tally:
    """Read the tally of a job that has ended."""
    rows: list[list[Any]] = json.loads(files.read_text(files.join(folder, TALLY_FILE)))
    return Tally({(unit, outcome, reason): number for unit, outcome, reason, number in rows})


def read_list(folder: str, list_file: str) -> list[Any]:
    """Read the list of a job that has ended."""
    listed: list[Any] = json.loads(files.read_text(files.join(folder, list_file)))
    return listed
