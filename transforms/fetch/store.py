"""The picture store of a part. It can reduce pictures, in other processes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from pairsieve.attempt import attempt
from pairsieve.images.processes import Processes, Task
from pairsieve.images.reduce import Reduced, reduce
from pairsieve.records.sample import Image
from pairsieve.storage import parts
from pairsieve.storage.disk_quota import DiskQuota
from transforms.fetch.settings import StoreSettings

# Pictures that may wait to be reduced. The next one then waits for the first of them.
MAX_PENDING = 32


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to store. `digest` is the sha256 of `content` where it is known."""

    sha256: str
    content: bytes
    digest: str | None


class Store:
    """Stores the pictures of one part."""

    def __init__(
        self,
        writer: parts.PictureWriter,
        quota: DiskQuota,
        settings: StoreSettings,
        processes: Processes,
    ) -> None:
        self._writer = writer
        self._quota = quota
        self._settings = settings
        self._processes = processes
        self._pending: deque[tuple[Picture, Task[Reduced | None]]] = deque()
        self._originals: dict[str, Reduced] = {}

    def add(self, sha256: str, content: bytes) -> None:
        """Store a picture as served, or start reducing it.

        `sha256` is that of `content`. Raises StoreFull when the store is full.
        """
        self._take(Picture(sha256, content, sha256))

    def add_stored(self, sha256: str, content: bytes) -> None:
        """Store a picture that another store held, perhaps reduced, or start reducing it."""
        self._take(Picture(sha256, content, None))

    def _take(self, picture: Picture) -> None:
        side = self._settings.side
        if side is None:
            self._write(picture)
            return
        task = self._processes.submit(reduce, picture.content, side, self._settings.decode)
        self._pending.append((picture, task))
        if len(self._pending) > MAX_PENDING:
            self._write_reduced()

    def _write_reduced(self) -> None:
        """Wait for the first pending picture, and store it."""
        picture, task = self._pending.popleft()
        # The reducing process has its own network guard, so none is needed here.
        reduced = attempt(self._processes.result, task, reads_storage=True)
        if isinstance(reduced, Reduced):
            # Only size and format are kept: the bytes would fill the memory.
            self._originals[picture.sha256] = replace(reduced, content=b"")
            self._write(Picture(picture.sha256, reduced.content, None))
        else:
            # Small already, or not decodable. Scoring finds out which, from the bytes as served.
            self._write(picture)

    def _write(self, picture: Picture) -> None:
        self._quota.reserve(len(picture.content))
        self._writer.add(picture.sha256, picture.content, picture.digest)

    def flush(self) -> None:
        """Hand what is stored so far to the operating system."""
        self._writer.flush()

    def finish(self) -> None:
        """Store all pending pictures."""
        while self._pending:
            self._write_reduced()

    def described(self, image: Image) -> Image:
        """The image; if its picture was reduced, with the size and format as served."""
        original = self._originals.get(image.sha256 or "")
        if original is None:
            return image
        return replace(
            image,
            original_width=original.width,
            original_height=original.height,
            original_format=original.format,
        )


@dataclass(frozen=True)
class Stores:
    """Opens the stores of one worker. They share its disk quota and its processes."""

    folder: str
    settings: StoreSettings
    quota: DiskQuota
    processes: Processes

    @contextmanager
    def open(self, name: str, keep: bool) -> Iterator[Store]:
        """The store of one part. With `keep` the pictures that it already has stay in it."""
        with parts.write_pictures(self.folder, name, keep) as writer:
            store = Store(writer, self.quota, self.settings, self.processes)
            yield store
            store.finish()


@contextmanager
def open_stores(folder: str, settings: StoreSettings, workers: int) -> Iterator[Stores]:
    """The stores of one of several workers, among which the limits are divided."""
    quota = DiskQuota(folder, settings.max_bytes, settings.min_free_bytes, workers)
    with closing(Processes(os.cpu_count() or 1)) as processes:
        yield Stores(folder, settings, quota, processes)
