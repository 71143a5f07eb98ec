"""Writes a shard, and the vectors that belong to it, without some of their rows.

Row groups keep their borders, and pages end where the content says so
(`pairsieve/storage/shards.py`): where one row is gone nearly all bytes stay the same, which makes
copies cheap. A row group is in memory at a time. Nothing here imports Beam.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib import format as npy
from numpy.typing import NDArray

from pairsieve.records.manifest import ListedFile
from pairsieve.records.outcome import Counted
from pairsieve.storage import files
from pairsieve.storage.npy import read_vector_header, vector_blocks
from pairsieve.storage.row_groups import OtherLayout, Splicer, read_layout, whole_file
from pairsieve.storage.shards import Target, open_listed, open_shard
from transforms.erase.found import read_row_numbers
from transforms.plumbing.shard_work import ShardWork

LOGGER = logging.getLogger(__name__)
REWRITTEN_FILE = "rewritten.json"
VECTOR_ROWS = 50_000
"""Vectors in memory at a time: 100 MB of 1,024 numbers of 2 bytes each."""

FEW_ROWS = 100
"""Rows that go from a row group, up to which it is cut into slices; more are filtered out."""

Gone = NDArray[np.int64]
"""Numbers of rows, ascending."""


@dataclass(frozen=True)
class RewriteSettings:
    """Where shards lie, where new ones go, and the private folder of the rows that were found."""

    dataset: str
    staging: str
    folder: str


@dataclass(frozen=True, slots=True)
class ShardToRewrite:
    """A shard as the manifest lists it, and the files of vectors that belong to it row by row.

    `gone` is how many of its rows go.
    """

    table: ListedFile
    gone: int
    vectors: Sequence[ListedFile] = ()

    @property
    def path(self) -> str:
        """The shard's file in the dataset, by which errors name it."""
        return self.table.path


def rewrite_shard(shard: ShardToRewrite, settings: RewriteSettings) -> Iterator[ListedFile]:
    """Write a shard and its vectors without the rows that were found; yields their new entries.

    Raises Damaged where a file is not what the manifest lists, before anything is written of it.
    """
    gone = read_row_numbers(settings.folder, shard.path)
    yield _rewritten(shard.table, settings, partial(write_table_without, gone=gone))
    for vectors in shard.vectors:
        yield _rewritten(vectors, settings, partial(write_vectors_without, gone=gone))


def _rewritten(
    listed: ListedFile,
    settings: RewriteSettings,
    write: Callable[[IO[bytes], Digesting], int],
) -> ListedFile:
    with (
        # Checked first: the new entry has the digest of what is written, and would hide a damage.
        open_listed(settings.dataset, listed) as source,
        files.open_whole(files.join(settings.staging, listed.path)) as stream,
    ):
        target = Digesting(stream)
        rows = write(source, target)
    return ListedFile(listed.path, rows, target.written, target.digest.hexdigest())


class Digesting:
    """A stream to write to that computes the sha256 of what is written, and counts its bytes.

    It has the methods that pyarrow calls.
    """

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.written = 0

    def write(self, content: bytes) -> int:
        """Write some bytes."""
        self._stream.write(content)
        self.digest.update(content)
        self.written += len(content)
        return len(content)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.written

    def flush(self) -> None:
        """Do nothing: the stream is flushed when it is closed."""


def write_table_without(source: IO[bytes], target: Digesting, gone: Gone) -> int:
    """Write a parquet table without some rows, group by group; returns how many rows are left.

    Row groups that keep all of their rows are copied, where the file is one that pyarrow has
    written as shards are written here.
    """
    shard = pq.ParquetFile(source)
    groups = list(_groups(shard, gone))
    if all(len(group.gone) for group in groups):
        return _write_all_anew(shard, groups, target)
    changed = [group for group in groups if 0 < len(group.gone) < group.rows]
    encoded = (whole_file(_encoded(shard, [_left_of(shard, group)])) for group in changed)
    try:
        layout = read_layout(source)
        # Made before anything is written: it tells whether others can be copied beside it. Where
        # only whole row groups go, an empty file tells.
        first = next(encoded, None) or whole_file(_encoded(shard, []))
        layout.check_goes_with(first.layout)
    except OtherLayout as error:
        LOGGER.debug("all row groups are written anew: %s", error)
        return _write_all_anew(shard, groups, target)
    anew = chain([first], encoded)
    splicer = Splicer(layout, source, target)
    for group in groups:
        if not len(group.gone) and group.rows:
            splicer.copy(group.number)
        elif group.rows > len(group.gone):
            splicer.add(next(anew))
    return splicer.finish()


@dataclass(frozen=True)
class _Group:
    """A row group of a shard: its number, its rows, and those of them that go, counted from it."""

    number: int
    rows: int
    gone: Gone


def _groups(shard: pq.ParquetFile, gone: Gone) -> Iterator[_Group]:
    first_row = 0
    for number in range(shard.num_row_groups):
        rows = shard.metadata.row_group(number).num_rows
        yield _Group(number, rows, _gone_here(first_row, rows, gone))
        first_row += rows


def _write_all_anew(shard: pq.ParquetFile, groups: Sequence[_Group], target: Digesting) -> int:
    """Decode and encode all row groups; returns how many rows are left."""
    _encode(shard, (_left_of(shard, group) for group in groups), target)
    return sum(group.rows - len(group.gone) for group in groups)


def _left_of(shard: pq.ParquetFile, group: _Group) -> pa.Table:
    """The rows of a group that stay."""
    return _without(shard.read_row_group(group.number), group.gone)


def _encoded(shard: pq.ParquetFile, tables: Iterable[pa.Table]) -> bytes:
    """A file like a shard, with a row group for each table."""
    stream = io.BytesIO()
    _encode(shard, tables, stream)
    return stream.getvalue()


def _encode(shard: pq.ParquetFile, tables: Iterable[pa.Table], target: Target) -> None:
    # An adopted shard may be sorted by other columns than ours, or by none.
    order = shard.metadata.row_group(0).sorting_columns if shard.num_row_groups else ()
    with open_shard(target, shard.schema_arrow, order) as writer:
        for table in tables:
            if table.num_rows:
                writer.write_table(table, row_group_size=table.num_rows)


def _without(table: pa.Table, gone: Gone) -> pa.Table:
    """A table without some of its rows; `gone` are their numbers in it."""
    if len(gone) > FEW_ROWS:
        stays = np.ones(table.num_rows, np.bool_)
        stays[gone] = False
        return table.filter(pa.array(stays))
    # Slices share the memory of the table, which a row group may need twice otherwise.
    starts = [0, *(gone + 1).tolist()]
    ends = [*gone.tolist(), table.num_rows]
    return pa.concat_tables(
        table.slice(start, end - start) for start, end in zip(starts, ends, strict=True)
    )


def _gone_here(first_row: int, rows: int, gone: Gone) -> Gone:
    """Those of `gone` that are among the `rows` from `first_row` on, counted from there."""
    here = gone[np.searchsorted(gone, first_row) : np.searchsorted(gone, first_row + rows)]
    return here - first_row


def write_vectors_without(source: IO[bytes], target: Digesting, gone: Gone) -> int:
    """Write an .npy file of vectors (n, d) without some of them; returns how many are left.

    Raises ValueError for a file that is no such array.
    """
    header = read_vector_header(source)
    left = header.rows - len(gone)
    shape = (left, header.dimensions)
    new_header = {"descr": npy.dtype_to_descr(header.kind), "fortran_order": False, "shape": shape}
    # The header comes first in the file, and names the number of rows.
    npy.write_array_header_1_0(target, new_header)
    first_row = 0
    for vectors in vector_blocks(source, header, VECTOR_ROWS):
        left_here = np.delete(vectors, _gone_here(first_row, len(vectors), gone), axis=0)
        target.write(left_here.tobytes())
        first_row += len(vectors)
    return left


def rewrite_work(settings: RewriteSettings) -> ShardWork:
    """Write each shard anew, and one list of the new files."""
    return ShardWork(
        "Write anew",
        settings.folder,
        make=partial(make_rewrite, settings),
        merge=_all_of,
        write=partial(write_rewritten, folder=settings.folder),
    )


def _all_of(several: Iterable[Sequence[ListedFile]]) -> list[ListedFile]:
    return [listed for files_of_shard in several for listed in files_of_shard]


def make_rewrite(
    settings: RewriteSettings,
) -> Callable[[ShardToRewrite], Iterator[list[ListedFile] | Counted]]:
    """The function that writes one shard anew; it yields the entries of the new files."""
    return partial(_counted_rewrite, settings=settings)


def _counted_rewrite(
    shard: ShardToRewrite, settings: RewriteSettings
) -> Iterator[list[ListedFile] | Counted]:
    yield list(rewrite_shard(shard, settings))
    yield Counted("file", "kept")


def write_rewritten(listed: Iterable[ListedFile], folder: str) -> None:
    """Write the entries of all new files below a folder."""
    entries = sorted((each.path, each.rows, each.bytes, each.sha256) for each in listed)
    files.write_text(files.join(folder, REWRITTEN_FILE), json.dumps(entries))


def read_rewritten(folder: str) -> list[ListedFile]:
    """Read what `write_rewritten` has written."""
    content = json.loads(files.read_text(files.join(folder, REWRITTEN_FILE)))
    return [ListedFile(*entry) for entry in content]
