"""Progress of workers, in small files that the command reads. This works on every runner."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pairsieve.storage import files

FOLDER, SUFFIX = "progress", ".json"
WRITE_EVERY_S = 2.0


@dataclass(frozen=True)
class Progress:
    """The progress of one worker, or of all.

    `answered` counts URLs by status. `hosts_waiting` is the number of hosts with URLs that wait
    for their turn. `outcomes` counts units, as "unit outcome" -> number.
    """

    answered: Mapping[str, int] = field(default_factory=dict)
    hosts_waiting: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)


def write_progress(folder: str, worker: str, progress: Progress) -> None:
    """Write the progress of one worker, over what it wrote before."""
    path = files.join(folder, FOLDER, worker + SUFFIX)
    files.write_text(path, json.dumps(asdict(progress)), synced=False)


def read_progress(folder: str) -> Progress:
    """The sum of the progress of all workers."""
    progress_folder = files.join(folder, FOLDER)
    answered = Counter[str]()
    outcomes = Counter[str]()
    hosts_waiting = 0
    for name in files.names_in(progress_folder, SUFFIX):
        text = files.read_text(files.join(progress_folder, name))
        progress = Progress(**json.loads(text))
        answered.update(progress.answered)
        outcomes.update(progress.outcomes)
        hosts_waiting += progress.hosts_waiting
    return Progress(dict(answered), hosts_waiting, dict(outcomes))


def forget_progress(folder: str) -> None:
    """Remove the progress of all workers."""
    files.remove_tree(files.join(folder, FOLDER))


class ProgressWriter:
    """Writes the counts of one worker now and then. With an empty folder it writes nothing.

    A tally is (unit, outcome, reason) -> number.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._worker = uuid.uuid4().hex
        self._finished: Counter[tuple[str, str, str]] = Counter()
        self._written_at = time.monotonic()

    def report(self, tally: Counter[tuple[str, str, str]]) -> None:
        """Report the counts of unfinished work, at most every WRITE_EVERY_S seconds."""
        if self._folder and time.monotonic() - self._written_at >= WRITE_EVERY_S:
            self._write(self._finished + tally)

    def finish(self, tally: Counter[tuple[str, str, str]]) -> None:
        """Report the counts of finished work at once."""
        self._finished += tally
        if self._folder and self._finished:
            self._write(self._finished)

    def _write(self, tally: Counter[tuple[str, str, str]]) -> None:
        outcomes: Counter[str] = Counter()
        for (unit, outcome, _), number in tally.items():
            outcomes[f"{unit} {outcome}"] += number
        write_progress(self._folder, self._worker, Progress(outcomes=dict(outcomes)))
        self._written_at = time.monotonic()
