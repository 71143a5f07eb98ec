"""What ends the wait for a job before its time: a worker process that dies, or silence for too long.

Beam's local runner waits for ever for a worker that was killed (out of memory, say), and a runner elsewhere may do so for one that hangs.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

LOCAL_WORKER = "run_worker"  # the thread in which Beam's local runner waits for a worker process
LOOK_EVERY_S = 1.0
KILLED = "a worker process died: it was killed, or the machine had no memory left (fewer --direct_num_workers take less)"


class WorkersLost(RuntimeError):
    """Workers from which nothing more will come."""


@contextmanager
def watched(quiet_s: Callable[[], float], patience_s: float) -> Iterator[None]:
    """Raise WorkersLost in the block when a local worker process dies, or `quiet_s` says that nothing was heard for longer than
    `patience_s` (0: however long that is). Only a main thread can be woken: elsewhere the block goes on as it is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    bell, left, before = _Bell(), threading.Event(), threading.excepthook
    threading.excepthook = partial(_on_dead_thread, bell, before)
    threading.Thread(target=_listen, args=(bell, left, quiet_s, patience_s), daemon=True).start()
    try:
        try:
            yield
        finally:
            bell.close()
            left.set()
            threading.excepthook = before
    except KeyboardInterrupt:
        if bell.reason:
            raise WorkersLost(bell.reason) from None
        raise


class _Bell:
    """Wakes the main thread, once, out of whatever it waits for."""

    def __init__(self) -> None:
        self.reason = ""
        self._open = True
        self._lock = threading.Lock()

    def ring(self, reason: str) -> None:
        with self._lock:
            if self._open and not self.reason:
                self.reason = reason
                os.kill(os.getpid(), signal.SIGINT)

    def close(self) -> None:
        with self._lock:
            self._open = False


def _on_dead_thread(bell: _Bell, before: Callable[[threading.ExceptHookArgs], object], dead: threading.ExceptHookArgs) -> None:
    if dead.thread is not None and dead.thread.name == LOCAL_WORKER and isinstance(dead.exc_value, RuntimeError):
        bell.ring(KILLED)
    elif not (dead.thread is not None and dead.thread.name.startswith("beam_")):  # what reads from the dead worker says the same
        before(dead)


def _listen(bell: _Bell, left: threading.Event, quiet_s: Callable[[], float], patience_s: float) -> None:
    while not left.wait(LOOK_EVERY_S):
        if patience_s and quiet_s() > patience_s:
            minutes = patience_s / 60
            bell.ring(f"nothing was finished or counted for {minutes:g} minutes (--patience); a worker hangs, or none ever came")
