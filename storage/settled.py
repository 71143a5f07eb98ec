"""What an earlier fetch or scoring of the same part has settled."""

from __future__ import annotations

from collections.abc import Sequence

from records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Score
from records.table import from_table
from storage import files, parts

PREVIOUS = "previous"


def is_transient(status: str, http_status: int | None, transient: Sequence[str]) -> bool:
    """Whether a picture may be had another time. `transient` holds statuses, and http_503 or http_5xx for answers."""
    names = {status} if http_status is None or status != "http_error" else {status, f"http_{http_status}", f"http_{http_status // 100}xx"}
    return not names.isdisjoint(transient)


def settled_images(folder: str, name: str, transient: Sequence[str]) -> dict[bytes, Image]:
    """Key -> image, of those that the fetch before this one need not ask for again."""
    before = files.join(folder, PREVIOUS)
    if not files.exists(parts.part_path(before, name)):
        return {}
    images = from_table(parts.read_part(before, name), Image, IMAGE_SCHEMA)
    return {image.key: image for image in images if not is_transient(image.status, image.http_status, transient)}


def forget_previous(folder: str, name: str) -> None:
    """The part has been fetched anew."""
    files.remove_file(parts.part_path(files.join(folder, PREVIOUS), name))


def settled_scores(folder: str | None, name: str) -> dict[bytes, Score]:
    """Key -> score, of pictures that were scored before the fetch was asked again."""
    if folder is None or not files.exists(parts.part_path(folder, name)):
        return {}
    scores = from_table(parts.read_part(folder, name), Score, SCORE_SCHEMA)
    return {score.key: score for score in scores if score.status != "no_image"}
