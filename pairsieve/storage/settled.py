"""Reuse of earlier runs: images that need no new request, and scores that need no new computing.

An earlier result can be reused when its settings are the same and only its input differs: more
files, or rules that now decide otherwise. A bucket is a set of image hosts. So a pair lies in the
same bucket in the earlier result and in this one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf

from cachetools import LRUCache

from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Score
from pairsieve.records.table import from_table
from pairsieve.storage import files, parts

PREVIOUS = "previous"
"""The folder, below a fetch, of its parts that are being fetched again."""

# Statuses that came from rules and detectors. These may decide otherwise in the next run.
UNDECIDED = ("not_requested", "refused_by_response", "error")

CACHED_BUCKETS = 4
SIMILARITY = "similarity"
"""What `Score.spared_by` holds where the similarity is too low for costly detectors."""

ScoredPicture = tuple[bytes, str]
"""(key of a pair, sha256 of its picture)."""


def is_transient(status: str, http_status: int | None, transient: Sequence[str]) -> bool:
    """Whether a picture that could not be fetched may be had later.

    `transient` holds statuses. It may also hold HTTP errors: http_503 for one, http_5xx for all.
    """
    if status in transient:
        return True
    if status != "http_error" or http_status is None:
        return False
    one_code = f"http_{http_status}"
    class_of_codes = f"http_{http_status // 100}xx"
    return one_code in transient or class_of_codes in transient


@dataclass(frozen=True)
class Looking:
    """At which pairs picture detectors look, and so which scores are complete.

    `detect_from` and `costly_from` are the lowest similarities at which picture detectors, and
    costly ones, run. `sparing` holds the digests of the rules that keep costly ones from running on
    the pairs that they drop.
    """

    detect_from: float = inf
    costly_from: float = inf
    sparing: frozenset[str] = frozenset()

    def is_complete(
        self, status: str, similarity: float | None, looked_at: bool, spared_by: str | None
    ) -> bool:
        """Whether detectors ran on the picture of a score, or need not run on it.

        They need not run on a picture that could not be judged (its status is not "ok").
        """
        if status != "ok" or similarity is None:
            return True
        if not looked_at:
            return similarity < self.detect_from
        if spared_by is None:
            return True
        if spared_by == SIMILARITY:
            return similarity < self.costly_from
        return spared_by in self.sparing


@dataclass(frozen=True)
class EarlierResults:
    """Folders of earlier results.

    `images` are results of fetches, and `pictures` holds the folder of stored pictures for each of
    them. `scores` are results that were made with the settings of the next score. `looking` says
    which of these scores are complete.
    """

    images: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    looking: Looking = Looking()


@dataclass(frozen=True)
class SettledImage:
    """An image that needs no new request.

    `bytes_at` is the (folder, part) that stores its picture, or None if nobody needs the bytes.
    """

    image: Image
    bytes_at: tuple[str, str] | None = None


def settled_images(
    folder: str, name: str, transient: Sequence[str], earlier: EarlierResults, pictures: str
) -> dict[bytes, Image]:
    """Key -> image, for the images of a reopened part that need no new request.

    They are the images that cannot be had, those whose bytes are stored, and those whose bytes
    nobody needs any more.
    """
    before = files.join(folder, PREVIOUS)
    if not files.exists(parts.part_path(before, name)):
        return {}
    stored = stored_pictures(pictures, name)
    scored = scored_pictures(earlier.scores, parts.bucket_of(name), earlier.looking)
    settled = {}
    for image in _read_images(before, name):
        if is_transient(image.status, image.http_status, transient):
            continue
        if not lacks_bytes(image, scored, stored):
            settled[image.key] = image
    return settled


def lacks_bytes(image: Image, scored: Collection[ScoredPicture], stored: Collection[str]) -> bool:
    """Whether a picture must still be scored, and its bytes are neither stored nor in a WARC."""
    if image.status != "ok" or image.warc_file is not None or image.sha256 is None:
        return False
    is_stored = image.sha256 in stored
    is_scored = (image.key, image.sha256) in scored
    return not is_stored and not is_scored


def forget_previous(folder: str, name: str) -> None:
    """Remove the earlier copy of a part, once the part has been fetched again."""
    files.remove_file(parts.part_path(files.join(folder, PREVIOUS), name))


@dataclass(frozen=True)
class EarlierImages:
    """Reads the settled images of earlier fetches. It caches the last buckets."""

    earlier: EarlierResults
    _cache: MutableMapping[int, Mapping[bytes, SettledImage]] = field(
        default_factory=lambda: LRUCache(CACHED_BUCKETS)
    )

    def of(self, name: str) -> Mapping[bytes, SettledImage]:
        """Key -> settled image, for all pairs of the bucket to which a part belongs."""
        bucket = parts.bucket_of(name)
        images = self._cache.get(bucket)
        if images is None:
            images = self._read(bucket)
            self._cache[bucket] = images
        return images

    def _read(self, bucket: int) -> dict[bytes, SettledImage]:
        """Key -> settled image. Of an image with several results the last one counts."""
        scored = scored_pictures(self.earlier.scores, bucket, self.earlier.looking)
        settled = {}
        for folder, pictures in zip(self.earlier.images, self.earlier.pictures, strict=True):
            for name in parts.of_bucket(folder, bucket):
                stored = stored_pictures(pictures, name)
                for image in _read_images(folder, name):
                    if image.status in UNDECIDED or image.errors:
                        continue
                    if image.sha256 in stored:
                        settled[image.key] = SettledImage(image, (pictures, name))
                    # Without bytes it is settled if there are none, or if it was scored.
                    elif image.status != "ok" or (image.key, image.sha256) in scored:
                        settled[image.key] = SettledImage(image)
        return settled


def _read_images(folder: str, name: str) -> list[Image]:
    return from_table(parts.read_part(folder, name), Image, IMAGE_SCHEMA)


@lru_cache(CACHED_BUCKETS)
def scored_pictures(
    folders: tuple[str, ...], bucket: int, looking: Looking
) -> frozenset[ScoredPicture]:
    """The pictures of a bucket that have a complete score.

    `folders` are complete results. These never change, so that the answer can be cached.
    """
    columns = ["key", "scored_sha256", "status", "similarity", "looked_at", "spared_by"]
    scored = set()
    for folder in folders:
        for name in parts.of_bucket(folder, bucket):
            for row in parts.read_part(folder, name).select(columns).to_pylist():
                # Without a picture there was nothing to score.
                if not row["scored_sha256"]:
                    continue
                if looking.is_complete(
                    row["status"], row["similarity"], row["looked_at"], row["spared_by"]
                ):
                    scored.add((row["key"], row["scored_sha256"]))
    return frozenset(scored)


def stored_pictures(pictures: str, name: str) -> frozenset[str]:
    """The sha256 of each picture in the store of a part."""
    if not files.exists(parts.pictures_path(pictures, name)):
        return frozenset()
    with parts.open_pictures(pictures, name) as stored:
        return frozenset(stored.names())


def settled_scores(
    folders: Sequence[str], name: str, images: Mapping[bytes, Image], looking: Looking
) -> dict[bytes, Score]:
    """Key -> score, for the pairs of a part whose score is complete and of the same picture."""
    bucket = parts.bucket_of(name)
    settled = {}
    for folder in folders:
        for key, score in _scores_of(folder, bucket).items():
            image = images.get(key)
            if image is None or image.sha256 != score.scored_sha256:
                continue
            if looking.is_complete(
                score.status, score.similarity, score.looked_at, score.spared_by
            ):
                settled[key] = score
    return settled


@lru_cache(CACHED_BUCKETS)
def _scores_of(folder: str, bucket: int) -> Mapping[bytes, Score]:
    """Key -> score, for all pictures of a bucket that were scored."""
    scores = {}
    for name in parts.of_bucket(folder, bucket):
        for score in from_table(parts.read_part(folder, name), Score, SCORE_SCHEMA):
            if score.scored_sha256:
                scores[score.key] = score
    return scores
