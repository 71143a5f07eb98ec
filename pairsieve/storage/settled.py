"""What earlier runs have settled: images that need not be asked for again, scores that need not be
computed again.

An earlier result is of use where its settings are the same and only what it was given differs (more
files, another opinion of the rules). Buckets are made of hosts, so that a pair lies in the same
bucket there as here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf

from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Score
from pairsieve.records.table import from_table
from pairsieve.storage import files, parts

PREVIOUS = "previous"
# by rules and detectors, whose opinion may be another now
UNDECIDED = ("not_requested", "refused_by_response", "error")
KEPT_BUCKETS = 4
Scored = tuple[bytes, str]
"""Key of a pair, and the sha256 of its picture."""


def is_transient(status: str, http_status: int | None, transient: Sequence[str]) -> bool:
    """Whether a picture may be had another time.

    `transient` holds statuses, and http_503 or http_5xx for answers.
    """
    names = (
        {status}
        if http_status is None or status != "http_error"
        else {status, f"http_{http_status}", f"http_{http_status // 100}xx"}
    )
    return not names.isdisjoint(transient)


@dataclass(frozen=True)
class Earlier:
    """Where earlier results lie: `images` with their `pictures` (folder by folder), and `scores` of
    the kind that will be made now. `detect_from`: from which similarity on picture detectors must
    have looked at a picture for its score to hold.
    """

    images: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    detect_from: float = inf


@dataclass(frozen=True)
class Found:
    """An image that is settled, and where its bytes lie: (folder, part), or None where they are not
    needed.
    """

    image: Image
    bytes_at: tuple[str, str] | None = None


def settled_images(
    folder: str, name: str, transient: Sequence[str], earlier: Earlier, pictures: str
) -> dict[bytes, Image]:
    """Key -> image, of those that the fetch before this one of the same part need not ask for
    again: they are not to be had, or their bytes are there, or nobody needs these any more.
    """
    before = files.join(folder, PREVIOUS)
    if not files.exists(parts.part_path(before, name)):
        return {}
    images = from_table(parts.read_part(before, name), Image, IMAGE_SCHEMA)
    stored, scored = (
        stored_in(pictures, name),
        scored_in(earlier.scores, parts.bucket_of(name), earlier.detect_from),
    )
    return {
        image.key: image
        for image in images
        if not is_transient(image.status, image.http_status, transient)
        and not lacks_bytes(image, scored, stored)
    }


def lacks_bytes(image: Image, scored: Collection[Scored], stored: Collection[str]) -> bool:
    """Whether a picture must still be scored, and its bytes are neither in the archive nor
    stored.
    """
    if image.status != "ok" or image.warc_file is not None or image.sha256 is None:
        return False
    return image.sha256 not in stored and (image.key, image.sha256) not in scored


def forget_previous(folder: str, name: str) -> None:
    """The part has been fetched anew."""
    files.remove_file(parts.part_path(files.join(folder, PREVIOUS), name))


@dataclass(frozen=True)
class EarlierImages:
    """Images of earlier fetches, bucket by bucket."""

    earlier: Earlier
    _known: dict[int, Mapping[bytes, Found]] = field(default_factory=dict)

    def of(self, name: str) -> Mapping[bytes, Found]:
        """Key -> image, of the bucket of a part."""
        bucket = parts.bucket_of(name)
        if bucket not in self._known:
            while len(self._known) >= KEPT_BUCKETS:
                del self._known[next(iter(self._known))]
            self._known[bucket] = dict(self._found(bucket))
        return self._known[bucket]

    def _found(self, bucket: int) -> Iterator[tuple[bytes, Found]]:
        scored = scored_in(self.earlier.scores, bucket, self.earlier.detect_from)
        for folder, pictures in zip(self.earlier.images, self.earlier.pictures, strict=True):
            for name in parts.of_bucket(folder, bucket):
                stored = stored_in(pictures, name)
                for image in from_table(parts.read_part(folder, name), Image, IMAGE_SCHEMA):
                    if image.status in UNDECIDED or image.errors:
                        continue
                    if image.sha256 in stored:
                        yield image.key, Found(image, (pictures, name))
                    elif image.status != "ok" or (image.key, image.sha256) in scored:
                        yield image.key, Found(image)


def holds(status: str, similarity: float | None, looked_at: bool, detect_from: float) -> bool:
    """Whether a score needs nothing more: detectors have seen its picture, or need not."""
    return looked_at or status != "ok" or similarity is None or similarity < detect_from


@lru_cache(KEPT_BUCKETS)
def scored_in(folders: tuple[str, ...], bucket: int, detect_from: float) -> frozenset[Scored]:
    """(key, sha256) of the pictures of a bucket whose scores hold.

    `folders`: complete results, which stay as they are.
    """
    wanted = ["key", "scored_sha256", "status", "similarity", "looked_at"]
    tables = (
        parts.read_part(folder, name).select(wanted)
        for folder in folders
        for name in parts.of_bucket(folder, bucket)
    )
    rows = (row for table in tables for row in table.to_pylist())
    return frozenset(
        (row["key"], row["scored_sha256"])
        for row in rows
        if row["scored_sha256"]
        and holds(row["status"], row["similarity"], row["looked_at"], detect_from)
    )


def stored_in(pictures: str, name: str) -> frozenset[str]:
    """The sha256 of every picture that a part's store holds."""
    if not files.exists(parts.pictures_path(pictures, name)):
        return frozenset()
    with parts.open_pictures(pictures, name) as stored:
        return frozenset(stored.names())


def settled_scores(
    folders: Sequence[str], name: str, images: Mapping[bytes, Image], detect_from: float = inf
) -> dict[bytes, Score]:
    """Key -> score, of pairs whose picture is the one that was scored, and whose score holds."""
    bucket = parts.bucket_of(name)
    known = (item for folder in folders for item in _scores_of(folder, bucket).items())
    return {
        key: score
        for key, score in known
        if key in images
        and score.scored_sha256 == images[key].sha256
        and holds(score.status, score.similarity, score.looked_at, detect_from)
    }


@lru_cache(KEPT_BUCKETS)
def _scores_of(folder: str, bucket: int) -> Mapping[bytes, Score]:
    tables = (parts.read_part(folder, name) for name in parts.of_bucket(folder, bucket))
    return {
        score.key: score
        for table in tables
        for score in from_table(table, Score, SCORE_SCHEMA)
        if score.scored_sha256
    }
