"""Runs the job that makes the pieces of an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pairsieve.search.index import make_pieces
from pairsieve.search.piece import Shard
from pipeline.orchestrate.beam_options import LOCAL_RUNNERS
from pipeline.orchestrate.engine import Engine, make_engine
from pipeline.orchestrate.job_folder import folder_for_job
from pipeline.orchestrate.shards_job import run_over_shards
from transforms.index.pieces import fetch_pieces, index_work

JOB_FOLDER = ".job"
"""Behind the name of an index: the folder of what workers make, beside the index, or beside the
dataset where workers run elsewhere."""

# Rows that one core indexes in a second (benchmarks/search.py).
ROWS_PER_CORE_S = 5_000
# So few rows are indexed by the launcher itself, since a job takes seconds to start.
FEW_ROWS = 20_000


@dataclass(frozen=True)
class IndexJobs:
    """Makes pieces on an engine; `bars` shows on a terminal how far they are."""

    engine: Engine
    bars: bool = False

    def make(self, shards: Sequence[Shard], folder: Path) -> None:
        """Make the piece of each shard in the local folder of an index's pieces.

        Raises JobFailed, Interrupted, InUse where another command works in the job's folder, and
        NotOurs where somebody else's folder has its name.
        """
        if not shards:
            return
        rows = sum(shard.source.rows for shard in shards)
        engine = self.engine.for_work(rows / ROWS_PER_CORE_S)
        if engine.runner_name == "DirectRunner" and rows < FEW_ROWS:
            make_pieces(shards, folder)
            return
        place = str(folder.parent)  # the index itself
        if engine.runner_name not in LOCAL_RUNNERS:
            place = f"{shards[0].dataset.rstrip('/')}.index"
        self._run(engine, shards, f"{place}{JOB_FOLDER}", folder)

    def _run(self, engine: Engine, shards: Sequence[Shard], shared: str, folder: Path) -> None:
        """Make the pieces in a folder that all workers reach, and fetch them."""
        with folder_for_job(shared):
            run_over_shards(engine, "pairsieve/index", shards, index_work(shared), self.bars)
            fetch_pieces(shared, shards, folder)


def local_jobs() -> IndexJobs:
    """Jobs in processes of this machine, for commands without options of a runner."""
    return IndexJobs(make_engine(()))
