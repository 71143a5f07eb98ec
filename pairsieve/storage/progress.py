"""How far workers are, told in small files that the command reads: the same on every runner."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pairsieve.storage import files

FOLDER, SUFFIX = "progress", ".json"
TELL_S = 2.0


@dataclass(frozen=True)
class Progress:
    """URLs answered by status, how many hosts have URLs that wait for their turn, and outcomes as
    "unit outcome": number.
    """

    answered: Mapping[str, int] = field(default_factory=dict)
    hosts_waiting: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)


def write_progress(folder: str, worker: str, progress: Progress) -> None:
    """Say how far one worker is."""
    files.write_text(
        files.join(folder, FOLDER, worker + SUFFIX), json.dumps(asdict(progress)), synced=False
    )


def read_progress(folder: str) -> Progress:
    """What all workers have said, summed."""
    place = files.join(folder, FOLDER)
    said = [
        Progress(**json.loads(files.read_text(files.join(place, name))))
        for name in files.names_in(place, SUFFIX)
    ]
    answered, outcomes = Counter[str](), Counter[str]()
    for one in said:
        answered.update(one.answered)
        outcomes.update(one.outcomes)
    return Progress(dict(answered), sum(one.hosts_waiting for one in said), dict(outcomes))


def forget_progress(folder: str) -> None:
    """Remove what was said."""
    files.remove_tree(files.join(folder, FOLDER))


class Teller:
    """Says now and then what one worker has counted, where it was given a folder.

    A tally: (unit, outcome, reason) -> number.
    """

    def __init__(self, folder: str) -> None:
        self._folder, self._worker = folder, uuid.uuid4().hex
        self._before: Counter[tuple[str, str, str]] = Counter()
        self._told_at = time.monotonic()

    def tell(self, tally: Counter[tuple[str, str, str]]) -> None:
        """What is counted so far of what is under way; said every TELL_S seconds at most."""
        if self._folder and time.monotonic() - self._told_at >= TELL_S:
            self._write(self._before + tally)

    def end(self, tally: Counter[tuple[str, str, str]]) -> None:
        """What was under way is done; said at once."""
        self._before += tally
        if self._folder and self._before:
            self._write(self._before)

    def _write(self, tally: Counter[tuple[str, str, str]]) -> None:
        outcomes: Counter[str] = Counter()
        for (unit, outcome, _), number in tally.items():
            outcomes[f"{unit} {outcome}"] += number
        write_progress(self._folder, self._worker, Progress(outcomes=dict(outcomes)))
        self._told_at = time.monotonic()
