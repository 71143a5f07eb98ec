"""Shards: how they are encoded, and which files of a manifest they are.

The encoding suits DuckDB, pandas and Hugging Face's `datasets`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.records.manifest import ListedFile, Manifest
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.storage import files, openers
from pairsieve.storage.sealed import Damaged

DELTAS = "erasures"
"""The folder, below the output directory, with the ids of rows that were erased."""

ROW_GROUP_ROWS = 25_000
"""Rows in a row group of a shard.

An erasure writes row groups anew that lose rows, and copies the others
(pairsieve/storage/row_groups.py). DuckDB reads these as fast as 100,000 rows, which it recommends
(docs/benchmarks.md). Hugging Face's viewer needs less than 300 MB in each; a row of ours has less
than 1 kB.
"""

UNIQUE_COLUMNS = frozenset(
    {
        *("key", "URL", "final_url", "TEXT", "page_url", "payload_digest", "sha256", "md5"),
        *PDQ_COLUMNS,
        "embedding",
    }
)
"""Columns whose cells are hardly ever equal: a dictionary of them is only more to write."""

RESTORE = (
    "Get it back from a copy, or publish the dataset anew; `pairsieve verify` says what else is "
    "damaged. Nothing was changed"
)
"""What to do about a damaged file of a published dataset."""


def shard_bytes(table: pa.Table, sorted_by: str | None = None) -> bytes:
    """Encode a table as a shard; `sorted_by` names the column by which its rows are sorted."""
    order = [pq.SortingColumn(table.schema.get_field_index(sorted_by))] if sorted_by else []
    buffer = io.BytesIO()
    with open_shard(buffer, table.schema, order) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    return buffer.getvalue()


class Target(Protocol):
    """What pyarrow needs of a stream that it writes to."""

    @property
    def closed(self) -> bool: ...

    def write(self, content: bytes, /) -> int: ...

    def tell(self) -> int: ...

    def flush(self) -> None: ...


@contextmanager
def open_shard(
    stream: Target, schema: pa.Schema, order: Sequence[pq.SortingColumn] = ()
) -> Iterator[pq.ParquetWriter]:
    """Write a shard into a stream: zstd parquet with statistics and a page index.

    `order` names the columns by which the rows are sorted; readers may search these by bisection.
    Each table that the block writes begins a row group.

    Pages end where the content says so, and not after a number of rows. Without one of its rows a
    shard then has the same pages but a few, and stores that know chunks of files by their content
    keep and send only these (https://arrow.apache.org/docs/python/parquet.html, "Content-Defined
    Chunking").
    """
    with pq.ParquetWriter(
        stream,
        schema,
        compression="zstd",
        write_statistics=True,
        write_page_index=True,
        sorting_columns=order or None,
        use_content_defined_chunking=True,
        use_dictionary=_with_dictionary(schema),
    ) as writer:
        yield writer


def _with_dictionary(schema: pa.Schema) -> list[str]:
    """The columns that get a dictionary, as parquet names what lies in lists and structs."""
    paths = []
    for field in schema:
        if field.name not in UNIQUE_COLUMNS:
            paths += _paths(field.name, field.type)
    return paths


def _paths(path: str, kind: pa.DataType) -> list[str]:
    if pa.types.is_map(kind):
        entries = f"{path}.key_value"
        return _paths(f"{entries}.key", kind.key_type) + _paths(f"{entries}.value", kind.item_type)
    if pa.types.is_struct(kind):
        return [found for field in kind for found in _paths(f"{path}.{field.name}", field.type)]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _paths(f"{path}.list.element", kind.value_type)
    return [path]


def read_listed(dataset: str, listed: ListedFile) -> bytes:
    """Read a file that a manifest lists. Raises Damaged if its sha256 is not the listed one.

    Commands that write what they read must read it here or by `open_listed`: otherwise a damaged
    file would get a new, valid checksum.
    """
    path = files.join(dataset, listed.path)
    with files.open_read(path) as stream:
        content = bytes(stream.read())
    if hashlib.sha256(content).hexdigest() != listed.sha256:
        raise Damaged(path, RESTORE)
    return content


@contextmanager
def open_listed(dataset: str, listed: ListedFile) -> Iterator[IO[bytes]]:
    """As `read_listed`, for files that may be larger than the memory: opens the file.

    One in an object store is copied to this machine, because it is read twice.
    """
    path = files.join(dataset, listed.path)
    with openers.open_near(path) as stream:
        digest = hashlib.file_digest(stream, "sha256")  # type: ignore[arg-type]
        if digest.hexdigest() != listed.sha256:
            raise Damaged(path, RESTORE)
        stream.seek(0)
        yield stream


def shard_paths(manifest: Manifest) -> list[str]:
    """The paths of the files that hold rows."""
    paths = []
    for listed in manifest.below(manifest.rows_folder):
        # In an adopted dataset rows may lie at the top, and then deltas lie below them.
        is_delta = listed.path.startswith(DELTAS + "/")
        if listed.path.endswith(".parquet") and not is_delta:
            paths.append(listed.path)
    return paths
