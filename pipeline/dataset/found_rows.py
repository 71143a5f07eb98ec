"""Finds the rows of a dataset that requests are about, or that a function chooses.

The rows go to private files, a file for each shard. `count_rows` only counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.copies.erased import TOKENS
from pairsieve.erasure.decisions import RowCount, RowCounts
from pairsieve.erasure.match import COLUMNS, Matcher
from pairsieve.erasure.requests import Request
from pairsieve.records.foreign import as_ours
from pairsieve.storage import files, openers
from pairsieve.storage.shards import shard_paths
from pipeline.dataset.manifest import read_manifest
from pipeline.orchestrate.erase_job import EraseJobs
from transforms.erase.found import (
    COVERS_COPIES,
    PICTURE_COLUMNS,
    ROW,
    Found,
    FoundShard,
    merge_found,
    open_rows,
    read_row_numbers,
    read_rows,
)
from transforms.erase.search import SearchSettings, matches_in, search_shard


@dataclass(frozen=True)
class Findings:
    """The rows that requests are about: how many, and where they are described.

    `folder` is the private folder of the found rows, a file for each shard, while it is there.
    `found` has their numbers. `version` is that of the dataset.
    """

    folder: str
    found: Found
    version: int

    @property
    def number(self) -> int:
        """How many rows."""
        return self.found.rows

    @property
    def paths(self) -> list[str]:
        """The shards that hold them."""
        return [shard.path for shard in self.found.shards]

    @property
    def missing(self) -> frozenset[str]:
        """The columns that no shard has."""
        return frozenset(COLUMNS) - self.found.columns

    def rows_in(self, path: str) -> frozenset[int]:
        """The numbers of the rows of one shard."""
        if path not in self.paths:
            return frozenset()
        return frozenset(read_row_numbers(self.folder, path).tolist())

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows of all shards in pieces, with those of `columns` that they have."""
        for path in self.paths:
            yield from read_rows(self.folder, path, columns)

    def pictures(self) -> Iterator[dict[str, Any]]:
        """Yield PICTURE_COLUMNS of the rows whose pictures are to stay out wherever they appear."""
        for table in self.tables([*PICTURE_COLUMNS, COVERS_COPIES]):
            for row in table.filter(table[COVERS_COPIES]).to_pylist():
                yield {name: row.get(name) for name in PICTURE_COLUMNS}


def find(dataset: str, requests: Sequence[Request], folder: str, jobs: EraseJobs) -> Findings:
    """Find the rows that requests are about, and change nothing.

    They go to files below `folder`. Raises NoSuchDataset, JobFailed.
    """
    manifest = read_manifest(dataset)
    found = jobs.find(dataset, manifest, requests, folder)
    return Findings(folder, found, manifest.version)


def find_here(dataset: str, requests: Sequence[Request], folder: str) -> Findings:
    """As `find`, in this process and without a job, because a page waits for the answer.

    Raises NoSuchDataset, and OSError or ArrowInvalid for a shard that cannot be read.
    """
    manifest = read_manifest(dataset)
    settings = SearchSettings(dataset, folder, manifest.columns)
    matcher = Matcher(requests)
    searched = (search_shard(path, settings, matcher) for path in shard_paths(manifest))
    return Findings(folder, merge_found(searched), manifest.version)


def count_rows(dataset: str, groups: Sequence[Sequence[Request]]) -> RowCounts:
    """Count the rows of groups of requests, such as those of a receipt. Raises NoSuchDataset.

    The dataset is read once, however many groups there are. It is read here and without a job,
    because a page waits for the answer.
    """
    # The matcher knows requests by their place in one list of all groups.
    requests: list[Request] = []
    group_of: list[int] = []
    for number, group in enumerate(groups):
        requests += group
        group_of += [number] * len(group)
    matcher = Matcher(requests)
    manifest = read_manifest(dataset)
    rows: Counter[int] = Counter()
    shards: Counter[int] = Counter()
    all_rows = all_shards = 0
    for path in shard_paths(manifest):
        groups_in_shard = set[int]()
        for numbers in matches_in(files.join(dataset, path), manifest.columns, matcher):
            # Several requests of a group may match a row, which counts once.
            groups_of_row = {group_of[number] for number in numbers}
            rows.update(groups_of_row)
            groups_in_shard |= groups_of_row
            all_rows += 1
        shards.update(groups_in_shard)
        if groups_in_shard:
            all_shards += 1
    each = [RowCount(rows[number], shards[number]) for number in range(len(groups))]
    return RowCounts(each, RowCount(all_rows, all_shards))


def rows_where(
    dataset: str,
    columns: Sequence[str],
    choose: Callable[[pa.Table], Sequence[int]],
    folder: str,
) -> Findings:
    """The rows that a function chooses from each shard's `columns`; they go to files in `folder`.

    Raises NoSuchDataset.
    """
    manifest = read_manifest(dataset)
    # What an earlier search has left: a shard without a row now would keep its file.
    files.remove_tree(folder)
    shards = []
    for path in shard_paths(manifest):
        names = dict.fromkeys((*columns, *TOKENS))
        table = read_columns(files.join(dataset, path), tuple(names), manifest.columns)
        rows = pa.array(choose(table), pa.int64())
        if len(rows):
            tokens = table.select([name for name in TOKENS if name in table.column_names])
            with open_rows(folder, path) as add:
                add(tokens.take(rows).append_column(ROW, rows))
            shards.append(FoundShard(path, len(rows), {}))
    return Findings(folder, Found(shards), manifest.version)


def read_columns(path: str, columns: Sequence[str], own_names: Mapping[str, str]) -> pa.Table:
    """Read those of the columns that a shard has; `own_names` maps ours to the dataset's."""
    with openers.open_columns(path) as stream:
        shard = pq.ParquetFile(stream)
        present = {}
        for name in columns:
            own_name = own_names.get(name, name)
            if own_name in shard.schema_arrow.names:
                present[name] = own_name
        table = shard.read(columns=list(present.values()))
    # A file gives columns in its own order: select before they are renamed.
    own_columns = table.select(list(present.values()))
    return as_ours(own_columns.rename_columns(list(present)))
