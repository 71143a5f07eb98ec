"""Review shards: every row of a dataset is looked at, and one review is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from transforms.plumbing.counting import counting
from transforms.review.review import (
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
        # Counts only show the progress of workers; the review has its own.
        review = counting(make, progress_dir=self.folder, without_counts=True)
        return (
            shards
            | "Look at rows" >> review
            | "Merge" >> beam.CombineGlobally(merge_reviews).without_defaults()
            | "Write" >> beam.Map(write_review, folder=self.folder)
        )
