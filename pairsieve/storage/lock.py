"""One writer at a time in a folder.

On a disk the kernel locks a file (flock(2)). This needs no clock and no process id, works between
containers that share the folder, and ends when the process ends, however it ends.

An object store has no such lock, so numbered objects stand for it. A writer must create the object
with the next number, which the store allows once (a conditional put), and renews it while it works.
A writer that was killed leaves an object that nobody renews. The next writer watches this object
for STALE_S seconds by its own clock, and takes the next number if the object did not change.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

from pairsieve.storage import files

FILE, FOLDER, SUFFIX = ".pairsieve.lock", ".pairsieve.locks", ".json"
RENEW_S, STALE_S = 15.0, 60.0
LOGGER = logging.getLogger(__name__)

# What flock(2) raises on a file system without locks.
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class InUse(RuntimeError):
    """Another run works in the folder. The message says which, since when, and what to do."""


@dataclass(frozen=True)
class Holder:
    """The run that works in a folder, as a message shows it.

    `beats` counts the renewals in an object store: it makes each renewal a change.
    """

    id: str
    host: str
    process: int
    since: str
    beats: int = 0

    def as_json(self) -> str:
        """The content of a lock file."""
        return json.dumps(asdict(self))


def _this_run() -> Holder:
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return Holder(uuid4().hex, platform.node(), os.getpid(), since)


@dataclass
class Lock:
    """A lock that this run holds. `lost` is true once another run has taken it over."""

    lost: bool = False

    def check(self) -> None:
        """Raise InUse if the lock was lost. Call this before any step that cannot be undone."""
        if self.lost:
            raise InUse(
                "another run has taken the folder over, since this one did not renew its lock; "
                "nothing more was changed there. The same command goes on from what is there now"
            )


@contextmanager
def one_writer(folder: str, renew_s: float = RENEW_S, stale_s: float = STALE_S) -> Iterator[Lock]:
    """Hold the lock of a folder while the block runs. Raises InUse if another run holds it."""
    if files.is_local(folder):
        with _locked_file(folder):
            # A lock of the kernel cannot be lost.
            yield Lock()
    else:
        with _locked_object(folder, renew_s, stale_s) as lock:
            yield lock


@contextmanager
def _locked_file(folder: str) -> Iterator[None]:
    local_folder = Path(files.filesystem(folder)[1])
    existed = local_folder.exists()
    files.make_folder(local_folder)
    path = local_folder / FILE
    handle = _lock_file(folder, path)
    try:
        os.truncate(handle, 0)
        os.write(handle, _this_run().as_json().encode())
        yield
    finally:
        # Remove the file while its lock is held: then no other run can be using it.
        path.unlink(missing_ok=True)
        os.close(handle)
        if not existed:
            # This fails, as it should, if the block put something into the folder.
            with suppress(OSError):
                local_folder.rmdir()


def _lock_file(folder: str, path: Path) -> int:
    """Open the lock file and lock it. Returns its handle. Raises InUse."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, files.PRIVATE_FILE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(handle, 4096, 0).decode("utf-8", "replace")
            os.close(handle)
            raise InUse(_refusal(text)) from None
        except OSError as error:
            os.close(handle)
            if error.errno not in NO_LOCKS:
                raise
            raise InUse(
                f"the file system of {folder} has no locks ({error.strerror}), so nothing keeps "
                "two writers apart; put the folder on a disk that has them"
            ) from None
        # Between open and lock the run before may have removed the file. Then start over.
        if _is_open_file(handle, path):
            return handle
        os.close(handle)


def _is_open_file(handle: int, path: Path) -> bool:
    """Whether a handle is that of the file which has this path now."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _refusal(holder_json: str) -> str:
    """The message that another run works there, from the content of its lock file."""
    message = "another run works there"
    # The content may be cut off, or written by another version.
    with suppress(ValueError, TypeError):
        holder = Holder(**json.loads(holder_json))
        message += f" since {holder.since} (process {holder.process} on {holder.host})"
    return f"{message}; wait for it, or end it"


@contextmanager
def _locked_object(folder: str, renew_s: float, stale_s: float) -> Iterator[Lock]:
    locks_folder = files.join(folder, FOLDER)
    holder = _this_run()
    number = _create_next(locks_folder, holder, stale_s)
    lock = Lock()
    stop = threading.Event()
    renewal = Renewal(locks_folder, number, holder, renew_s)
    renewer = threading.Thread(target=renewal.run, args=(lock, stop), daemon=True)
    renewer.start()
    try:
        yield lock
    finally:
        stop.set()
        renewer.join()
        if not lock.lost:
            files.remove_file(_object_path(locks_folder, number))


def _create_next(locks_folder: str, holder: Holder, stale_s: float) -> int:
    """Create the lock object with the next number. Returns its number. Raises InUse."""
    stale_numbers = _stale_numbers(locks_folder, stale_s)
    number = max(stale_numbers, default=0) + 1
    path = _object_path(locks_folder, number)
    if not files.create(path, holder.as_json()):
        raise InUse(_refusal(_read_object(path)))
    # Another run may have listed the folder at another moment, and created another number. Each run
    # creates first and looks afterwards, so that at least one of the two sees the other.
    other_numbers = set(_numbers(locks_folder)) - {number, *stale_numbers}
    if other_numbers:
        files.remove_file(path)
        other_path = _object_path(locks_folder, max(other_numbers))
        raise InUse(_refusal(_read_object(other_path)))
    for stale_number in stale_numbers:
        files.remove_file(_object_path(locks_folder, stale_number))
    return number


def _stale_numbers(locks_folder: str, stale_s: float) -> list[int]:
    """The numbers of objects whose writers were killed. Raises InUse if one is alive."""
    numbers = _numbers(locks_folder)
    if not numbers:
        return []
    newest = _object_path(locks_folder, numbers[-1])
    content = _read_object(newest)
    # The writer ended between the listing and this reading.
    if not content:
        return numbers
    LOGGER.info(
        "%s has a lock of another run; watching for %g s whether that run is alive",
        locks_folder,
        stale_s,
    )
    if _is_renewed(newest, content, stale_s):
        raise InUse(_refusal(content))
    return numbers


def _is_renewed(path: str, content: str, within_s: float) -> bool:
    """Whether a lock object changes within some seconds, by the clock of this machine."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        time.sleep(min(1.0, within_s / 10))
        new_content = _read_object(path)
        if new_content != content:
            # An object that is gone is not renewed: its writer has ended.
            return new_content != ""
    return False


def _numbers(locks_folder: str) -> list[int]:
    """The numbers of the lock objects, sorted."""
    files.forget_listing(locks_folder)
    names = [name.removesuffix(SUFFIX) for name in files.names_in(locks_folder, SUFFIX)]
    return sorted(int(name) for name in names if name.isdigit())


def _object_path(locks_folder: str, number: int) -> str:
    return files.join(locks_folder, f"{number:012d}{SUFFIX}")


def _read_object(path: str) -> str:
    """The content of a lock object; empty if it is gone."""
    try:
        return files.read_text(path)
    except FileNotFoundError:
        return ""


@dataclass(frozen=True)
class Renewal:
    """Renews the lock object of a number every `every_s` seconds."""

    locks_folder: str
    number: int
    holder: Holder
    every_s: float

    def run(self, lock: Lock, stop: threading.Event) -> None:
        """Renew until `stop` is set, or another run has taken the lock over."""
        beats = 0
        while not stop.wait(self.every_s):
            beats += 1
            # A store that does not answer once may answer the next time.
            with suppress(OSError):
                if _numbers(self.locks_folder)[-1:] != [self.number]:
                    lock.lost = True
                    return
                renewed = replace(self.holder, beats=beats)
                path = _object_path(self.locks_folder, self.number)
                files.write_text(path, renewed.as_json())
