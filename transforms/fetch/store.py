"""The picture store of a part, with what is to be made smaller made smaller in other processes."""

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

MOST_PENDING = 32  # pictures that wait to be made smaller, before the next one waits


class Store:
    """Takes (sha256, bytes as served) of each picture of one part."""

    def __init__(
        self,
        writer: parts.PictureWriter,
        room: DiskQuota,
        settings: StoreSettings,
        processes: Processes,
    ) -> None:
        self._writer, self._room, self._settings, self._processes = (
            writer,
            room,
            settings,
            processes,
        )
        self._pending: deque[tuple[str, bytes, Task[Reduced | None]]] = deque()
        self._originals: dict[str, Reduced] = {}

    def add(self, sha256: str, content: bytes) -> None:
        """Raises StoreFull where there is no room."""
        side = self._settings.side
        if side is None:
            self._write(sha256, content)
            return
        self._pending.append(
            (sha256, content, self._processes.submit(reduce, content, side, self._settings.decode))
        )
        if len(self._pending) > MOST_PENDING:
            self._write_reduced()

    def _write_reduced(self) -> None:
        sha256, content, task = self._pending.popleft()
        # it was offline in its own process
        found = attempt(self._processes.result, task, reads_storage=True)
        reduced = found if isinstance(found, Reduced) else None  # scoring will say what it is
        if reduced is not None:
            self._originals[sha256] = replace(reduced, content=b"")
        self._write(sha256, reduced.content if reduced else content)

    def _write(self, sha256: str, content: bytes) -> None:
        self._room.reserve(len(content))
        self._writer.add(sha256, content)

    def finish(self) -> None:
        """Wait for what is pending."""
        while self._pending:
            self._write_reduced()

    def described(self, image: Image) -> Image:
        """The image with what its picture was, where that was made smaller."""
        was = self._originals.get(image.sha256 or "")
        return (
            replace(
                image,
                original_width=was.width,
                original_height=was.height,
                original_format=was.format,
            )
            if was
            else image
        )


@dataclass(frozen=True)
class Stores:
    """Opens the stores of one worker, which share its room and its processes."""

    folder: str
    settings: StoreSettings
    room: DiskQuota
    processes: Processes

    @contextmanager
    def open(self, name: str, keep: bool) -> Iterator[Store]:
        """The store of one part; with `keep`, what it has stays in it."""
        with parts.write_pictures(self.folder, name, keep) as writer:
            store = Store(writer, self.room, self.settings, self.processes)
            yield store
            store.finish()


@contextmanager
def open_stores(folder: str, settings: StoreSettings, workers: int) -> Iterator[Stores]:
    """The stores of one of several workers."""
    with closing(Processes(os.cpu_count() or 1)) as processes:
        yield Stores(
            folder,
            settings,
            DiskQuota(folder, settings.max_bytes, settings.min_free_bytes, workers),
            processes,
        )
