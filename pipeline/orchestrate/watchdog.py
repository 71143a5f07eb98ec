"""What ends the wait for a job before its time: a worker process that dies, or silence for too
long.

Beam's local runner waits for ever for a worker that was killed (out of memory, say), and a runner
elsewhere may do so for one that hangs.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

LOCAL_WORKER = "run_worker"  # the thread in which Beam's local runner waits for a worker process
WORKER_MODULE = "apache_beam.runners.worker.sdk_worker_main"  # what such a process runs
LOOK_EVERY_S = 0.5
KILLED = (
    "a worker process died: it was killed, or the machine had no memory left (fewer "
    "--direct_num_workers take less)"
)


class WorkersLost(RuntimeError):
    """Workers from which nothing more will come."""


@contextmanager
def watched(quiet_s: Callable[[], float], patience_s: float) -> Iterator[None]:
    """Raise WorkersLost in the block when a local worker process dies, or `quiet_s` says that
    nothing was heard for longer than `patience_s` (0: however long that is). Only a main thread can
    be woken: elsewhere the block goes on as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    bell, left, before = _Bell(), threading.Event(), threading.excepthook
    interrupt = signal.getsignal(signal.SIGINT)
    threading.excepthook = partial(_on_dead_thread, bell, before)
    signal.signal(signal.SIGINT, partial(_on_interrupt, bell, interrupt))
    threading.Thread(target=_listen, args=(bell, left, quiet_s, patience_s), daemon=True).start()
    try:
        try:
            yield
        finally:
            bell.close()
            left.set()
            threading.excepthook = before
            signal.signal(signal.SIGINT, interrupt)
    except KeyboardInterrupt:
        if bell.reason:
            raise WorkersLost(bell.reason) from None
        raise
    except RuntimeError:
        if bell.interrupted and not bell.reason:  # workers that hear the same signal die of it
            raise KeyboardInterrupt from None
        raise


class _Bell:
    """Wakes the main thread, once, out of whatever it waits for.

    `interrupted`: it is awake, for this or for a Ctrl-C.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.interrupted = False
        self._open = True
        self._lock = threading.Lock()

    def ring(self, reason: str) -> None:
        with self._lock:
            if self._open and not self.interrupted and not self.reason:
                self.reason = reason
                os.kill(os.getpid(), signal.SIGINT)

    def close(self) -> None:
        with self._lock:
            self._open = False


def _on_interrupt(bell: _Bell, before: object, number: int, frame: FrameType | None) -> None:
    """For the main thread: a Ctrl-C, or the bell. A Ctrl-C counts as it did before, so that it may
    be ignored.
    """
    if before is signal.SIG_IGN and not bell.reason:
        return
    bell.interrupted = True
    raise KeyboardInterrupt


def _end_workers() -> None:
    """Beam's local runner waits for its worker processes, however they are; nothing of theirs is of
    use any more.
    """
    import psutil

    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if WORKER_MODULE in process.cmdline():
                process.kill()


def _on_dead_thread(
    bell: _Bell,
    before: Callable[[threading.ExceptHookArgs], object],
    dead: threading.ExceptHookArgs,
) -> None:
    if (
        dead.thread is not None
        and dead.thread.name == LOCAL_WORKER
        and isinstance(dead.exc_value, RuntimeError)
    ):
        bell.ring(KILLED)
    elif not (
        dead.thread is not None and dead.thread.name.startswith("beam_")
    ):  # what reads from the dead worker says the same
        before(dead)


def _listen(
    bell: _Bell, left: threading.Event, quiet_s: Callable[[], float], patience_s: float
) -> None:
    while not left.wait(LOOK_EVERY_S):
        if bell.interrupted:
            _end_workers()
        elif patience_s and quiet_s() > patience_s:
            minutes = patience_s / 60
            bell.ring(
                f"nothing was finished or counted for {minutes:g} minutes (--patience); a worker "
                "hangs, or none ever came"
            )
