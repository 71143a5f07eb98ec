"""The two jobs of an erasure, read top to bottom.

find       shards              -> rows that requests are about
rewrite    shards with matches -> the same shards without these rows, beside the present ones

Between them the launcher writes tombstones, and after them it commits
(pipeline/dataset/erasure.py). Then `find` runs again on the new version, and must find nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam

from transforms.erase.erase_shards import RewriteShards, SearchShards
from transforms.erase.rewrite import RewriteSettings, ShardToRewrite
from transforms.erase.search import SearchSettings


@dataclass(frozen=True)
class FindJob:
    """What `find` needs: the paths of the dataset's shards."""

    shards: Sequence[str]
    settings: SearchSettings


def find(pipeline: beam.Pipeline, job: FindJob) -> None:
    """Shards of a dataset -> files of the rows that requests are about, and their counts."""
    shards = pipeline | "List shards" >> beam.Create(list(job.shards))

    # The element is a shard, of which the columns are read that the requests compare. Rows that
    # are found go to private files; counts of each shard that has some cross the one shuffle.
    _ = shards | "Search shards" >> SearchShards(job.settings)


@dataclass(frozen=True)
class RewriteJob:
    """What `rewrite` needs: the shards that hold rows which were found."""

    shards: Sequence[ShardToRewrite]
    settings: RewriteSettings


def rewrite(pipeline: beam.Pipeline, job: RewriteJob) -> None:
    """Shards with matches -> new shards without these rows, and a list of the new files."""
    shards = pipeline | "List shards" >> beam.Create(list(job.shards))

    # The element is a shard with its vectors, because the same rows go from both.
    _ = shards | "Rewrite shards" >> RewriteShards(job.settings)
