"""Index shards: the piece of each shard is made by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from transforms.index.pieces import make_indexing
from transforms.plumbing.counting import counting


@dataclass
class IndexShards(beam.PTransform):  # type: ignore[misc]
    """Shard -> its piece, files below `folder`. There is no shuffle."""

    folder: str

    def expand(self, shards: beam.PCollection) -> beam.PCollection:
        make = partial(make_indexing, self.folder)
        return shards | "Index" >> counting(make, progress_dir=self.folder, without_counts=True)
