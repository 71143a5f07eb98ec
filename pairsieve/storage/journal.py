"""The journal of a fetch: answers of unfinished parts, so that a killed run asks no URL again.

A worker writes its new answers every few seconds. It does not write the bytes of pictures a second
time: they are in the file that the worker was writing when it was killed, which can be read up to
where it was cut off. An object store keeps no such file; there pictures are asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import uuid4

import pyarrow as pa
import pyarrow.ipc as ipc

from pairsieve.records.sample import IMAGE_SCHEMA, Image
from pairsieve.records.table import from_table, to_table
from pairsieve.storage import files, parts
from pairsieve.storage.sealed import Damaged, read_sealed, write_sealed

FOLDER, SUFFIX = "journal", ".parquet"

# An Arrow file begins with these bytes; an Arrow stream follows them.
MAGIC_BYTES = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """The answer to one URL of a part."""

    part: str
    url: str
    image: Image


@dataclass(frozen=True)
class Journal:
    """The journal of one fetch. `folder` is that of its parts, `schema` that of its images."""

    folder: str
    schema: pa.Schema

    def write(self, entries: Sequence[Entry]) -> None:
        """Write entries, in a file of their own."""
        table = to_table([entry.image for entry in entries], self.schema)
        table = table.append_column("part", pa.array([entry.part for entry in entries]))
        table = table.append_column("url", pa.array([entry.url for entry in entries]))
        name = uuid4().hex + SUFFIX
        write_sealed(files.join(self.folder, FOLDER, name), table)

    @cached_property
    def _entries(self) -> Mapping[str, Mapping[str, Image]]:
        """Part -> URL -> image, for the parts that are not finished."""
        entries: dict[str, dict[str, Image]] = {}
        finished = set(parts.part_names(self.folder))
        for name in files.names_in(files.join(self.folder, FOLDER), SUFFIX):
            try:
                table = read_sealed(files.join(self.folder, FOLDER, name))
            except Damaged:
                # The run asks these URLs again, which is better than to stop.
                continue
            for entry in _entries_of(table):
                if entry.part not in finished:
                    entries.setdefault(entry.part, {})[entry.url] = entry.image
        return entries

    def of(self, part: str) -> Mapping[str, Image]:
        """URL -> image, for the URLs of a part that a killed run had answers to."""
        return self._entries.get(part, {})


def _entries_of(table: pa.Table) -> Iterator[Entry]:
    part_names = table["part"].to_pylist()
    urls = table["url"].to_pylist()
    images = from_table(table.drop_columns(["part", "url"]), Image, IMAGE_SCHEMA)
    for part, url, image in zip(part_names, urls, images, strict=True):
        yield Entry(part, url, image)


def salvaged(folder: str, part: str) -> dict[str, bytes]:
    """sha256 -> bytes, for the pictures that killed runs have stored of a part.

    They are in unfinished stores, or in a finished one whose part was not written any more.
    """
    pictures: dict[str, bytes] = {}
    store = parts.pictures_path(folder, part)
    finished = [store] if files.exists(store) else []
    for path in [*files.leftovers(store), *finished]:
        with files.open_read(path) as stream:
            stream.seek(MAGIC_BYTES)
            pictures.update(_whole_pictures(stream.read()))
    return pictures


def _whole_pictures(arrow_stream: bytes) -> Iterator[tuple[str, bytes]]:
    """(sha256, bytes) of each picture in a stream that may be cut off anywhere."""
    try:
        for batch in ipc.open_stream(arrow_stream):
            columns = [column.to_pylist() for column in batch]
            for sha256, content, stored_sha256 in zip(*columns, strict=True):
                if parts.digest_of(content) == stored_sha256:
                    yield sha256, content
    except (pa.ArrowInvalid, OSError):
        # The stream is cut off here.
        return
