"""How far workers are, told in small files that the command reads: the same on every runner."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from storage import files

FOLDER, SUFFIX = "progress", ".json"
TELL_S = 2.0


@dataclass(frozen=True)
class Progress:
    """URLs answered by status, how many hosts have URLs that wait for their turn, and outcomes as "unit outcome": number."""

    answered: Mapping[str, int] = field(default_factory=dict)
    hosts_waiting: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)


def write_progress(folder: str, worker: str, progress: Progress) -> None:
    """Say how far one worker is."""
    files.write_text(files.join(folder, FOLDER, worker + SUFFIX), json.dumps(asdict(progress)))


def read_progress(folder: str) -> Progress:
    """What all workers have said, summed."""
    place = files.join(folder, FOLDER)
    said = [Progress(**json.loads(files.read_text(files.join(place, name)))) for name in files.names_in(place, SUFFIX)]
    answered, outcomes = Counter[str](), Counter[str]()
    for one in said:
        answered.update(one.answered)
        outcomes.update(one.outcomes)
    return Progress(dict(answered), sum(one.hosts_waiting for one in said), dict(outcomes))


def forget_progress(folder: str) -> None:
    """Remove what was said."""
    files.remove_tree(files.join(folder, FOLDER))


class Teller:
    """Counts outcomes of one worker and says so now and then, where it was given a folder."""

    def __init__(self, folder: str) -> None:
        self._folder, self._worker = folder, uuid.uuid4().hex
        self._outcomes: Counter[str] = Counter()
        self._told_at = time.monotonic()

    def count(self, unit: str, outcome: str, number: int) -> None:
        """Count one outcome."""
        self._outcomes[f"{unit} {outcome}"] += number

    def tell(self, at_once: bool = False) -> None:
        """Say what was counted, at most every TELL_S seconds."""
        now = time.monotonic()
        if self._folder and self._outcomes and (at_once or now - self._told_at >= TELL_S):
            write_progress(self._folder, self._worker, Progress(outcomes=dict(self._outcomes)))
            self._told_at = now
