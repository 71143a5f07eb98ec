"""Review shards: every row of a dataset is looked at, and one review is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam

from transforms.plumbing.counting import counting
from transforms.review.review import (
    Review,
    ReviewSettings,
    make_shard_review,
    merge_reviews,
    write_review,
)


@dataclass
class ReviewShards(beam.PTransform):  # type: ignore[misc]
    """NumberedShard -> one review in `folder`.

    At most 2,000 rows of a shard, about 500 bytes each, go through the shuffle.
    """

    settings: ReviewSettings
    folder: str

    def expand(self, shards: beam.PCollection) -> beam.PCollection:
        make = partial(make_shard_review, self.settings)
        return (
            shards
            | "Look at rows" >> counting(make, progress_dir=self.folder)
            | "Without counts" >> beam.FlatMap(_reviews_alone)
            | "Merge" >> beam.CombineGlobally(merge_reviews).without_defaults()
            | "Write" >> beam.Map(write_review, folder=self.folder)
        )


def _reviews_alone(element: Any) -> Iterator[Review]:
    if isinstance(element, Review):
        yield element
