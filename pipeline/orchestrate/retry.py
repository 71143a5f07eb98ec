"""Asking again: for pictures that could not be had for now, when the command is told to, and for
those that were deleted and are needed.

A fetch that is asked again gets a new generation: what was scored of the one before is found there
and taken over, and images that are settled keep their rows. Nothing is lost by a crash in between:
the manifest goes first.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from pairsieve.records.sample import IMAGE_SCHEMA, Image
from pairsieve.records.table import from_table
from pairsieve.storage import files, parts
from pairsieve.storage.settled import (
    PREVIOUS,
    ScoredPicture,
    is_transient,
    lacks_bytes,
    scored_pictures,
    stored_pictures,
)
from pipeline.orchestrate.stage_result import MANIFEST, StageResult

LOGGER = logging.getLogger(__name__)
GENERATION = "generation"


def generation_of(fetched: StageResult) -> int:
    """How many times this fetch was asked again."""
    path = fetched.path(GENERATION)
    return int(files.read_text(path)) if files.exists(path) else 0


def reopen(fetched: StageResult, transient: Sequence[str]) -> int:
    """Open the parts of a complete fetch that hold images which may be had now; how many such
    images there are.
    """
    found = dict(_transient(fetched.folder, transient))
    if found:
        reopen_parts(fetched, found)
    return sum(found.values())


def without_pictures(
    fetched: StageResult, pictures: str, scores: Sequence[str], detect_from: float
) -> dict[str, int]:
    """Part -> how many of its images must be scored and have been deleted since they were
    fetched.
    """
    names = parts.part_names(fetched.folder)
    if not generation_of(fetched):  # then a part's store, where it is there, holds them all
        names = [name for name in names if not files.exists(parts.pictures_path(pictures, name))]
    scored = partial(scored_pictures, tuple(scores), detect_from=detect_from)
    numbers = (
        (
            name,
            _unscored(
                fetched.folder, name, scored(parts.bucket_of(name)), stored_pictures(pictures, name)
            ),
        )
        for name in names
    )
    return {name: number for name, number in numbers if number}


def reopen_parts(fetched: StageResult, names: Collection[str]) -> None:
    """Open these parts of a complete fetch: what lacks its bytes is asked for again, and nothing
    else.
    """
    files.write_text(fetched.path(GENERATION), str(generation_of(fetched) + 1))
    files.remove_file(fetched.path(MANIFEST))
    for name in names:
        files.move(
            parts.part_path(fetched.folder, name), parts.part_path(fetched.path(PREVIOUS), name)
        )


def _unscored(
    folder: str, name: str, scored: Collection[ScoredPicture], stored: Collection[str]
) -> int:
    return sum(
        lacks_bytes(image, scored, stored)
        for image in from_table(parts.read_part(folder, name), Image, IMAGE_SCHEMA)
    )


def _transient(folder: str, transient: Sequence[str]) -> Iterator[tuple[str, int]]:
    """(part, how many of its images); only parts whose counts hold anything but "ok" are read."""
    for name in parts.part_names(folder):
        if any(outcome == "dropped" for _, outcome, _ in parts.part_summary(folder, name).tally):
            columns = parts.read_part(folder, name).select(["status", "http_status"]).to_pylist()
            number = sum(
                is_transient(row["status"], row["http_status"], transient) for row in columns
            )
            if number:
                yield name, number
