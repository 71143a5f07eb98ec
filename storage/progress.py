"""How far workers are, told in small files that the command reads: the same on every runner."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

from storage import files

FOLDER, SUFFIX = "progress", ".json"


@dataclass(frozen=True)
class Progress:
    """URLs answered by status, and how many hosts have URLs that wait for their turn."""

    answered: dict[str, int] = field(default_factory=dict)
    hosts_waiting: int = 0


def write_progress(folder: str, worker: str, progress: Progress) -> None:
    """Say how far one worker is."""
    files.write_text(files.join(folder, FOLDER, worker + SUFFIX), json.dumps(asdict(progress)))


def read_progress(folder: str) -> Progress:
    """What all workers have said, summed."""
    place = files.join(folder, FOLDER)
    said = [Progress(**json.loads(files.read_text(files.join(place, name)))) for name in files.names_in(place, SUFFIX)]
    answered: Counter[str] = Counter()
    for one in said:
        answered.update(one.answered)
    return Progress(dict(answered), sum(one.hosts_waiting for one in said))


def forget_progress(folder: str) -> None:
    """Remove what was said."""
    files.remove_tree(files.join(folder, FOLDER))
