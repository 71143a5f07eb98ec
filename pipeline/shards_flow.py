"""The jobs over the shards of a dataset: of the release check, of an erasure, and of an index.

check     shards              -> a review of all rows
find      shards              -> rows that requests are about
rewrite   shards with matches -> the same shards without these rows, beside the present ones
index     shards              -> pieces of an index, which the launcher puts together

Each is one transform, whose element is a shard. Rows that were found, new shards and pieces go to
files; the transform says what crosses its shuffle. What comes before and after is the launcher's
(pipeline/dataset/erasure.py, pairsieve/search/index.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam


@dataclass(frozen=True)
class ShardsJob:
    """What a job over shards needs: the shards, and the transform that takes them.

    `step` is the transform's label, by which error messages and pages of runners name it.
    """

    shards: Sequence[Any]
    step: str
    transform: beam.PTransform


def over_shards(pipeline: beam.Pipeline, job: ShardsJob) -> None:
    """Shards of a dataset -> what the transform makes of them."""
    shards = pipeline | "List shards" >> beam.Create(list(job.shards))
    _ = shards | job.step >> job.transform
