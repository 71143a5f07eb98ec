"""Reading that survives a broken connection: the file is opened again, and reading goes on at the
same offset.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from os import SEEK_CUR, SEEK_END, SEEK_SET
from types import TracebackType
from typing import IO, TypeVar

import aiohttp

from pairsieve.storage import files

TRANSIENT_ERRORS = (OSError, aiohttp.ClientError)
PERMANENT_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError)
WAITS_S = (0.5, 2.0, 8.0, 30.0)
LOGGER = logging.getLogger(__name__)
T = TypeVar("T")


class FileChanged(ValueError):
    """A file has another size than when it was opened first: what was read of it is not to be
    trusted.
    """


def with_retries(attempt: Callable[[], T], waits_s: tuple[float, ...] = WAITS_S) -> tuple[T, int]:
    """What `attempt` gives, and how many transient errors came before; one more than there are
    waits is raised.
    """
    for retries, wait_s in enumerate(waits_s):
        try:
            return attempt(), retries
        except PERMANENT_ERRORS:
            raise
        except TRANSIENT_ERRORS as error:
            LOGGER.info(
                "%s while reading an input; trying again in %g s", type(error).__name__, wait_s
            )
            time.sleep(wait_s)
    return attempt(), len(waits_s)


class ResumedStream:
    """A seekable binary stream; `resumed` counts the transient errors that it went over.

    Raises FileChanged, one of PERMANENT_ERRORS, and after as many waits as given one of
    TRANSIENT_ERRORS.
    """

    def __init__(
        self, path: str, options: files.Options, waits_s: tuple[float, ...] = WAITS_S
    ) -> None:
        self.resumed = 0
        self._path, self._options, self._waits_s = path, options, waits_s
        self._stream: IO[bytes] | None = None
        self._at, self._size = 0, -1

    def __enter__(self) -> ResumedStream:
        self._retry(self._opened)
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
        return self._at

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to an offset; nothing is read."""
        self._at = offset + {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; none at the end of the file."""
        content = self._retry(lambda: self._read(size))
        self._at += len(content)
        return content

    def _retry(self, attempt: Callable[[], T]) -> T:
        result, retries = with_retries(attempt, self._waits_s)
        self.resumed += retries
        return result

    def _read(self, size: int) -> bytes:
        stream = self._opened()
        try:
            if stream.tell() != self._at:
                stream.seek(self._at)
            return stream.read(size)
        except TRANSIENT_ERRORS:
            self._close()
            raise

    def _opened(self) -> IO[bytes]:
        if self._stream is None:
            self._stream = files.open_stream(self._path, self._options)
            size = self._stream.seek(0, SEEK_END)
            if self._size not in (-1, size):
                raise FileChanged(f"an input had {self._size} bytes and has {size} now")
            self._size = size
        return self._stream

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(*TRANSIENT_ERRORS):
                stream.close()
