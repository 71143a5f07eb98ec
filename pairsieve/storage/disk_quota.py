"""Limits on what a run stores: it stops with a message before it fills a disk."""

from __future__ import annotations

import shutil

from pairsieve.storage import files

# Bytes stored between two looks at the free space: a look at each picture would cost time.
CHECK_EVERY_BYTES = 50_000_000


class StoreFull(RuntimeError):
    """The store has reached a limit. The message says which limit, and what to do."""


class DiskQuota:
    """How many bytes one of several workers may still store in a folder.

    The workers divide what is left of `max_bytes` equally. None means no limit. `min_free_bytes`
    is what must stay free on a local disk. A store in the cloud has no such limit.
    """

    def __init__(
        self, folder: str, max_bytes: float | None, min_free_bytes: float, workers: int
    ) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._bytes_left: float | None = None
        if max_bytes is not None:
            self._bytes_left = (max_bytes - files.size_of_folder(folder)) / workers
        self._bytes_until_check = 0

    def reserve(self, size_bytes: int) -> None:
        """Count bytes that are about to be stored. Raises StoreFull when a limit is reached."""
        if self._bytes_left is not None:
            self._bytes_left -= size_bytes
            if self._bytes_left < 0:
                raise StoreFull(
                    "the pictures need more room than fetch.max_store_gb gives: raise it, or set "
                    "fetch.store_size"
                )
        self._bytes_until_check -= size_bytes
        if self._bytes_until_check < 0 and files.is_local(self._folder):
            self._bytes_until_check = CHECK_EVERY_BYTES
            self._check_free_space()

    def _check_free_space(self) -> None:
        # The folder itself may not be made yet.
        free = shutil.disk_usage(files.local_parent(self._folder)).free
        if free < self._min_free_bytes:
            raise StoreFull(
                f"the disk of the work directory has {free / 1e9:.1f} GB left, less than "
                "fetch.min_free_gb: free some space, move the work directory (--work), or set "
                "fetch.store_size"
            )
