"""Runs the job of the release check, for `pairsieve check` and for `publish.release_check`."""

from __future__ import annotations

from collections.abc import Sequence

from pairsieve.search.sources import Source
from pairsieve.storage.marked import mark, remove_ours
from pipeline.orchestrate.engine import Engine
from pipeline.orchestrate.shards_job import run_over_shards
from transforms.review.review import (
    NumberedShard,
    Review,
    ReviewSettings,
    read_review,
    review_work,
)

# Rows that one core looks at in a second (benchmarks/check.py).
ROWS_PER_CORE_S = 20_000


def review_dataset(
    engine: Engine,
    settings: ReviewSettings,
    shards: Sequence[Source],
    folder: str,
    bars: bool = False,
) -> Review:
    """Look at every row of these shards on an engine.

    `folder` is made for the time of the job; workers must reach it. Raises JobFailed, Interrupted
    and NotOurs.
    """
    numbered = [NumberedShard(number, shard) for number, shard in enumerate(shards)]
    rows = sum(shard.rows for shard in shards)
    if not rows:
        return Review()
    engine = engine.for_work(rows / ROWS_PER_CORE_S)
    mark(folder)
    try:
        run_over_shards(engine, "pairsieve/check", numbered, review_work(settings, folder), bars)
        return read_review(folder)
    finally:
        remove_ours(folder)
