"""How much a store may hold: a run stops with a message before it fills a disk."""

from __future__ import annotations

import shutil

from pairsieve.storage import files

LOOK_EVERY_BYTES = 50_000_000  # of what is stored, before the free space is looked at again


class StoreFull(RuntimeError):
    """The store has reached its limit; the message says which, and what to do."""


class Room:
    """What one of several workers may still store in a folder.

    Raises StoreFull rather than go beyond.
    """

    def __init__(
        self, folder: str, max_bytes: float | None, min_free_bytes: float, workers: int
    ) -> None:
        self._folder, self._min_free_bytes = folder, min_free_bytes
        self._left = (
            None if max_bytes is None else (max_bytes - files.size_of_folder(folder)) / workers
        )
        self._until_look = 0

    def take(self, size: int) -> None:
        """So many bytes are about to be stored."""
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise StoreFull(
                    "the pictures need more room than fetch.max_store_gb gives: raise it, or set "
                    "fetch.store_size"
                )
        self._until_look -= size
        if self._until_look < 0 and files.is_local(self._folder):
            self._until_look = LOOK_EVERY_BYTES
            self._look()

    def _look(self) -> None:
        free = shutil.disk_usage(files.local_parent(self._folder)).free
        if free < self._min_free_bytes:
            raise StoreFull(
                f"the disk of the work directory has {free / 1e9:.1f} GB left, less than "
                "fetch.min_free_gb: free some, move the work"
                " directory (--work), or set fetch.store_size"
            )
