"""Ends the wait for a job when a worker process dies, or after too long without progress.

Beam's local runner waits for ever for a worker that was killed, for example because memory ran out.
Other runners may wait for ever for a worker that hangs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

# Name of the thread in which Beam's local runner waits for a worker process.
LOCAL_WORKER = "run_worker"

# Name of a worker process that was forked (pipeline/orchestrate/local_workers.py).
FORKED_WORKER = "pairsieve-worker"

# Name of the thread in which Beam reads what a job server says.
JOB_SERVER_READER = "wait_until_finish_read"

# Module that a worker process runs which Beam has started by itself.
WORKER_MODULE = "apache_beam.runners.worker.sdk_worker_main"
LOOK_EVERY_S, READER_ENDS_S = 0.5, 5.0
KILLED = (
    "a worker process died: it was killed, or the machine had no memory left (fewer "
    "--direct_num_workers take less)"
)


class WorkersLost(RuntimeError):
    """No more results will come from the workers; the message says why."""


@contextmanager
def watched(quiet_s: Callable[[], float], patience_s: float) -> Iterator[None]:
    """Raise WorkersLost inside the block when a local worker dies, or after too long in silence.

    `quiet_s` returns the seconds since the last progress, and `patience_s` is the limit (0: none).
    Only the main thread can be interrupted: in any other thread the block runs unwatched.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    alarm = _Alarm()
    left = threading.Event()
    old_excepthook = threading.excepthook
    old_interrupt = signal.getsignal(signal.SIGINT)
    threading.excepthook = partial(_on_dead_thread, alarm, old_excepthook)
    signal.signal(signal.SIGINT, partial(_on_interrupt, alarm, old_interrupt))
    listen = partial(_listen, alarm, left, quiet_s, patience_s)
    # A daemon: it must not keep the command from ending.
    threading.Thread(target=listen, daemon=True).start()
    try:
        try:
            with _reported_once():
                yield
        finally:
            alarm.close()
            left.set()
            threading.excepthook = old_excepthook
            signal.signal(signal.SIGINT, old_interrupt)
    except KeyboardInterrupt:
        if alarm.reason:
            raise WorkersLost(alarm.reason) from None
        raise
    except RuntimeError:
        # A Ctrl-C reaches the workers as well. Their deaths then raise before it is reported.
        if alarm.interrupted and not alarm.reason:
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _reported_once() -> Iterator[None]:
    """Let Beam's thread that reads from a lost job server end inside the block, unreported.

    It gets the same error as the main thread, which may be the faster one.
    """
    from grpc import RpcError

    try:
        yield
    except RpcError:
        for thread in threading.enumerate():
            if thread.name == JOB_SERVER_READER:
                thread.join(READER_ENDS_S)
        raise


class _Alarm:
    """Interrupts the main thread, once, whatever it waits for.

    `reason` says why the alarm was raised. `interrupted`: the main thread was interrupted, by the
    alarm or by a Ctrl-C.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.interrupted = False
        self._open = True
        self._lock = threading.Lock()

    def ring(self, reason: str) -> None:
        """Interrupt the main thread, unless it has been interrupted or has left the block."""
        with self._lock:
            if self._open and not self.interrupted and not self.reason:
                self.reason = reason
                # A signal is the only way to wake the main thread from any wait.
                os.kill(os.getpid(), signal.SIGINT)

    def close(self) -> None:
        """Let no later alarm interrupt the main thread."""
        with self._lock:
            self._open = False


def _on_interrupt(alarm: _Alarm, old_handler: object, number: int, frame: FrameType | None) -> None:
    """Handle SIGINT in the main thread: the alarm, or a Ctrl-C.

    A Ctrl-C that was ignored before is ignored still.
    """
    if old_handler is signal.SIG_IGN and not alarm.reason:
        return
    alarm.interrupted = True
    raise KeyboardInterrupt


def _end_workers() -> None:
    """Kill local worker processes: Beam's local runner would wait for them to finish."""
    import psutil

    # Forked workers are known by name: their command line is that of the fork server.
    for child in multiprocessing.active_children():
        if child.name == FORKED_WORKER:
            child.kill()
    for process in psutil.Process().children(recursive=True):
        # A process may have ended in the meantime.
        with suppress(psutil.Error):
            if WORKER_MODULE in process.cmdline():
                process.kill()


def _on_dead_thread(
    alarm: _Alarm,
    old_excepthook: Callable[[threading.ExceptHookArgs], object],
    dead: threading.ExceptHookArgs,
) -> None:
    """Raise the alarm when the thread that waits for a worker process ends with an error."""
    name = dead.thread.name if dead.thread is not None else ""
    if name == LOCAL_WORKER and isinstance(dead.exc_value, RuntimeError):
        alarm.ring(KILLED)
    elif name.startswith("beam_") or name == JOB_SERVER_READER:
        return  # threads that read from a dead worker or job server report the same error again
    else:
        old_excepthook(dead)


def _listen(
    alarm: _Alarm, left: threading.Event, quiet_s: Callable[[], float], patience_s: float
) -> None:
    """Look every LOOK_EVERY_S seconds whether the job is interrupted, or quiet for too long."""
    while not left.wait(LOOK_EVERY_S):
        if alarm.interrupted:
            _end_workers()
        elif patience_s and quiet_s() > patience_s:
            alarm.ring(
                f"nothing was finished or counted for {patience_s / 60:g} minutes (--patience); a "
                "worker hangs, or none ever came"
            )
