"""The folder for the files of a job: the launcher takes them over, and removes the folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pairsieve.storage import files
from pairsieve.storage.marked import mark, remove_ours
from pipeline.dataset.writer import alone_in


@contextmanager
def folder_for_job(folder: str) -> Iterator[None]:
    """Have a folder for the time of the block, which is removed afterwards.

    What a killed command has left there is removed first. Raises InUse, and NotOurs where somebody
    else's folder has this name.
    """
    mark(folder)
    with alone_in(folder):
        try:
            # Under the lock: what another command is writing stays.
            _remove_below(folder)
            yield
        finally:
            remove_ours(folder)


def _remove_below(folder: str) -> None:
    for name in files.folders_in(folder):
        if not name.startswith("."):  # the lock of an object store
            files.remove_tree(files.join(folder, name))
