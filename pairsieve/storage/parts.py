"""Parts: one parquet file each, whole or absent, with the counts of the work that made it in its
footer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from pairsieve.records.outcome import Tally
from pairsieve.storage import files
from pairsieve.storage.sealed import Damaged, read_sealed, seal_of, write_sealed
from pairsieve.storage.worklog import log_finished, stage_in

COUNTS_KEY = b"pairsieve.counts"
PART_SUFFIX = ".parquet"
LOCATIONS = "locations"  # below an extract's parts: where the files of an archive lie


def part_name(bucket: int, chunk: int) -> str:
    """The name of a part: the bucket of its image hosts, and which slice of that bucket."""
    return f"part-{bucket:05d}-{chunk:04d}"


def bucket_of(name: str) -> int:
    """The bucket that a part's name holds."""
    return int(name.split("-")[1])


def chunk_of(name: str) -> int:
    """Which slice of its bucket a part is."""
    return int(name.split("-")[2])


def part_path(folder: str, name: str) -> str:
    """Where a part lies."""
    return files.join(folder, name + PART_SUFFIX)


def part_names(folder: str) -> list[str]:
    """The finished parts of a folder, sorted."""
    return [name.removesuffix(PART_SUFFIX) for name in files.names_in(folder, PART_SUFFIX)]


def of_bucket(folder: str, bucket: int) -> list[str]:
    """The finished parts of a bucket in a folder."""
    return [name for name in part_names(folder) if bucket_of(name) == bucket]


def write_part(folder: str, name: str, table: pa.Table, tally: Tally) -> None:
    """Put a part in place whole; writing it again replaces it by the same."""
    counts = json.dumps(sorted((*key, number) for key, number in tally.items()))
    stamped = table.replace_schema_metadata({**(table.schema.metadata or {}), COUNTS_KEY: counts})
    write_sealed(part_path(folder, name), stamped)
    log_finished(stage_in(folder), name, table.num_rows, tally)


def read_part(folder: str, name: str) -> pa.Table:
    """The whole part. Raises Damaged."""
    return read_sealed(part_path(folder, name))


@dataclass(frozen=True, slots=True)
class Summary:
    """What a part's footer says: rows, the counts of the work that made it, and the sha256 of its
    seal.
    """

    name: str
    rows: int
    tally: Tally
    sha256: str


def part_summary(folder: str, name: str) -> Summary:
    """A part's footer, without its rows. Raises Damaged."""
    path = part_path(folder, name)
    try:
        with files.open_read(path) as stream:
            footer = pq.read_metadata(stream)
        counts = json.loads((footer.metadata or {}).get(COUNTS_KEY, b"[]"))
        tally = Tally({(unit, outcome, reason): number for unit, outcome, reason, number in counts})
    except (pa.ArrowInvalid, ValueError, TypeError):
        raise Damaged(path) from None
    return Summary(name, footer.num_rows, tally, seal_of(footer))


PICTURES_SCHEMA = pa.schema(
    [("sha256", pa.string()), ("content", pa.large_binary()), ("stored_sha256", pa.string())]
)
"""`sha256` is that of the bytes as served, by which a picture is found; `stored_sha256` that of
`content`, which may be made smaller.
"""
PICTURES_SUFFIX = ".arrow"


def pictures_path(folder: str, name: str) -> str:
    """Where the pictures of a part lie."""
    return files.join(folder, name + PICTURES_SUFFIX)


class PictureWriter:
    """Appends pictures to an Arrow file, one record batch each, so that any one can be read
    alone.
    """

    def __init__(self, writer: ipc.RecordBatchFileWriter) -> None:
        self._writer = writer
        self._seen: set[str] = set()

    def add(self, sha256: str, content: bytes) -> None:
        """Store a picture once."""
        if sha256 not in self._seen:
            self._seen.add(sha256)
            columns = [[sha256], pa.array([content], pa.large_binary()), [digest_of(content)]]
            self._writer.write_batch(pa.record_batch(columns, schema=PICTURES_SCHEMA))


@contextmanager
def write_pictures(folder: str, name: str, keep: bool = False) -> Iterator[PictureWriter]:
    """The picture store of one part; with `keep` what it has already stays in it."""
    with (
        files.open_whole(pictures_path(folder, name)) as stream,
        ipc.new_file(stream, PICTURES_SCHEMA) as writer,
    ):
        pictures = PictureWriter(writer)
        if keep and files.exists(pictures_path(folder, name)):
            with open_pictures(folder, name) as before:
                for sha256 in before.names():
                    pictures.add(sha256, before.read(sha256))
        yield pictures


def digest_of(content: bytes) -> str:
    """The sha256 of stored bytes, in hex digits."""
    return hashlib.sha256(content).hexdigest()


class PictureReader:
    """Pictures of one part by sha256. Raises KeyError for one that is not there, and Damaged."""

    def __init__(self, reader: ipc.RecordBatchFileReader, path: str) -> None:
        self._reader, self._path = reader, path
        self._index = {
            reader.get_batch(i)[0][0].as_py(): i for i in range(reader.num_record_batches)
        }

    def names(self) -> list[str]:
        """The sha256 of every picture, in the order in which they came."""
        return list(self._index)

    def read(self, sha256: str) -> bytes:
        batch = self._reader.get_batch(self._index[sha256])
        content: bytes = batch[1][0].as_py()
        if digest_of(content) != batch[2][0].as_py():
            raise Damaged(self._path)
        return content


@contextmanager
def open_pictures(folder: str, name: str) -> Iterator[PictureReader]:
    """Read the picture store of one part."""
    path = pictures_path(folder, name)
    with files.open_read(path) as stream, ipc.open_file(stream) as reader:
        yield PictureReader(reader, path)
