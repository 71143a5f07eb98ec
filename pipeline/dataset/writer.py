"""Who may change a dataset: one command at a time, and none over an erasure that was cut off.

An erasure writes the new version beside the old one, in `unfinished-erasure/`, and last the file
COMMIT there. Before that point a crash leaves the old version; from that point on the next command
finishes the new one. Meanwhile there is no manifest, so that a reader who waits for one never sees
a mixture.
"""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pairsieve.records.manifest import MANIFEST, Manifest
from pairsieve.storage import files
from pairsieve.storage.lock import InUse, Lock, one_writer
from pairsieve.storage.marked import remove_ours
from pairsieve.storage.names import LeadsOut, check_names
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.pages import write_pages

LOGGER = logging.getLogger(__name__)
STAGING, COMMIT = "unfinished-erasure", "COMMIT"
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def alone_in(folder: str) -> Iterator[Lock]:
    """Be the only writer in any folder. Raises InUse, which names it."""
    with ExitStack() as held:
        try:
            lock = held.enter_context(one_writer(folder))
        except InUse as error:
            raise InUse(f"{folder}: {error}") from None
        yield lock


@contextmanager
def only_writer(dataset: str) -> Iterator[Lock]:
    """Be the only one who changes a dataset; an erasure that was cut off is finished first.

    Raises InUse, and NoSuchDataset where an erasure cannot be finished.
    """
    with alone_in(dataset) as lock:
        recover(dataset)
        yield lock


@contextmanager
def held_still(dataset: str) -> Iterator[None]:
    """Keep others from changing a dataset while it is read, where that is possible.

    Where nothing can be written (a read-only disk, a web server) nobody is kept away. Raises as
    `only_writer`.
    """
    with ExitStack() as held:
        try:
            held.enter_context(only_writer(dataset))
        except NotImplementedError:
            pass
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
        yield


def recover(dataset: str) -> None:
    """Finish an erasure that has passed its point of no return; forget one that has not. Raises
    NoSuchDataset.
    """
    staging = files.join(dataset, STAGING)
    if not files.exists(files.join(staging, COMMIT)):
        remove_ours(staging)
        return
    LOGGER.info("finishing an erasure in %s", files.public_name(dataset))
    moved, manifest = _moved(dataset, staging), _next_manifest(dataset, staging)
    files.remove_file(files.join(dataset, MANIFEST))
    for path in moved:
        if files.exists(files.join(staging, path)):
            files.move(files.join(staging, path), files.join(dataset, path))
    write_pages(dataset, manifest)  # they name domains
    files.copy(files.join(staging, MANIFEST), files.join(dataset, MANIFEST))
    files.remove_file(files.join(staging, COMMIT))
    remove_ours(staging)


def _next_manifest(dataset: str, staging: str) -> Manifest:
    """The manifest of the new version.

    Raises NoSuchDataset, also where it names files outside of the dataset.
    """
    manifest = read_manifest(staging)
    try:
        check_names(dataset, [listed.path for listed in manifest.files])
    except LeadsOut as error:
        raise NoSuchDataset(
            f"{staging}: {error}. Take a copy from somebody whom you trust"
        ) from None
    return manifest


def _moved(dataset: str, staging: str) -> list[str]:
    """The files of the new version.

    Raises NoSuchDataset where they are not plain names in both folders.
    """
    try:
        moved: list[str] = json.loads(files.read_text(files.join(staging, COMMIT)))
        for folder in (dataset, staging):
            check_names(folder, moved)
    except (ValueError, TypeError, LeadsOut) as error:
        raise NoSuchDataset(
            f"{dataset}: an erasure was cut off and cannot be finished: {STAGING}/{COMMIT} is "
            f"damaged ({error}). "
            "Get the dataset back from a copy, and erase again"
        ) from None
    return moved
