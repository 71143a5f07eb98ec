"""Runs the jobs of an erasure: the search for rows, and the writing of shards without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pairsieve.erasure.match import EXACT_COLUMNS, Matcher
from pairsieve.erasure.requests import Request
from pairsieve.records.manifest import ListedFile, Manifest
from pairsieve.storage import files
from pairsieve.storage.shards import ROW_GROUP_ROWS, shard_paths
from pipeline.orchestrate.engine import Engine, make_engine
from pipeline.orchestrate.job_folder import folder_for_job
from pipeline.orchestrate.shards_job import run_over_shards
from transforms.erase.found import Found, read_found
from transforms.erase.rewrite import (
    RewriteSettings,
    ShardToRewrite,
    read_rewritten,
    rewrite_work,
)
from transforms.erase.search import SearchSettings, search_work, write_requests_file

JOB_FOLDER = ".erase.job"
"""Behind the name of a dataset: the private folder in which jobs put what they find."""

# Rows that one core handles in a second (docs/benchmarks.md). It searches them by keys and digests,
# or by addresses and perceptual hashes.
EXACT_PER_CORE_S, FOUND_PER_CORE_S = 5_000_000, 700_000
# The same of a shard that loses rows: row groups that lose some are encoded, the others are copied.
WRITTEN_PER_CORE_S, COPIED_PER_CORE_S = 150_000, 3_000_000


@dataclass(frozen=True)
class EraseJobs:
    """Runs the jobs on an engine; `bars` shows on a terminal how far they are.

    Raises JobFailed and Interrupted.
    """

    engine: Engine
    bars: bool = False

    def find(
        self, dataset: str, manifest: Manifest, requests: Sequence[Request], folder: str
    ) -> Found:
        """Find the rows that requests are about; they go to files below a private folder."""
        paths = shard_paths(manifest)
        settings = SearchSettings(dataset, folder, manifest.columns)
        files.make_private_folder(folder)
        write_requests_file(requests, folder)
        rows = sum(manifest.by_path[path].rows for path in paths)
        engine = self.engine.for_work(rows / _found_per_core_s(requests))
        run_over_shards(engine, "pairsieve-erase/find", paths, search_work(settings), self.bars)
        return read_found(folder)

    def rewrite(
        self, shards: Sequence[ShardToRewrite], settings: RewriteSettings
    ) -> list[ListedFile]:
        """Write shards without the rows that were found; returns the entries of the new files.

        A file that is not what the manifest lists stops the job.
        """
        engine = self.engine.for_work(sum(map(rewriting_s, shards)))
        work = rewrite_work(settings)
        run_over_shards(engine, "pairsieve-erase/rewrite", shards, work, self.bars)
        return read_rewritten(settings.folder)


def local_jobs() -> EraseJobs:
    """Jobs in processes of this machine, for commands without options of a runner."""
    return EraseJobs(make_engine(()))


def _found_per_core_s(requests: Sequence[Request]) -> int:
    # Row groups can be passed over by their statistics only where all columns are exact.
    is_exact = set(Matcher(requests).columns) <= set(EXACT_COLUMNS)
    return EXACT_PER_CORE_S if is_exact else FOUND_PER_CORE_S


def rewriting_s(shard: ShardToRewrite) -> float:
    """Return the seconds of one core that a shard takes at most, if it was written by a run."""
    rows = shard.table.rows
    encoded_rows = min(rows, shard.gone * ROW_GROUP_ROWS)
    return rows / COPIED_PER_CORE_S + encoded_rows / WRITTEN_PER_CORE_S


@contextmanager
def job_folder(dataset: str) -> Iterator[str]:
    """Make the private folder beside a dataset for the time of the block.

    Raises InUse, and NotOurs where somebody else's folder has this name.
    """
    folder = f"{dataset.rstrip('/')}{JOB_FOLDER}"
    # Before the marker, which would make a folder that everybody may list.
    files.make_private_folder(folder)
    with folder_for_job(folder):
        yield folder
