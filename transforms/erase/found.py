"""What a search has found: small counts for the launcher, and private files of the rows found.

The rows of a shard are in a file of their own below a private folder: a request may name a domain
with millions of rows, and no process holds those of more than one shard. Nothing here imports Beam.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.copies.erased import TOKENS
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.storage import files

PICTURE_COLUMNS = ("URL", "final_url", "sha256", "md5", *PDQ_COLUMNS)
"""Columns by which the picture of an erased row is recognised in a later crawl."""
SHOWN = tuple(dict.fromkeys((*TOKENS, *PICTURE_COLUMNS)))
"""Columns of a shard that a file of found rows repeats, where the shard has them."""
ROW, COVERS_COPIES = "row", "covers_copies"
"""Further columns of a file of found rows: the number of the row in its shard, and whether its
picture is to stay out wherever it appears."""
ROWS, FOUND_FILE = "rows", "found.json"


@dataclass(frozen=True, slots=True)
class FoundShard:
    """A shard with rows that requests are about: how many, and how many of each request."""

    path: str
    rows: int
    rows_of: Mapping[int, int]


@dataclass(frozen=True)
class Found:
    """The shards with found rows, by path, and `columns`: those that any shard has.

    `columns` are only those by which requests are compared (pairsieve/erasure/match.py).
    """

    shards: Sequence[FoundShard] = ()
    columns: frozenset[str] = field(default_factory=frozenset)

    @property
    def rows(self) -> int:
        """How many rows were found."""
        return sum(shard.rows for shard in self.shards)

    @property
    def rows_of(self) -> Counter[int]:
        """Number of a request -> how many rows it is about."""
        rows = Counter[int]()
        for shard in self.shards:
            rows.update(shard.rows_of)
        return rows

    @property
    def shards_of(self) -> Counter[int]:
        """Number of a request -> in how many shards it has rows."""
        shards = Counter[int]()
        for shard in self.shards:
            shards.update(shard.rows_of.keys())
        return shards


def merge_found(several: Iterable[Found]) -> Found:
    """The sum over all shards; it does not depend on their order and grouping."""
    shards, columns = list[FoundShard](), set[str]()
    for found in several:
        shards += found.shards
        columns |= found.columns
    return Found(sorted(shards, key=lambda shard: shard.path), frozenset(columns))


def write_found(found: Found, folder: str) -> None:
    """Write the counts below the private folder."""
    # A list of pairs: JSON would make texts of the numbers of requests.
    shards = [[shard.path, shard.rows, list(shard.rows_of.items())] for shard in found.shards]
    content = {"shards": shards, "columns": sorted(found.columns)}
    files.write_private(files.join(folder, FOUND_FILE), json.dumps(content), synced=False)


def read_found(folder: str) -> Found:
    """Read what `write_found` has written."""
    content = json.loads(files.read_text(files.join(folder, FOUND_FILE)))
    shards = [FoundShard(path, rows, dict(rows_of)) for path, rows, rows_of in content["shards"]]
    return Found(shards, frozenset(content["columns"]))


@contextmanager
def open_rows(folder: str, path: str) -> Iterator[Callable[[pa.Table], None]]:
    """Give the block a function that adds rows to the file of a shard's found rows.

    Readers see the whole file when the block has ended. If no row was added, there is no file.
    """
    with ExitStack() as stack:
        writers = list[pq.ParquetWriter]()

        def add(rows: pa.Table) -> None:
            if not writers:
                # Opened with the first rows, because the schema is theirs.
                # A command that begins again finds the rows again.
                target = files.open_whole(_rows_path(folder, path), private=True, synced=False)
                stream = stack.enter_context(target)
                writer = pq.ParquetWriter(stream, rows.schema, compression="zstd")
                writers.append(stack.enter_context(writer))
            writers[0].write_table(rows)

        yield add


def read_rows(folder: str, path: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the found rows of a shard in pieces, in their order, with those of `columns` it has."""
    with files.open_read(_rows_path(folder, path)) as stream:
        rows = pq.ParquetFile(stream)
        present = [name for name in columns if name in rows.schema_arrow.names]
        for group in range(rows.num_row_groups):
            yield rows.read_row_group(group, columns=present)


def read_row_numbers(folder: str, path: str) -> NDArray[np.int64]:
    """Read the numbers of a shard's found rows, ascending."""
    pieces = [rows[ROW].to_numpy() for rows in read_rows(folder, path, [ROW])]
    return np.concatenate(pieces)


def _rows_path(folder: str, path: str) -> str:
    return files.join(folder, ROWS, path)
