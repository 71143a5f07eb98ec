"""The job of the release check.

check     dataset    -> one review: what somebody should look at before it is released
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam

from transforms.review.review import NumberedShard, ReviewSettings
from transforms.review.review_shards import ReviewShards


@dataclass(frozen=True)
class CheckJob:
    """What the check needs; `folder` is a private folder for its review."""

    shards: Sequence[NumberedShard]
    settings: ReviewSettings
    folder: str


def check(pipeline: beam.Pipeline, job: CheckJob) -> None:
    """Shards of a dataset -> a review of all rows."""
    shards = pipeline | "List shards" >> beam.Create(list(job.shards))

    # The element is a shard: its rows are read by columns, and looked at one by one. What a shard
    # adds to the review, its riskiest rows at most, goes through the one shuffle.
    _ = shards | "Review shards" >> ReviewShards(job.settings, job.folder)
