"""Opens a file in the way in which it will be read, so that an object store sends little else.

Files of fsspec read ahead by a fixed number of bytes: 5 MB beyond each place, and s3fs 50 MB. On a
local disk all ways are the same.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, cast

from fsspec.implementations.cached import CachingFileSystem

from pairsieve.storage import files

# A request takes a store some 30 ms, in which it could send some megabytes. So less than these
# would cost more requests, and save little.
EXCERPT_BYTES = 1024 * 1024
PIECE_BYTES, PIECES_KEPT = 4 * 1024 * 1024, 8
COPY_BYTES = 16 * 1024 * 1024  # of a whole file, at a time
NOTHING_AHEAD: Mapping[str, Any] = {"cache_type": "none"}


@contextmanager
def open_excerpt(path: str, options: files.Options = files.NO_OPTIONS) -> Iterator[IO[bytes]]:
    """Open a file of which little is read, at one place.

    An object store is asked for EXCERPT_BYTES beyond what is read.
    """
    # Without a name of the cache gcsfs guesses, and asks several times for each record.
    asking = {"block_size": EXCERPT_BYTES, "cache_type": "readahead"}
    with _opened(path, options, asking) as stream:
        yield stream


@contextmanager
def open_columns(path: str) -> Iterator[IO[bytes]]:
    """Open a parquet file of which some columns are read, in all row groups.

    An object store is asked for pieces that hold bytes of them, for each once. pyarrow's threads
    read columns in any order, so that a cache of one place would ask for most bytes several times.
    """
    asking = {
        "block_size": PIECE_BYTES,
        "cache_type": "blockcache",
        "cache_options": {"maxblocks": PIECES_KEPT},
    }
    with _opened(path, files.NO_OPTIONS, asking) as stream:
        yield stream


@contextmanager
def open_row_groups(path: str, options: files.Options = files.NO_OPTIONS) -> Iterator[IO[bytes]]:
    """Open a parquet file of which few row groups are read, or columns that lie side by side.

    An object store is asked for what is read: pyarrow reads such columns at once.
    """
    with _opened(path, options, NOTHING_AHEAD) as stream:
        yield stream


@contextmanager
def open_near(path: str) -> Iterator[IO[bytes]]:
    """Open a file that is read in any order. One in an object store is copied to this machine."""
    with files.open_read(path) as stream:
        if files.is_local(path):
            yield stream
            return
        # The system removes such a file, which has no name, also where the process is killed.
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(stream, copy, COPY_BYTES)
            copy.seek(0)
            yield copy


def open_stream(path: str, options: files.Options) -> IO[bytes]:
    """Open a file as a seekable binary stream, which the caller must close.

    An object store is asked for what is read, and for no more.
    """
    fs, name = files.filesystem(path, options)
    return cast(IO[bytes], fs.open(name, "rb", **_accepted(NOTHING_AHEAD, fs)))


@contextmanager
def _opened(path: str, options: files.Options, asking: Mapping[str, Any]) -> Iterator[IO[bytes]]:
    """Open a file; `asking` are fsspec's options of how a store is asked."""
    # The filesystem of a zip file closes its files when nobody has it any more.
    fs, name = files.filesystem(path, options)
    with fs.open(name, "rb", **_accepted(asking, fs)) as stream:
        yield stream


def _accepted(asking: Mapping[str, Any], fs: Any) -> Mapping[str, Any]:
    """The options that a filesystem accepts.

    fsspec's caches on disk (`blockcache::`) have a way of their own to ask, and accept no other.
    """
    return {} if isinstance(fs, CachingFileSystem) else asking
