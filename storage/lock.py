"""One writer at a time in a folder, wherever fsspec reaches: no rename and no exclusive creation is relied on.

Every run puts a file of its own into the folder's `locks/` and renews it while it lives; then it looks who else is there. Of two that
come at the same moment the earlier one stays. A file is stale when its process is gone (on this machine), or when it was not
renewed for STALE_S (on another).
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from uuid import uuid4

from storage import files

FOLDER, SUFFIX = "locks", ".json"
RENEW_S, STALE_S = 30.0, 300.0


class InUse(RuntimeError):
    """Somebody else works in the folder; the message says who, since when, and what to do."""


@dataclass(frozen=True)
class Holder:
    """Who works in a folder: `started` and `renewed` in seconds since 1970."""

    id: str
    host: str
    pid: int
    started: float
    renewed: float

    def is_stale(self, now: float) -> bool:
        """Whether the run that wrote this is gone."""
        if self.host == platform.node():
            return not _is_running(self.pid)
        return now - self.renewed > STALE_S


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def one_writer(folder: str, renew_s: float = RENEW_S) -> Iterator[None]:
    """While the block lasts, this is the only run in the folder. Raises InUse."""
    started = time.time()
    mine = Holder(uuid4().hex, platform.node(), os.getpid(), started, started)
    place = files.join(folder, FOLDER)
    path = files.join(place, mine.id + SUFFIX)
    _write(path, mine)
    stop = threading.Event()
    renewer = threading.Thread(target=_renew, args=(path, mine, renew_s, stop), daemon=True)
    try:
        _check(place, mine)
        renewer.start()
        yield
    finally:
        stop.set()
        if renewer.is_alive():
            renewer.join()
        files.remove_file(path)


def _check(place: str, mine: Holder) -> None:
    for name in files.names_in(place, SUFFIX):
        other = _read(files.join(place, name))
        if other is None or other.id == mine.id:
            continue
        if other.is_stale(time.time()):
            files.remove_file(files.join(place, name))
        elif (other.started, other.id) < (mine.started, mine.id):
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(other.started))
            raise InUse(
                f"another run works there since {since} (process {other.pid} on {other.host}); wait for it, or end it, or give "
                f"another --work. If it is gone for good, remove {files.join(place, name)}"
            )


def _read(path: str) -> Holder | None:
    """A holder; none where it has gone in between, or was cut off while it was written."""
    try:
        return Holder(**json.loads(files.read_text(path)))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: str, holder: Holder) -> None:
    files.write_text(path, json.dumps(asdict(holder)))


def _renew(path: str, mine: Holder, every_s: float, stop: threading.Event) -> None:
    while not stop.wait(every_s):
        _write(path, Holder(mine.id, mine.host, mine.pid, mine.started, time.time()))
