"""Fetches pictures again: if asked to, those that failed for now; and deleted ones that are needed.

A fetch that is done again gets a new generation. Scores of the generation before are found there
and reused, and settled images keep their rows. A crash in between loses nothing, because the
manifest is removed first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pairsieve.records.sample import IMAGE_SCHEMA, Image
from pairsieve.records.table import from_table
from pairsieve.storage import files, parts
from pairsieve.storage.settled import (
    PREVIOUS,
    Looking,
    ScoredPicture,
    is_transient,
    lacks_bytes,
    scored_pictures,
    stored_pictures,
)
from pipeline.orchestrate.stage_result import MANIFEST, StageResult, summaries

GENERATION = "generation"


def generation_of(fetched: StageResult) -> int:
    """How many times this fetch was reopened."""
    path = fetched.path(GENERATION)
    return int(files.read_text(path)) if files.exists(path) else 0


def reopen(fetched: StageResult, transient: Sequence[str]) -> int:
    """Reopen the parts of a complete fetch that hold images with a transient status.

    Returns the number of such images.
    """
    images_by_part = dict(_transient(fetched.folder, transient))
    if images_by_part:
        reopen_parts(fetched, images_by_part)
    return sum(images_by_part.values())


def without_pictures(
    fetched: StageResult, pictures: str, scores: Sequence[str], looking: Looking
) -> dict[str, int]:
    """Part -> the number of its images that must be scored, but whose bytes were deleted."""
    names = parts.part_names(fetched.folder)
    if not generation_of(fetched):
        # In a fetch that was never reopened, a part with a store has all its pictures.
        names = [name for name in names if not files.exists(parts.pictures_path(pictures, name))]
    numbers = {}
    for name in names:
        scored = scored_pictures(tuple(scores), parts.bucket_of(name), looking)
        number = _unscored(fetched.folder, name, scored, stored_pictures(pictures, name))
        if number:
            numbers[name] = number
    return numbers


def reopen_parts(fetched: StageResult, names: Collection[str]) -> None:
    """Reopen parts of a complete fetch.

    The next fetch requests the images in them whose bytes are missing, and no others.
    """
    # First. After a crash behind this line the fetch is complete still, and scoring has a new name
    # and takes over all scores.
    files.write_text(fetched.path(GENERATION), str(generation_of(fetched) + 1))
    # Before the parts move: a complete result must have all its parts.
    files.remove_file(fetched.path(MANIFEST))
    previous = fetched.path(PREVIOUS)
    for name in names:
        files.move(parts.part_path(fetched.folder, name), parts.part_path(previous, name))


def _unscored(
    folder: str, name: str, scored: Collection[ScoredPicture], stored: Collection[str]
) -> int:
    """How many images of a part must be scored, but lack their bytes."""
    images = from_table(parts.read_part(folder, name), Image, IMAGE_SCHEMA)
    return sum(lacks_bytes(image, scored, stored) for image in images)


def _transient(folder: str, transient: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield (part, number of its images with a transient status), of parts that have some."""
    for part in summaries(folder, parts.part_names(folder)):
        # A part that dropped nothing need not be read: all of its images are there.
        if not any(outcome == "dropped" for _, outcome, _ in part.tally):
            continue
        table = parts.read_part(folder, part.name).select(["status", "http_status"])
        number = sum(
            is_transient(row["status"], row["http_status"], transient) for row in table.to_pylist()
        )
        if number:
            yield part.name, number
