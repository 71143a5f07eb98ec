"""Search shards for rows that requests are about, and write shards without the rows found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from transforms.erase.found import merge_found, write_found
from transforms.erase.rewrite import RewriteSettings, make_rewrite, write_rewritten
from transforms.erase.search import SearchSettings, make_search
from transforms.plumbing.counting import counting


@dataclass
class SearchShards(beam.PTransform):  # type: ignore[misc]
    """Paths of shards -> the found rows of each, in files, and one file of counts.

    Numbers of rows go through the shuffle, one for each request that is about rows of a shard.
    """

    settings: SearchSettings

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        folder = self.settings.folder
        # Counts only show the progress of workers; what the launcher needs is in `Found`.
        make = partial(make_search, self.settings)
        search = counting(make, progress_dir=folder, without_counts=True)
        return (
            paths
            | "Find rows" >> search
            # A dataset without shards gets the default, an empty sum: the launcher always reads a
            # file.
            | "Merge" >> beam.CombineGlobally(merge_found)
            | "Write" >> beam.Map(write_found, folder=folder)
        )


@dataclass
class RewriteShards(beam.PTransform):  # type: ignore[misc]
    """ShardToRewrite -> new files, and one list of them. 100 bytes a file cross the shuffle."""

    settings: RewriteSettings

    def expand(self, shards: beam.PCollection) -> beam.PCollection:
        folder = self.settings.folder
        # Counts only show the progress of workers.
        make = partial(make_rewrite, self.settings)
        rewrite = counting(make, progress_dir=folder, without_counts=True)
        return (
            shards
            | "Write anew" >> rewrite
            | "List" >> beam.combiners.ToList()
            | "Write list" >> beam.Map(write_rewritten, folder=folder)
        )
