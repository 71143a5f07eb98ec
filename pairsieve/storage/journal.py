"""Answers of parts that are not finished yet, put in place every few seconds: a run that is killed
does not ask again for what it has.

Bytes of pictures are not written twice: they are in the file that the killed writer was writing,
which can be read up to where it was cut off. Where no such file is left (object stores), pictures
are asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
MAGIC_BYTES = 8  # of an Arrow file, before the stream that it holds


@dataclass(frozen=True, slots=True)
class Entry:
    """What was answered for one URL of a part."""

    part: str
    url: str
    image: Image


@dataclass(frozen=True)
class Journal:
    """The journal of one fetch. `schema` is that of its images."""

    folder: str
    schema: pa.Schema

    def write(self, entries: Sequence[Entry]) -> None:
        """Put entries in place."""
        table = to_table([entry.image for entry in entries], self.schema)
        table = table.append_column("part", pa.array([e.part for e in entries])).append_column(
            "url", pa.array([e.url for e in entries])
        )
        write_sealed(files.join(self.folder, FOLDER, uuid4().hex + SUFFIX), table)

    @cached_property
    def _entries(self) -> Mapping[str, Mapping[str, Image]]:
        """Part -> URL -> image, of parts that are not finished."""
        found: dict[str, dict[str, Image]] = {}
        done = set(parts.part_names(self.folder))
        for name in files.names_in(files.join(self.folder, FOLDER), SUFFIX):
            try:
                table = read_sealed(files.join(self.folder, FOLDER, name))
            except Damaged:  # what it held is asked for again
                continue
            images = from_table(table.drop_columns(["part", "url"]), Image, IMAGE_SCHEMA)
            for part, url, image in zip(
                table["part"].to_pylist(), table["url"].to_pylist(), images, strict=True
            ):
                if part not in done:
                    found.setdefault(part, {})[url] = image
        return found

    def of(self, part: str) -> Mapping[str, Image]:
        """URL -> image of what was answered for a part before the run ended."""
        return self._entries.get(part, {})


def salvaged(folder: str, part: str) -> dict[str, bytes]:
    """sha256 -> bytes of the pictures that killed writers left of a part's store."""
    found: dict[str, bytes] = {}
    for path in files.leftovers(parts.pictures_path(folder, part)):
        with files.open_read(path) as stream:
            stream.seek(MAGIC_BYTES)
            found.update(_whole_batches(stream.read()))
    return found


def _whole_batches(content: bytes) -> Iterable[tuple[str, bytes]]:
    try:
        for batch in ipc.open_stream(content):
            rows = zip(*(column.to_pylist() for column in batch), strict=True)
            yield from (
                (sha256, content)
                for sha256, content, stored in rows
                if parts.digest_of(content) == stored
            )
    except (pa.ArrowInvalid, OSError):  # cut off here
        return
