"""Hashes the pictures of a folder, which may be anything, in processes that may be killed."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator

from pairsieve.erasure.requests import EXAMPLES
from pairsieve.images.decode import Decoded, decode
from pairsieve.images.pdq import orientations_of
from pairsieve.images.processes import Crashed, Processes, Task
from pairsieve.storage import files

Hashes = tuple[bytes, ...]
WAITING_PER_PROCESS = 4
"""Pictures that are read ahead for each process."""


def hash_pictures(folder: str) -> Iterator[tuple[str, Hashes]]:
    """Yield each file below a folder with the hashes of its picture, sorted by name.

    There are up to 16: of each orientation, with and without borders. A file that is no picture, or
    shows too little, has none.
    """
    number = os.cpu_count() or 1
    processes = Processes(number)
    waiting: deque[tuple[str, Task[Hashes]]] = deque()
    try:
        for name in files.files_below(folder):
            with files.open_read(files.join(folder, name)) as stream:
                content = stream.read()
            waiting.append((name, processes.submit(hashes_of, content)))
            if len(waiting) > number * WAITING_PER_PROCESS:
                yield _first(processes, waiting)
        while waiting:
            yield _first(processes, waiting)
    finally:
        processes.close()


def _first(processes: Processes, waiting: deque[tuple[str, Task[Hashes]]]) -> tuple[str, Hashes]:
    name, task = waiting.popleft()
    hashes = processes.result(task)
    return name, () if isinstance(hashes, Crashed) else hashes


def hashes_of(content: bytes) -> Hashes:
    """The hashes of a picture in all orientations; none for what is no picture."""
    picture = decode(content, EXAMPLES)
    return orientations_of(picture.image) if isinstance(picture, Decoded) else ()
