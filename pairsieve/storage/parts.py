"""Parts: the private parquet files of a stage, and the picture stores beside them.

A part is there whole or not at all. Its footer holds the counts of the work that made it.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import IO

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from pairsieve.records.outcome import Tally
from pairsieve.storage import files, openers
from pairsieve.storage.sealed import Damaged, read_sealed, seal_of, write_sealed
from pairsieve.storage.worklog import log_finished, stage_in

COUNTS_KEY = b"pairsieve.counts"
PART_SUFFIX = ".parquet"
LOCATIONS = "locations"
"""The folder, below the parts of extract, with the places of files in an archive."""


def part_name(bucket: int, chunk: int) -> str:
    """The name of a part: the bucket of its image hosts, and its number in that bucket."""
    return f"part-{bucket:05d}-{chunk:04d}"


def bucket_of(name: str) -> int:
    """The bucket in the name of a part."""
    return int(name.split("-")[1])


def chunk_of(name: str) -> int:
    """The number that a part has in its bucket."""
    return int(name.split("-")[2])


def part_path(folder: str, name: str) -> str:
    """The path of a part."""
    return files.join(folder, name + PART_SUFFIX)


def part_names(folder: str) -> list[str]:
    """The finished parts of a folder, sorted."""
    return [name.removesuffix(PART_SUFFIX) for name in files.names_in(folder, PART_SUFFIX)]


def of_bucket(folder: str, bucket: int) -> list[str]:
    """The finished parts of one bucket in a folder, sorted."""
    return [name for name in part_names(folder) if bucket_of(name) == bucket]


def write_part(folder: str, name: str, table: pa.Table, tally: Tally) -> None:
    """Write a whole part. Writing it again gives the same file."""
    counts = sorted((*key, number) for key, number in tally.items())
    metadata = dict(table.schema.metadata or {})
    metadata[COUNTS_KEY] = json.dumps(counts)
    write_sealed(part_path(folder, name), table.replace_schema_metadata(metadata))
    log_finished(stage_in(folder), name, table.num_rows, tally)


def read_part(folder: str, name: str) -> pa.Table:
    """Read a whole part. Raises Damaged."""
    return read_sealed(part_path(folder, name))


@dataclass(frozen=True, slots=True)
class Summary:
    """The footer of a part: its rows, the counts of the work that made it, and its sha256."""

    name: str
    rows: int
    tally: Tally
    sha256: str


def part_summary(folder: str, name: str) -> Summary:
    """Read the footer of a part, without its rows. Raises Damaged."""
    path = part_path(folder, name)
    try:
        with files.open_read(path) as stream:
            footer = pq.read_metadata(stream)
        metadata = footer.metadata or {}
        counts = json.loads(metadata.get(COUNTS_KEY, b"[]"))
        tally = Tally({(unit, outcome, reason): number for unit, outcome, reason, number in counts})
    except (pa.ArrowInvalid, ValueError, TypeError):
        raise Damaged(path) from None
    return Summary(name, footer.num_rows, tally, seal_of(footer))


PICTURES_SCHEMA = pa.schema(
    [("sha256", pa.string()), ("content", pa.large_binary()), ("stored_sha256", pa.string())]
)
"""Columns of a picture store.

`sha256` is that of the bytes as served; pictures are found by it. `stored_sha256` is that of
`content`, which may be a reduced picture.
"""

PICTURES_SUFFIX = ".arrow"

# What is written at a time: a record batch is written in ten pieces, most of them a few bytes.
WRITE_BYTES = 256 * 1024


def pictures_path(folder: str, name: str) -> str:
    """The path of the picture store of a part."""
    return files.join(folder, name + PICTURES_SUFFIX)


class PictureWriter:
    """Appends pictures to an Arrow file.

    Each picture is a record batch of its own, so that it can be read without the others. Pictures
    of WRITE_BYTES are written one after the other: to write each when it comes takes longer.
    """

    def __init__(self, writer: ipc.RecordBatchFileWriter, flush: Callable[[], None]) -> None:
        self._writer = writer
        self._flush = flush
        self._known: set[str] = set()
        # (sha256, content, stored sha256) of pictures that are not written yet, and their bytes.
        self._waiting: list[tuple[str, bytes, str]] = []
        self._waiting_bytes = 0
        # Another thread may flush. Arrow would wait for it while it holds what that thread needs.
        self._lock = Lock()

    def add(self, sha256: str, content: bytes, stored_sha256: str | None = None) -> None:
        """Store a picture, unless it is stored already.

        `stored_sha256` is the digest of `content` where it has just been computed.
        """
        if sha256 in self._known:
            return
        self._known.add(sha256)
        with self._lock:
            self._waiting.append((sha256, content, stored_sha256 or digest_of(content)))
            self._waiting_bytes += len(content)
            if self._waiting_bytes >= WRITE_BYTES:
                self._write_waiting()

    def flush(self) -> None:
        """Hand what was added to the operating system: it outlives a killed process then.

        In an object store, an upload that is not finished is lost in any case.
        """
        with self._lock:
            self._write_waiting()
            self._flush()

    def _write_waiting(self) -> None:
        for picture in self._waiting:
            self._writer.write_batch(_one_picture(*picture))
        self._waiting.clear()
        self._waiting_bytes = 0


def _one_picture(sha256: str, content: bytes, stored_sha256: str) -> pa.RecordBatch:
    columns = [
        _one_value(pa.string(), sha256.encode(), "=2i"),
        _one_value(pa.large_binary(), content, "=2q"),
        _one_value(pa.string(), stored_sha256.encode(), "=2i"),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=PICTURES_SCHEMA)


def _one_value(kind: pa.DataType, content: bytes, offsets: str) -> pa.Array:
    """Return an array with one value, which is not copied; `pa.array` takes ten times as long.

    `offsets` is the format of the two numbers that say where the value begins and ends: 32 bits
    each, or 64 in a large type (Arrow columnar format, variable-size binary layout).
    """
    ends = pa.py_buffer(struct.pack(offsets, 0, len(content)))
    return pa.Array.from_buffers(kind, 1, [None, ends, pa.py_buffer(content)])


@contextmanager
def write_pictures(folder: str, name: str, keep: bool = False) -> Iterator[PictureWriter]:
    """Write the picture store of a part. With `keep` the pictures that it has stay in it."""
    path = pictures_path(folder, name)
    with files.open_whole(path) as stream, _buffered(stream) as sink:

        def flush() -> None:
            if files.is_local(path):
                sink.flush()
                stream.flush()

        with ipc.new_file(sink, PICTURES_SCHEMA) as writer:
            pictures = PictureWriter(writer, flush)
            # The new file replaces the old one only at its end, so the old one can still be read.
            if keep and files.exists(path):
                with open_pictures(folder, name) as before:
                    for sha256 in before.names():
                        pictures.add(sha256, before.read(sha256))
            yield pictures
            pictures.flush()


@contextmanager
def _buffered(stream: IO[bytes]) -> Iterator[pa.BufferedOutputStream]:
    """Collect small pieces before they are written to a stream, which stays open."""
    sink = pa.BufferedOutputStream(pa.PythonFile(stream, "w"), WRITE_BYTES)
    try:
        yield sink
        sink.detach()
    finally:
        # Where the block raised, the file is given up. Arrow would write the rest later, when the
        # stream is closed.
        with suppress(OSError, ValueError):
            sink.detach()


def digest_of(content: bytes) -> str:
    """The sha256 of stored bytes, in hex digits."""
    return hashlib.sha256(content).hexdigest()


class PictureReader:
    """Reads pictures of one part by their sha256."""

    def __init__(self, reader: ipc.RecordBatchFileReader, path: str) -> None:
        self._reader = reader
        self._path = path
        self._batch_of: dict[str, int] = {}
        for number in range(reader.num_record_batches):
            sha256 = reader.get_batch(number)["sha256"][0].as_py()
            self._batch_of[sha256] = number

    def names(self) -> list[str]:
        """The sha256 of each picture, in the order in which they were stored."""
        return list(self._batch_of)

    def read(self, sha256: str) -> bytes:
        """The stored bytes of a picture. Raises KeyError if it is not stored, and Damaged."""
        batch = self._reader.get_batch(self._batch_of[sha256])
        content: bytes = batch["content"][0].as_py()
        if digest_of(content) != batch["stored_sha256"][0].as_py():
            raise Damaged(self._path)
        return content


@contextmanager
def open_pictures(folder: str, name: str) -> Iterator[PictureReader]:
    """Open the picture store of a part for reading."""
    path = pictures_path(folder, name)
    with openers.open_near(path) as stream, ipc.open_file(stream) as reader:
        yield PictureReader(reader, path)
