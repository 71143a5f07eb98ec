"""WACZ: a zip file with WARC files below `archive/` and their indexes below `indexes/`.

Format: https://specs.webrecorder.net/wacz/1.1.1/. WARC files should be stored in it without another
compression. Then a record has an offset in the WACZ file, and is read there like in any other file.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from os import SEEK_CUR, SEEK_END, SEEK_SET
from typing import IO, cast

from pairsieve.storage.files import Stream
from pairsieve.warc.codecs import GZIP_SIGN
from pairsieve.warc.members import DamagedStream

ZIP_SIGN = b"PK\x03\x04"
ARCHIVE_FOLDER, INDEX_FOLDER = "archive/", "indexes/"
# The indexes of records; an .idx file is an index of a compressed index, and not needed here.
INDEX_SUFFIXES = (".cdx", ".cdxj", ".cdx.gz", ".cdxj.gz")

# What zipfile raises for an entry: a wrong checksum, a method or an encryption that it lacks.
ENTRY_ERRORS = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
# A local file header: APPNOTE.TXT of PKWARE, 4.3.7.
LOCAL_HEADER_BYTES = 30


class NotAWacz(ValueError):
    """A zip file that cannot be read, or that holds no WARC file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A WARC file in a WACZ: its bytes from `start` to `end`, where it is stored as it is.

    One that is compressed again (`is_stored` is False) is read from its front, by its name.
    """

    name: str
    start: int
    end: int
    is_stored: bool


class Part:
    """A part of a stream, from its start to `end`. Offsets are those of the stream."""

    def __init__(self, stream: Stream, end: int) -> None:
        self._stream = stream
        self._end = end

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes; none at the end of the part."""
        left = max(0, self._end - self._stream.tell())
        wanted = left if size < 0 else min(size, left)
        return self._stream.read(wanted)

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        """Set the offset of the next byte."""
        bases = {SEEK_SET: 0, SEEK_CUR: self._stream.tell(), SEEK_END: self._end}
        return self._stream.seek(bases[whence] + offset)

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._stream.tell()


class _Seekable(Part):
    """A stream as the zip library wants it."""

    def seekable(self) -> bool:
        return True


def is_wacz(start: bytes) -> bool:
    """Whether a file is a zip file, by its first bytes."""
    return start.startswith(ZIP_SIGN)


def entries_of(stream: Stream) -> list[Entry]:
    """The WARC files in a WACZ, in the order of its directory. Raises NotAWacz."""
    with _zip_file(stream) as wacz:
        infos = [
            info
            for info in wacz.infolist()
            if info.filename.startswith(ARCHIVE_FOLDER) and not info.is_dir()
        ]
    if not infos:
        raise NotAWacz(f"the zip file holds nothing below {ARCHIVE_FOLDER}")
    return [_entry(stream, info) for info in infos]


class EntryStream:
    """An entry that is compressed in its zip file, as a stream. Going back is slow.

    Raises NotAWacz if it cannot be opened, DamagedStream where it cannot be decompressed.
    """

    def __init__(self, stream: Stream, name: str) -> None:
        try:
            self._entry = _zip_file(stream).open(name)
        except (KeyError, *ENTRY_ERRORS):
            raise NotAWacz("an entry of the zip file cannot be read") from None

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes; none at the end."""
        try:
            return self._entry.read(size)
        except ENTRY_ERRORS:
            raise DamagedStream("a damaged entry of a zip file") from None

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        """Set the offset of the next byte."""
        return self._entry.seek(offset, whence)

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._entry.tell()


def index_lines(stream: Stream) -> Iterator[bytes]:
    """The lines of all indexes in a WACZ. Raises NotAWacz, and what reading raises."""
    with _zip_file(stream) as wacz:
        names = [
            name
            for name in wacz.namelist()
            if name.startswith(INDEX_FOLDER) and name.endswith(INDEX_SUFFIXES)
        ]
        if not names:
            raise NotAWacz(f"the zip file holds no index below {INDEX_FOLDER}")
        for name in names:
            with wacz.open(name) as raw:
                is_gzip = raw.read(len(GZIP_SIGN)) == GZIP_SIGN
                raw.seek(0)
                yield from gzip.GzipFile(fileobj=raw) if is_gzip else raw


def _zip_file(stream: Stream) -> zipfile.ZipFile:
    stream.seek(0)
    size = stream.seek(0, SEEK_END)
    try:
        return zipfile.ZipFile(cast(IO[bytes], _Seekable(stream, size)))
    except (zipfile.BadZipFile, NotImplementedError):
        raise NotAWacz("the zip file is damaged") from None


def _entry(stream: Stream, info: zipfile.ZipInfo) -> Entry:
    stream.seek(info.header_offset)
    header = stream.read(LOCAL_HEADER_BYTES)
    if len(header) < LOCAL_HEADER_BYTES or not header.startswith(ZIP_SIGN):
        raise NotAWacz("the zip file is damaged")
    # The lengths of name and extra field stand at the end of the header.
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    start = info.header_offset + LOCAL_HEADER_BYTES + lengths
    is_stored = info.compress_type == zipfile.ZIP_STORED
    return Entry(info.filename, start, start + info.compress_size, is_stored)
