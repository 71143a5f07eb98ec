"""Asking again for pictures that could not be had for now, when the command is told to.

A fetch that is asked again gets a new generation: what was scored of the one before is found there and taken over, and
images that are settled keep their rows. Nothing is lost by a crash in between: the manifest goes first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from pipeline.stages import MANIFEST, StageResult
from storage import files, parts
from storage.settled import PREVIOUS, is_transient

LOGGER = logging.getLogger(__name__)
GENERATION = "generation"


def generation_of(fetched: StageResult) -> int:
    """How many times this fetch was asked again."""
    path = fetched.path(GENERATION)
    return int(files.read_text(path)) if files.exists(path) else 0


def reopen(fetched: StageResult, transient: Sequence[str]) -> int:
    """Open the parts of a complete fetch that hold images which may be had now; how many such images there are."""
    found = dict(_transient(fetched.folder, transient))
    if found:
        files.write_text(fetched.path(GENERATION), str(generation_of(fetched) + 1))
        files.remove_file(fetched.path(MANIFEST))
        for name in found:
            files.move(parts.part_path(fetched.folder, name), parts.part_path(fetched.path(PREVIOUS), name))
    return sum(found.values())


def _transient(folder: str, transient: Sequence[str]) -> Iterator[tuple[str, int]]:
    """(part, how many of its images); only parts whose counts hold anything but "ok" are read."""
    for name in parts.part_names(folder):
        if any(outcome == "dropped" for _, outcome, _ in parts.part_summary(folder, name)[1]):
            columns = parts.read_part(folder, name).select(["status", "http_status"]).to_pylist()
            number = sum(is_transient(row["status"], row["http_status"], transient) for row in columns)
            if number:
                yield name, number
