"""The job of `pairsieve index`.

index     shards -> pieces of an index, which the launcher puts together

The launcher does what needs all shards at once (pairsieve/search/index.py): it takes the pieces'
words into one list of segments, and sorts vectors into lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam

from pairsieve.search.piece import Shard
from transforms.index.index_shards import IndexShards


@dataclass(frozen=True)
class IndexJob:
    """What the job needs: shards, and the folder of their pieces, which all workers reach."""

    shards: Sequence[Shard]
    folder: str


def index(pipeline: beam.Pipeline, job: IndexJob) -> None:
    """Shards of a dataset -> their pieces."""
    shards = pipeline | "List shards" >> beam.Create(list(job.shards))

    # The element is a shard. Its words, hashes and vectors go to files; nothing crosses a shuffle
    # but the shards' paths.
    _ = shards | "Index shards" >> IndexShards(job.folder)
