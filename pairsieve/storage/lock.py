"""One writer at a time in a folder.

On a disk the kernel decides (flock(2)): it needs no clock and no process id, works between
containers that share the folder, and lets go when the process ends, however it ends.

In an object store a numbered object decides. Whoever creates the next number, which a store allows
once (a conditional put), is the writer, and renews its object while it lives. A writer that was
killed leaves an object that nobody renews: it is watched for STALE_S by the clock of the one who
watches, and then the next number is taken.
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
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class InUse(RuntimeError):
    """Somebody else works in the folder; the message says who, since when, and what to do."""


@dataclass(frozen=True)
class Holder:
    """Who works in a folder, for people to read; `beats` counts renewals in an object store."""

    id: str
    host: str
    process: int
    since: str
    beats: int = 0


def _me() -> Holder:
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return Holder(uuid4().hex, platform.node(), os.getpid(), since)


@dataclass
class Lock:
    """A lock that is held. `lost`: another run has taken the folder over."""

    lost: bool = False

    def check(self) -> None:
        """Call it before what cannot be undone. Raises InUse where the lock was lost."""
        if self.lost:
            raise InUse(
                "another run has taken the folder over, since this one did not renew its lock; "
                "nothing more was changed there. The same command goes on from what is there now"
            )


@contextmanager
def one_writer(folder: str, renew_s: float = RENEW_S, stale_s: float = STALE_S) -> Iterator[Lock]:
    """While the block lasts, this is the only writer in the folder. Raises InUse."""
    if files.is_local(folder):
        with _locked_file(folder):
            yield Lock()
    else:
        with _locked_object(folder, renew_s, stale_s) as lock:
            yield lock


@contextmanager
def _locked_file(folder: str) -> Iterator[None]:
    place = Path(files.filesystem(folder)[1])
    there = place.exists()
    files.make_folder(place)
    path = place / FILE
    handle = _acquired(folder, path)
    try:
        os.truncate(handle, 0)
        os.write(handle, json.dumps(asdict(_me())).encode())
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: nobody else can have this file
        os.close(handle)
        if not there:
            with suppress(OSError):  # something was put there
                place.rmdir()


def _acquired(folder: str, path: Path) -> int:
    """A handle of the locked file that has this name now: its holder before may have removed it."""
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
        if _is_named(handle, path):
            return handle
        os.close(handle)


def _is_named(handle: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _refusal(text: str) -> str:
    """What to say where a holder's text is found; the text may be cut off, or another version's."""
    who = "another run works there"
    with suppress(ValueError, TypeError):
        holder = Holder(**json.loads(text))
        who += f" since {holder.since} (process {holder.process} on {holder.host})"
    return f"{who}; wait for it, or end it"


@contextmanager
def _locked_object(folder: str, renew_s: float, stale_s: float) -> Iterator[Lock]:
    place = files.join(folder, FOLDER)
    mine = _me()
    number = _taken_number(place, mine, stale_s)
    lock, stop = Lock(), threading.Event()
    renewal = Renewal(place, number, mine, renew_s)
    renewer = threading.Thread(target=renewal.keep, args=(lock, stop), daemon=True)
    renewer.start()
    try:
        yield lock
    finally:
        stop.set()
        renewer.join()
        if not lock.lost:
            files.remove_file(_path(place, number))


def _taken_number(place: str, mine: Holder, stale_s: float) -> int:
    """The number of an object that is now ours. Raises InUse."""
    before = _free(place, stale_s)
    number = max(before, default=0) + 1
    path = _path(place, number)
    if not files.create(path, json.dumps(asdict(mine))):
        raise InUse(_refusal(_read(path)))
    # Somebody who listed the folder at another moment may have created another number. Each creates
    # first and looks then, so that at least one of the two sees the other.
    others = set(_numbers(place)) - {number, *before}
    if others:
        files.remove_file(path)
        raise InUse(_refusal(_read(_path(place, max(others)))))
    for stale in before:
        files.remove_file(_path(place, stale))
    return number


def _free(place: str, stale_s: float) -> list[int]:
    """The numbers that are there, of writers that were killed. Raises InUse where one lives."""
    numbers = _numbers(place)
    last = _path(place, numbers[-1]) if numbers else ""
    before = _read(last) if numbers else ""
    if not before:
        return numbers
    LOGGER.info("a run is said to work in %s; looking for %g s whether it lives", place, stale_s)
    if _changes(last, before, stale_s):
        raise InUse(_refusal(before))
    return numbers


def _changes(path: str, before: str, within_s: float) -> bool:
    """Whether a holder renews its object within some seconds of our own clock."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        time.sleep(min(1.0, within_s / 10))
        now = _read(path)
        if now != before:
            return now != ""
    return False


def _numbers(place: str) -> list[int]:
    files.forget_listing(place)
    names = [name.removesuffix(SUFFIX) for name in files.names_in(place, SUFFIX)]
    return sorted(int(name) for name in names if name.isdigit())


def _path(place: str, number: int) -> str:
    return files.join(place, f"{number:012d}{SUFFIX}")


def _read(path: str) -> str:
    """What an object says; nothing where it has gone in between."""
    try:
        return files.read_text(path)
    except FileNotFoundError:
        return ""


@dataclass(frozen=True)
class Renewal:
    """What is renewed: the object of this number, every so many seconds."""

    place: str
    number: int
    holder: Holder
    every_s: float

    def keep(self, lock: Lock, stop: threading.Event) -> None:
        """Renew until `stop` is set, or the lock is lost."""
        beats = 0
        while not stop.wait(self.every_s):
            beats += 1
            with suppress(OSError):  # a store that does not answer once does so the next time
                if _numbers(self.place)[-1:] != [self.number]:
                    lock.lost = True
                    return
                renewed = replace(self.holder, beats=beats)
                files.write_text(_path(self.place, self.number), json.dumps(asdict(renewed)))
