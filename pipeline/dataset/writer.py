"""Lets one command at a time change a dataset, and finishes an erasure that was cut off.

An erasure writes the next version beside the present one, in `unfinished-erasure/`. The last file
that it writes there is COMMIT. A crash before that leaves the present version. After it the next
command that opens the dataset moves the files into place. While they are moved there is no
manifest: a reader who waits for the manifest never sees a mixture of two versions.
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
READ_ONLY_ERRORS = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def alone_in(folder: str) -> Iterator[Lock]:
    """Be the only writer in a folder. Raises InUse, which names the folder."""
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(one_writer(folder))
        except InUse as error:
            raise InUse(f"{folder}: {error}") from None
        yield lock


@contextmanager
def only_writer(dataset: str) -> Iterator[Lock]:
    """Be the only one who changes a dataset; first finish an erasure that was cut off.

    Raises InUse, and NoSuchDataset where an erasure cannot be finished.
    """
    with alone_in(dataset) as lock:
        recover(dataset)
        yield lock


@contextmanager
def kept_unchanged(dataset: str) -> Iterator[None]:
    """Keep others from changing a dataset while the block reads it, where that is possible.

    Where nothing can be written (a read-only disk, a web server) there is no lock. Raises as
    `only_writer`.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(only_writer(dataset))
        except NotImplementedError:
            # The file system of a web server has no way to write.
            pass
        except OSError as error:
            if error.errno not in READ_ONLY_ERRORS:
                raise
        yield


def recover(dataset: str) -> None:
    """Finish an erasure that has written COMMIT, and remove what is left of one that has not.

    Raises NoSuchDataset.
    """
    staging = files.join(dataset, STAGING)
    if not files.exists(files.join(staging, COMMIT)):
        remove_ours(staging)
        return
    LOGGER.info("finishing a change in %s", files.public_name(dataset))
    # Both are read before anything is moved: where they are damaged nothing has changed.
    moved = _read_moved(dataset, staging)
    manifest = _read_next_manifest(dataset, staging)
    files.remove_file(files.join(dataset, MANIFEST))
    for path, staged in moved.items():
        # An earlier attempt may have moved it already.
        if files.exists(files.join(staging, staged)):
            files.move(files.join(staging, staged), files.join(dataset, path))
    # The pages name domains of images: they are written anew too.
    write_pages(dataset, manifest)
    # A copy: until COMMIT is gone, the next command may have to begin again from here.
    files.copy(files.join(staging, MANIFEST), files.join(dataset, MANIFEST))
    # After the manifest: without COMMIT the staging folder is removed unread.
    files.remove_file(files.join(staging, COMMIT))
    remove_ours(staging)


def _read_next_manifest(dataset: str, staging: str) -> Manifest:
    """The manifest of the next version.

    Its names must not lead out of the dataset: a stranger may have made the staging folder. Raises
    NoSuchDataset.
    """
    manifest = read_manifest(staging)
    try:
        check_names(dataset, [listed.path for listed in manifest.files])
    except LeadsOut as error:
        raise NoSuchDataset(
            f"{staging}: {error}. Take a copy from somebody whom you trust"
        ) from None
    return manifest


def _read_moved(dataset: str, staging: str) -> dict[str, str]:
    """The paths of the files to move into place, and where they lie in the staging folder.

    Raises NoSuchDataset where they are not plain names in both folders.
    """
    try:
        content = json.loads(files.read_text(files.join(staging, COMMIT)))
        moved: dict[str, str] = content
        if not isinstance(content, dict):
            # Earlier versions wrote a list: files lay at the same path.
            moved = {path: path for path in content}
        check_names(dataset, moved)
        check_names(staging, moved.values())
    except (ValueError, TypeError, LeadsOut) as error:
        raise NoSuchDataset(
            f"{dataset}: an erasure was cut off and cannot be finished: {STAGING}/{COMMIT} is "
            f"damaged ({error}). Get the dataset back from a copy, and erase again"
        ) from None
    return moved
