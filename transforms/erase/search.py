"""Finds the rows of a shard that requests are about, by columns.

Only the columns that the requests compare are read, one row group after another. A row group is
skipped where its statistics rule out that a key or digest is in it. The other columns are read only
of row groups with found rows. Nothing here imports Beam.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.erasure.match import COLUMNS, EXACT_COLUMNS, Hits, Matcher
from pairsieve.erasure.requests import Request
from pairsieve.records.foreign import as_ours
from pairsieve.records.outcome import Counted
from pairsieve.storage import files, openers
from transforms.erase.found import (
    COVERS_COPIES,
    ROW,
    SHOWN,
    Found,
    FoundShard,
    merge_found,
    open_rows,
    write_found,
)
from transforms.plumbing.shard_work import ShardWork

REQUESTS_FILE = "requests.json"


@dataclass(frozen=True)
class SearchSettings:
    """Where shards lie, and the private `folder` that has the requests and gets what is found.

    `own_names` maps our names of columns to the dataset's.
    """

    dataset: str
    folder: str
    own_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenShard:
    """A shard that is open: its file, and our names of the columns that it has -> its own."""

    file: pq.ParquetFile
    names: Mapping[str, str]

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Read those of the columns that the shard has, of one row group, under our names.

        They have the types of the shard.
        """
        present = [name for name in columns if name in self.names]
        own_names = [self.names[name] for name in present]
        table = self.file.read_row_group(group, columns=own_names)
        # A file gives columns in its own order: select before they are renamed.
        return table.select(own_names).rename_columns(present)

    def may_match(self, group: int, matcher: Matcher) -> bool:
        """Whether the statistics of a row group leave room for a match."""
        columns = [name for name in matcher.columns if name in self.names]
        return any(self._may_hold(group, column, matcher) for column in columns)

    def _may_hold(self, group: int, column: str, matcher: Matcher) -> bool:
        if column not in EXACT_COLUMNS:
            return True
        metadata = self.file.metadata.row_group(group)
        for number in range(metadata.num_columns):
            chunk = metadata.column(number)
            if chunk.path_in_schema == self.names[column]:
                return _may_hold(chunk.statistics, column, matcher)
        return True


def _may_hold(statistics: pq.Statistics | None, column: str, matcher: Matcher) -> bool:
    if statistics is None or not statistics.has_min_max:
        return True
    try:
        least, most = statistics.min, statistics.max
    except UnicodeDecodeError:
        return True  # a writer has cut a letter in two
    # Of numbers and of bytes that are no text nothing is known.
    if not isinstance(least, str) or not isinstance(most, str):
        return True
    return matcher.may_match(column, least, most)


def open_columns(stream: object, own_names: Mapping[str, str], columns: Iterable[str]) -> OpenShard:
    """Open a shard for those of the columns that it has."""
    file = pq.ParquetFile(stream)
    present = set(file.schema_arrow.names)
    names = {name: own_names.get(name, name) for name in columns}
    present_names = {name: own for name, own in names.items() if own in present}
    return OpenShard(file, present_names)


def groups_with_matches(shard: OpenShard, matcher: Matcher) -> Iterator[tuple[int, int, Hits]]:
    """Yield each row group that has matches: its number, that of its first row, and the matches."""
    first_row = 0
    for group in range(shard.file.num_row_groups):
        if shard.may_match(group, matcher):
            hits = matcher.find(shard.read(group, matcher.columns))
            if hits:
                yield group, first_row, hits
        # Counted also for row groups that are passed over.
        first_row += shard.file.metadata.row_group(group).num_rows


def open_searched(path: str, matcher: Matcher) -> AbstractContextManager[IO[bytes]]:
    """Open a shard to find rows; statistics tell where a key may be, but not where a domain is."""
    is_told = set(matcher.columns) <= set(EXACT_COLUMNS)
    return openers.open_row_groups(path) if is_told else openers.open_columns(path)


def matches_in(path: str, own_names: Mapping[str, str], matcher: Matcher) -> Iterator[set[int]]:
    """Yield the numbers of the requests that are about a row, for each such row of a shard."""
    with open_searched(path, matcher) as stream:
        shard = open_columns(stream, own_names, matcher.columns)
        for _, _, hits in groups_with_matches(shard, matcher):
            yield from hits.values()


def search_shard(path: str, settings: SearchSettings, matcher: Matcher) -> Found:
    """Find the rows of a shard, and write them below the private folder.

    Raises OSError or ArrowInvalid where the shard cannot be read.
    """
    rows, rows_of = 0, Counter[int]()
    with (
        open_searched(files.join(settings.dataset, path), matcher) as stream,
        open_rows(settings.folder, path) as add,
    ):
        shard = open_columns(stream, settings.own_names, (*COLUMNS, *SHOWN))
        for group, first_row, hits in groups_with_matches(shard, matcher):
            add(_found_rows(shard, group, first_row, hits, matcher.requests))
            rows += len(hits)
            for numbers in hits.values():
                rows_of.update(numbers)
    columns = frozenset(name for name in COLUMNS if name in shard.names)
    shards = [FoundShard(path, rows, rows_of)] if rows else []
    return Found(shards, columns)


def _found_rows(
    shard: OpenShard, group: int, first_row: int, hits: Hits, requests: Sequence[Request]
) -> pa.Table:
    """The cells of SHOWN of the found rows of a row group, and what a file of them adds."""
    rows = sorted(hits)
    covers: list[bool] = []
    for row in rows:
        matching = [requests[number] for number in hits[row]]
        covers.append(any(request.covers_copies for request in matching))
    # Only these rows get our types: that copies them several times.
    table = as_ours(shard.read(group, SHOWN).take(pa.array(rows)))
    numbers = pa.array([first_row + row for row in rows], pa.int64())
    return table.append_column(ROW, numbers).append_column(COVERS_COPIES, pa.array(covers))


def search_work(settings: SearchSettings) -> ShardWork:
    """Find the rows of each shard, and write one file of counts."""
    folder = settings.folder
    return ShardWork(
        "Find rows",
        folder,
        make=partial(make_search, settings),
        merge=merge_found,
        write=partial(write_found, folder=folder),
    )


def make_search(settings: SearchSettings) -> Callable[[str], Iterator[Found | Counted]]:
    """The function that searches one shard, with the requests loaded."""
    matcher = Matcher(read_requests_file(settings.folder))
    return partial(_counted_search, settings=settings, matcher=matcher)


def _counted_search(
    path: str, settings: SearchSettings, matcher: Matcher
) -> Iterator[Found | Counted]:
    yield search_shard(path, settings, matcher)
    yield Counted("file", "kept")


def write_requests_file(requests: Sequence[Request], folder: str) -> None:
    """Write what workers need of the requests below a private folder; receipts stay here."""
    content = [[each.kind, each.values, each.bytes_hashes, each.copies] for each in requests]
    files.write_private(files.join(folder, REQUESTS_FILE), json.dumps(content), synced=False)


def read_requests_file(folder: str) -> list[Request]:
    """Read what `write_requests_file` has written."""
    content = json.loads(files.read_text(files.join(folder, REQUESTS_FILE)))
    return [
        Request(kind, tuple(values), bytes_hashes=tuple(bytes_hashes), copies=copies)
        for kind, values, bytes_hashes, copies in content
    ]
