"""What earlier runs have settled: images that need not be asked for again, scores that need not be computed again.

An earlier result is of use where its settings are the same and only what it was given differs (more files, another opinion of the
rules). Buckets are made of hosts, so that a pair lies in the same bucket there as here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Score
from records.table import from_table
from storage import files, parts

PREVIOUS = "previous"
UNDECIDED = ("not_requested", "refused_by_response", "error")  # by rules and detectors, whose opinion may be another now
KEPT_BUCKETS = 4


def is_transient(status: str, http_status: int | None, transient: Sequence[str]) -> bool:
    """Whether a picture may be had another time. `transient` holds statuses, and http_503 or http_5xx for answers."""
    names = {status} if http_status is None or status != "http_error" else {status, f"http_{http_status}", f"http_{http_status // 100}xx"}
    return not names.isdisjoint(transient)


@dataclass(frozen=True)
class Earlier:
    """Where earlier results lie: `images` with their `pictures` (folder by folder), and `scores` of the kind that will be made now."""

    images: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """An image that is settled, and where its bytes lie: (folder, part), or None where they are not needed."""

    image: Image
    bytes_at: tuple[str, str] | None = None


def settled_images(folder: str, name: str, transient: Sequence[str]) -> dict[bytes, Image]:
    """Key -> image, of those that the fetch before this one of the same part need not ask for again."""
    before = files.join(folder, PREVIOUS)
    if not files.exists(parts.part_path(before, name)):
        return {}
    images = from_table(parts.read_part(before, name), Image, IMAGE_SCHEMA)
    return {image.key: image for image in images if not is_transient(image.status, image.http_status, transient)}


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
        scored = {key for folder in self.earlier.scores for key in _scored(folder, bucket)}
        for folder, pictures in zip(self.earlier.images, self.earlier.pictures, strict=True):
            for name in parts.of_bucket(folder, bucket):
                stored = _stored(pictures, name)
                for image in from_table(parts.read_part(folder, name), Image, IMAGE_SCHEMA):
                    if image.status in UNDECIDED or image.errors:
                        continue
                    if image.sha256 in stored:
                        yield image.key, Found(image, (pictures, name))
                    elif image.status != "ok" or (image.key, image.sha256) in scored:
                        yield image.key, Found(image)


def _scored(folder: str, bucket: int) -> set[tuple[bytes, str | None]]:
    tables = (parts.read_part(folder, name).select(["key", "scored_sha256"]) for name in parts.of_bucket(folder, bucket))
    return {(row["key"], row["scored_sha256"]) for table in tables for row in table.to_pylist() if row["scored_sha256"]}


def _stored(pictures: str, name: str) -> frozenset[str]:
    if not files.exists(parts.pictures_path(pictures, name)):
        return frozenset()
    with parts.open_pictures(pictures, name) as stored:
        return frozenset(stored.names())


def settled_scores(folders: Sequence[str], name: str, images: Mapping[bytes, Image]) -> dict[bytes, Score]:
    """Key -> score, of pairs whose picture is the one that was scored."""
    bucket = parts.bucket_of(name)
    known = (item for folder in folders for item in _scores_of(folder, bucket).items())
    return {key: score for key, score in known if key in images and score.scored_sha256 == images[key].sha256}


@lru_cache(KEPT_BUCKETS)
def _scores_of(folder: str, bucket: int) -> Mapping[bytes, Score]:
    tables = (parts.read_part(folder, name) for name in parts.of_bucket(folder, bucket))
    return {score.key: score for table in tables for score in from_table(table, Score, SCORE_SCHEMA) if score.scored_sha256}
