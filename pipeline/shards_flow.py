"""The jobs over the shards of a dataset: of the release check, of an erasure, and of an index.

check     shards              -> a review of all rows
find      shards              -> rows that requests are about
rewrite   shards with matches -> the same shards without these rows, beside the present ones
index     shards              -> pieces of an index, which the launcher puts together

Each is a ShardWork, which says what becomes of one shard. Rows that were found, new shards and
pieces go to files. Results that cross the shuffle are small: numbers of found rows, entries of new
files (100 bytes each), and of a review at most 2,000 rows a shard (about 500 bytes each). What
comes before and after is the launcher's (pipeline/dataset/erasure.py, pairsieve/search/index.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apache_beam as beam

from transforms.plumbing.counting import counting
from transforms.plumbing.shard_work import ShardWork


def over_shards(pipeline: beam.Pipeline, shards: Sequence[Any], work: ShardWork) -> None:
    """Shards of a dataset -> what the work makes of them."""
    # Counts only show the progress of workers; what the launcher needs is in the results.
    each = counting(work.make, progress_dir=work.folder, without_counts=True)
    results = pipeline | "List shards" >> beam.Create(list(shards)) | work.step >> each
    if work.merge is None:
        return
    # Without any shard there is an empty sum, so that the launcher always has a file to read.
    _ = results | "Merge" >> beam.CombineGlobally(work.merge) | "Write" >> beam.Map(work.write)
