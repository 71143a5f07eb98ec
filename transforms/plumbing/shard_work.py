"""Work on the shards of a dataset: what is done with each, and how the results come together.

A job does it on any runner (pipeline/shards_flow.py). Where one process of this machine has all of
the work, it does the same here, without a job. Nothing here imports Beam, which takes a second to
load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pairsieve.records.outcome import Counted, Tally, tally_of
from pairsieve.storage.progress import ProgressWriter
from transforms.plumbing.working_on import WorkingOn

MAX_RESULTS = 10
"""Results that wait to be put together: those of a thousand shards would fill the memory."""

WorkOnShard = Callable[[Any], Iterable[Any]]
"""Yields results of one shard, and Counted, which shows how far the work is."""


@dataclass(frozen=True)
class ShardWork:
    """What is done with each shard, and then with all results.

    - `step`: the name of the work, as pages of runners and error messages show it.
    - `folder`: workers write there how far they are; all of them must reach it.
    - `make`: makes the function of one shard; called once a worker, which loads lists and models.
    - `merge`: puts results together. Their order and grouping make no difference.
    - `write`: writes what `merge` made of all results, where the launcher reads it.

    Work without `merge` and `write` has no results but files.
    """

    step: str
    folder: str
    make: Callable[[], WorkOnShard]
    merge: Callable[[Iterable[Any]], Any] | None = None
    write: Callable[[Any], None] | None = None


def work_here(work: ShardWork, shards: Sequence[Any]) -> None:
    """Do the work in this process, one shard after another.

    Raises WorkFailed, which names the place in the code, and the shard if one was worked on.
    """
    tally, progress, results = Tally(), ProgressWriter(work.folder), list[Any]()
    with WorkingOn():
        work_on = work.make()
    for shard in shards:
        with WorkingOn(shard):
            for result in work_on(shard):
                if isinstance(result, Counted):
                    tally += tally_of([result])
                    progress.report(tally)
                else:
                    results.append(result)
        # Arrow would keep the memory for the next shard, beside what else this process holds.
        pa.default_memory_pool().release_unused()
        if work.merge is not None and len(results) >= MAX_RESULTS:
            with WorkingOn():
                results = [work.merge(results)]
    progress.finish(tally)
    if work.merge is not None and work.write is not None:
        with WorkingOn():
            work.write(work.merge(results))
