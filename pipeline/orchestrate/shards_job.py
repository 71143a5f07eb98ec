"""Works on the shards of a dataset, by a job or in this process, and shows how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pipeline.monitoring.progress import Watch, reporting
from pipeline.orchestrate.engine import Engine
from transforms.plumbing.shard_work import ShardWork, work_here


def run_over_shards(
    engine: Engine, name: str, shards: Sequence[Any], work: ShardWork, bars: bool
) -> None:
    """Do the work on all shards. `name` is `run/job`, and `bars` are those on a terminal.

    Raises JobFailed and Interrupted.
    """
    _, _, stage = name.rpartition("/")
    watch = Watch(stage, work.folder, len(shards), "shards", ("file kept",))
    if engine.is_this_process:
        with reporting(watch, bars) as activity:
            here = partial(work_here, work, shards)
            engine.do_here(here, f"{name}/{work.step}", activity.quiet_s)
        return
    engine.prepare()
    from pipeline.shards_flow import over_shards

    with reporting(watch, bars) as activity:
        engine.run(partial(over_shards, shards=shards, work=work), name, activity.quiet_s)
