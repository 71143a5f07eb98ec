"""A stream that survives broken connections.

It opens the file again and reads on at the same offset.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from os import SEEK_CUR, SEEK_END, SEEK_SET
from types import TracebackType
from typing import IO, TypeVar

import aiohttp

from pairsieve.storage import files

# A store or a network raises these. Trying again may help.
TRANSIENT_ERRORS = (OSError, aiohttp.ClientError)
# These are OSErrors, too, but trying again cannot help.
PERMANENT_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError)

# Seconds to wait after each transient error. One more error than there are waits is raised.
WAITS_S = (0.5, 2.0, 8.0, 30.0)
LOGGER = logging.getLogger(__name__)
T = TypeVar("T")


class FileChanged(ValueError):
    """A file has another size than when it was first opened, so what was read may be wrong."""


def with_retries(attempt: Callable[[], T], waits_s: tuple[float, ...] = WAITS_S) -> tuple[T, int]:
    """Call a function until it succeeds. Returns its result and the number of transient errors.

    Raises PERMANENT_ERRORS at once, and the last of more TRANSIENT_ERRORS than there are waits.
    """
    for retries, wait_s in enumerate(waits_s):
        try:
            return attempt(), retries
        except PERMANENT_ERRORS:
            raise
        except TRANSIENT_ERRORS as error:
            # The message of the error may hold a URL with credentials, so only its class is logged.
            error_class = type(error).__name__
            LOGGER.info("%s while reading an input; trying again in %g s", error_class, wait_s)
            time.sleep(wait_s)
    return attempt(), len(waits_s)


class ResumedStream:
    """A seekable binary stream. `resumed` counts the transient errors that it survived.

    Raises FileChanged, PERMANENT_ERRORS, and TRANSIENT_ERRORS after all waits of `waits_s`.
    """

    def __init__(
        self, path: str, options: files.Options, waits_s: tuple[float, ...] = WAITS_S
    ) -> None:
        self.resumed = 0
        self._path = path
        self._options = options
        self._waits_s = waits_s
        self._stream: IO[bytes] | None = None
        self._offset = 0
        # Unknown until the file is opened.
        self._size: int | None = None

    def __enter__(self) -> ResumedStream:
        self._retry(self._open)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._offset

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Set the offset of the next byte. Nothing is read.

        Raises ValueError for an offset before the file.
        """
        bases = {SEEK_SET: 0, SEEK_CUR: self._offset, SEEK_END: self._size or 0}
        target = bases[whence] + offset
        if target < 0:
            raise ValueError("an offset before the start of the file")
        self._offset = target
        return target

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; none at the end of the file."""
        content = self._retry(lambda: self._read(size))
        self._offset += len(content)
        return content

    def _retry(self, attempt: Callable[[], T]) -> T:
        result, retries = with_retries(attempt, self._waits_s)
        self.resumed += retries
        return result

    def _read(self, size: int) -> bytes:
        stream = self._open()
        if self._size is not None and self._offset >= self._size:
            # Stores and systems raise errors for such offsets, and would be asked again.
            return b""
        try:
            if stream.tell() != self._offset:
                stream.seek(self._offset)
            return stream.read(size)
        except TRANSIENT_ERRORS:
            # The connection may be broken. The next attempt opens a new one.
            self._close()
            raise

    def _open(self) -> IO[bytes]:
        """The open stream; opens it if need be."""
        if self._stream is not None:
            return self._stream
        stream = files.open_stream(self._path, self._options)
        with ExitStack() as cleanup:
            # If this fails, the next attempt opens the file anew, and asks for its size again.
            cleanup.callback(_close_quietly, stream)
            size = stream.seek(0, SEEK_END)
            if self._size is not None and size != self._size:
                raise FileChanged(f"an input had {self._size} bytes and has {size} now")
            cleanup.pop_all()
        self._stream = stream
        self._size = size
        return stream

    def _close(self) -> None:
        stream = self._stream
        self._stream = None
        if stream is not None:
            with suppress(*TRANSIENT_ERRORS):
                stream.close()


def _close_quietly(stream: IO[bytes]) -> None:
    """Close a stream that may be broken already."""
    with suppress(*TRANSIENT_ERRORS):
        stream.close()
