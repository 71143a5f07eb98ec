"""Runs a job over the shards of a dataset, and shows how far it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipeline.monitoring.progress import Watch, reporting
from pipeline.orchestrate.engine import Engine

if TYPE_CHECKING:
    from pipeline.shards_flow import ShardsJob


def run_over_shards(engine: Engine, name: str, job: ShardsJob, folder: str, bars: bool) -> None:
    """Run a job whose workers write their progress to `folder`; `name` is `run/job`.

    Raises JobFailed and Interrupted.
    """
    from pipeline.shards_flow import over_shards

    _, _, stage = name.rpartition("/")
    watch = Watch(stage, folder, len(job.shards), "shards", ("file kept",))
    with reporting(watch, bars) as activity:
        engine.run(partial(over_shards, job=job), name, activity.quiet_s)
