"""WACZ: a zip file with WARC files below `archive/` and their indexes below `indexes/`.

Format: https://specs.webrecorder.net/wacz/1.1.1/. WARC files should be stored in it without another
compression. Then a record has an offset in the WACZ file, and is read there like in any other file.

A WACZ may hold others instead (https://specs.webrecorder.net/multi-wacz/0.1.0/, "ZIP Packaging"):
Browsertrix gives a collection, or a crawl of several workers, as such a file.
"""

from __future__ import annotations

import gzip
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from os import SEEK_CUR, SEEK_END, SEEK_SET
from typing import IO, cast

from pairsieve.storage.files import Stream
from pairsieve.warc.codecs import GZIP_SIGN
from pairsieve.warc.members import DamagedStream

ZIP_SIGN = b"PK\x03\x04"
ARCHIVE_FOLDER, INDEX_FOLDER = "archive/", "indexes/"
WACZ_SUFFIX = ".wacz"
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

    One that is compressed again (`is_stored` is False) is read from its front, by its name in the
    zip file that ends at `zip_end`.
    """

    name: str
    start: int
    end: int
    is_stored: bool
    zip_end: int


class Part:
    """A part of a stream, from its start to `end`. Offsets are those of the stream."""

    def __init__(self, stream: Stream, end: int) -> None:
        self.end = end
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes; none at the end of the part."""
        left = max(0, self.end - self._stream.tell())
        wanted = left if size < 0 else min(size, left)
        return self._stream.read(wanted)

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        """Set the offset of the next byte."""
        bases = {SEEK_SET: 0, SEEK_CUR: self._stream.tell(), SEEK_END: self.end}
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


def waczs_in(stream: Stream) -> Iterator[Part | NotAWacz]:
    """A WACZ, or those that it holds; NotAWacz for one of these that cannot be read.

    Offsets in them are those of the stream. Raises NotAWacz if the WACZ itself cannot be read.
    """
    size = _size_of(stream)
    with _zip_file(stream) as outer:
        infos = outer.infolist()
    if infos and min(info.header_offset for info in infos) > 0:
        # The file was cut, and this is the directory of a WACZ in it.
        yield NotAWacz("the zip file has no directory of its own")
    inner = [info for info in infos if info.filename.lower().endswith(WACZ_SUFFIX)]
    if not inner or any(_is_archive(info) for info in infos):
        yield Part(stream, size)
        return
    last_end = 0
    for info in sorted(inner, key=lambda info: info.header_offset):
        try:
            wacz = _inner_wacz(stream, info, last_end)
        except NotAWacz as error:
            yield error
            continue
        last_end = wacz.end
        yield wacz


def _inner_wacz(stream: Stream, info: zipfile.ZipInfo, last_end: int) -> Part:
    if info.compress_type != zipfile.ZIP_STORED:
        raise NotAWacz("a WACZ is compressed in another one")
    if info.header_offset < last_end:
        # Nobody makes such files, but they could hold the same records without end.
        raise NotAWacz("two WACZ files lie in the same place of another one")
    start = _content_start(stream, info)
    wacz = Part(stream, start + info.compress_size)
    with _zip_file(wacz) as inner:
        first = min((entry.header_offset for entry in inner.infolist()), default=start)
    if first < start:
        # It was cut or damaged, and this is the directory of the one before it.
        raise NotAWacz("a WACZ in the zip file has no directory of its own")
    return wacz


def archives_in(wacz: Part) -> list[zipfile.ZipInfo]:
    """The WARC files in a WACZ, in the order of its directory. Raises NotAWacz."""
    with _zip_file(wacz) as opened:
        infos = [info for info in opened.infolist() if _is_archive(info)]
    if not infos:
        raise NotAWacz(f"the zip file holds nothing below {ARCHIVE_FOLDER}")
    return infos


def _is_archive(info: zipfile.ZipInfo) -> bool:
    return info.filename.startswith(ARCHIVE_FOLDER) and not info.is_dir()


def archive_around(stream: Stream, offset: int) -> range:
    """The offsets of the archive that holds the byte at an offset: all, or its place in a WACZ.

    None where no archive of a WACZ holds it. Raises NotAWacz if the file is a WACZ that cannot be
    read.
    """
    stream.seek(0)
    if not is_wacz(stream.read(len(ZIP_SIGN))):
        return range(sys.maxsize)
    for wacz in waczs_in(stream):
        if isinstance(wacz, NotAWacz) or offset >= wacz.end:
            continue
        # What cannot be read in one WACZ does not keep from what lies in another one.
        with suppress(NotAWacz):
            for entry in entries_in(wacz):
                if entry.start <= offset < entry.end:
                    return range(entry.start, entry.end)
    return range(0)


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


def index_lines(wacz: Part) -> Iterator[bytes]:
    """The lines of all indexes in a WACZ. Raises NotAWacz, also where one of them is damaged."""
    try:
        yield from _index_lines(wacz)
    except (*ENTRY_ERRORS, gzip.BadGzipFile, EOFError):
        raise NotAWacz("an index in the zip file is damaged") from None


def _index_lines(wacz: Part) -> Iterator[bytes]:
    with _zip_file(wacz) as opened:
        names = [
            name
            for name in opened.namelist()
            if name.startswith(INDEX_FOLDER) and name.endswith(INDEX_SUFFIXES)
        ]
        if not names:
            raise NotAWacz(f"the zip file holds no index below {INDEX_FOLDER}")
        for name in names:
            with opened.open(name) as raw:
                is_gzip = raw.read(len(GZIP_SIGN)) == GZIP_SIGN
                raw.seek(0)
                yield from gzip.GzipFile(fileobj=raw) if is_gzip else raw


def _size_of(stream: Stream) -> int:
    stream.seek(0)
    return stream.seek(0, SEEK_END)


def _zip_file(stream: Stream) -> zipfile.ZipFile:
    """A zip file that ends where a stream does. Bytes before it are passed over."""
    try:
        return zipfile.ZipFile(cast(IO[bytes], _Seekable(stream, _size_of(stream))))
    except (zipfile.BadZipFile, NotImplementedError):
        raise NotAWacz("the zip file is damaged") from None


def entry_of(wacz: Part, info: zipfile.ZipInfo) -> Entry:
    """Where a WARC file lies in a WACZ. Raises NotAWacz."""
    start = _content_start(wacz, info)
    is_stored = info.compress_type == zipfile.ZIP_STORED
    return Entry(info.filename, start, start + info.compress_size, is_stored, wacz.end)


def entries_in(wacz: Part) -> Iterator[Entry]:
    """The WARC files in a WACZ whose place can be told. Raises NotAWacz."""
    for info in archives_in(wacz):
        with suppress(NotAWacz):
            yield entry_of(wacz, info)


def _content_start(stream: Stream, info: zipfile.ZipInfo) -> int:
    """Where the content of an entry begins, behind its local header."""
    stream.seek(info.header_offset)
    header = stream.read(LOCAL_HEADER_BYTES)
    if len(header) < LOCAL_HEADER_BYTES or not header.startswith(ZIP_SIGN):
        raise NotAWacz("the zip file is damaged")
    # The lengths of name and extra field stand at the end of the header.
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return info.header_offset + LOCAL_HEADER_BYTES + lengths
