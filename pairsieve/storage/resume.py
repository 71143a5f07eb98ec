"""A stream that survives broken connections, and asks an object store for what will be read.

It opens the file again and reads on at the same offset.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from os import SEEK_CUR, SEEK_END, SEEK_SET
from types import TracebackType
from typing import IO, TypeVar

import aiohttp

from pairsieve.storage import files, openers

# A store or a network raises these. Trying again may help.
TRANSIENT_ERRORS = (OSError, aiohttp.ClientError)
# These are OSErrors, too, but trying again cannot help.
PERMANENT_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError)

# Seconds to wait after each transient error. One more error than there are waits is raised.
WAITS_S = (0.5, 2.0, 8.0, 30.0)
# What an object store is asked for at a time: a few records, where nobody has said what will be
# read; and otherwise up to twice what a piece of an archive has (input.split_mb).
LITTLE_BYTES, AHEAD_BYTES = 256 * 1024, 8_000_000
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


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes of a file that an object store has already sent, from `start` on."""

    start: int
    content: bytes

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes at an offset of the file; none outside of the window."""
        at = offset - self.start
        return self.content[at : at + size] if at >= 0 else b""


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
        self._is_local = files.is_local(path)
        self._window = Window(0, b"")
        # Where reading goes on: nowhere until `expect` says it.
        self._expected = range(0)

    def expect(self, start: int, end: int | None) -> None:
        """Say that the bytes from `start` to `end`, or to the end of the file, will be read.

        An object store is then asked for up to AHEAD_BYTES of them at a time, and for LITTLE_BYTES
        elsewhere.
        """
        # The last record may go beyond the end.
        self._expected = range(start, sys.maxsize if end is None else end + LITTLE_BYTES)

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
        if self._is_local or size < 0:
            return self._read_at(stream, self._offset, size)
        content = self._window.read(self._offset, size)
        missing = min(size, (self._size or 0) - self._offset) - len(content)
        if missing > 0:
            start = self._offset + len(content)
            ahead = self._read_at(stream, start, max(missing, self._bytes_ahead(start)))
            self._window = Window(start, ahead)
            content += ahead[:missing]
        return content

    def _bytes_ahead(self, offset: int) -> int:
        """For how many bytes an object store is asked at an offset."""
        if offset in self._expected:
            return min(self._expected.stop - offset, AHEAD_BYTES)
        return LITTLE_BYTES

    def _read_at(self, stream: IO[bytes], offset: int, size: int) -> bytes:
        try:
            if stream.tell() != offset:
                stream.seek(offset)
            return stream.read(size)
        except TRANSIENT_ERRORS:
            # The connection may be broken. The next attempt opens a new one.
            self._close()
            raise

    def _open(self) -> IO[bytes]:
        """The open stream; opens it if need be."""
        if self._stream is not None:
            return self._stream
        stream = openers.open_stream(self._path, self._options)
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
