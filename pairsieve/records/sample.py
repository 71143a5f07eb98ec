"""A sample: a pair with its image (from fetch) and its score (from score)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pairsieve.records.pair import Evidence, Pair


@dataclass(frozen=True, slots=True)
class Image:
    """The result of `fetch` for a pair.

    `status` is "ok", or the reason why there are no bytes. `warc_file` and `record_offset` are set
    if the bytes stay in the archive. Hashes are lower-case hex. `original_width` and the like
    describe the picture as served, if it was reduced for the store. `errors` are the classes of
    exceptions that detectors raised.
    """

    key: bytes
    status: str
    http_status: int | None = None
    final_url: str | None = None
    fetched_at: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    warc_file: str | None = None
    record_offset: int | None = None
    original_width: int | None = None
    original_height: int | None = None
    original_format: str | None = None
    errors: tuple[str, ...] = ()
    evidence: Evidence | None = None


IMAGE_SCHEMA = pa.schema(
    [
        ("key", pa.binary(16)),
        ("status", pa.string()),
        ("http_status", pa.int32()),
        ("final_url", pa.string()),
        ("fetched_at", pa.string()),
        ("content_type", pa.string()),
        ("size_bytes", pa.int64()),
        ("sha256", pa.string()),
        ("md5", pa.string()),
        ("warc_file", pa.string()),
        ("record_offset", pa.int64()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        ("original_format", pa.string()),
        ("errors", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True, slots=True)
class Score:
    """The result of `score` for a pair.

    `status` is "ok", "no_image", or the reason why the picture could not be judged. `similarity` is
    the cosine of picture and caption under `model`, computed in `precision`. `embedding` is the
    picture's unit vector of shape (d,), if the config asks for it. `scored_sha256` is the sha256 of
    the picture that was scored. `looked_at` says whether picture detectors ran on it. `spared_by`
    is set where costly ones did not: "similarity", or the digest of the rule that drops the pair.
    """

    key: bytes
    status: str
    width: int | None = None
    height: int | None = None
    format: str | None = None
    similarity: float | None = None
    model: str | None = None
    precision: str | None = None
    # Records are not compared by it: the comparison of two arrays is an array.
    embedding: NDArray[np.float16] | None = field(default=None, compare=False)
    errors: tuple[str, ...] = ()
    evidence: Evidence | None = None
    scored_sha256: str | None = None
    looked_at: bool = False
    spared_by: str | None = None


SCORE_SCHEMA = pa.schema(
    [
        ("key", pa.binary(16)),
        ("status", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("format", pa.string()),
        ("similarity", pa.float64()),
        ("model", pa.string()),
        ("precision", pa.string()),
        ("embedding", pa.list_(pa.float16())),
        ("errors", pa.list_(pa.string())),
        ("scored_sha256", pa.string()),
        ("looked_at", pa.bool_()),
        ("spared_by", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A pair, its image and its score. They are the same row of the parts of three stages."""

    pair: Pair
    image: Image
    score: Score

    @property
    def errors(self) -> tuple[str, ...]:
        return (*self.image.errors, *self.score.errors)

    def columns(self) -> dict[str, object]:
        """Column -> value, for all columns of the sample. This is the evidence that rules read."""
        image = _fields_of(self.image)
        score = _fields_of(self.score)
        # Both have a status, so each gets a name of its own.
        fetch_status = image.pop("status")
        score_status = score.pop("status")
        return {
            "fetch_status": fetch_status,
            "score_status": score_status,
            **image,
            **score,
            **pair_columns(self.pair),
            **(self.image.evidence or {}),
            **(self.score.evidence or {}),
        }


def pair_columns(pair: Pair) -> dict[str, object]:
    """Column -> value, for the columns that are known before the image is fetched."""
    return {**_fields_of(pair), **pair.evidence}


def _fields_of(record: Pair | Image | Score) -> dict[str, object]:
    # The slots of a record are its fields, in their order.
    names = [name for name in record.__slots__ if name not in ("evidence", "errors")]
    return {name: getattr(record, name) for name in names}
