"""Pictures are worked on in processes of their own: one that a picture kills takes nothing with it.

A worker process of Beam that dies takes the run with it, and no decoder of pictures is free of errors in its native code.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

from loky import ProcessPoolExecutor

from web.offline import forbid_in_this_process, offline

Result = TypeVar("Result")

MAX_MEMORY_BYTES = 4_000_000_000  # address space: a picture of 89 million pixels takes about 1.2 GB with its copies
MAX_TASK_S = 60.0  # the slowest picture within the limits of pixels takes about 5 s
IDLE_S = 60.0  # a process without work ends, also where its parent was killed and cannot end it


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process ended over this task: a native crash, the memory or the time limit."""


CRASHED = Crashed()


@dataclass(frozen=True, slots=True)
class Task(Generic[Result]):
    """Work under way, and all that is needed to do it again."""

    function: Callable[..., Result]
    arguments: tuple[Any, ...]
    pool: ProcessPoolExecutor
    future: Future[Result]


class Processes:
    """Runs module-level functions in up to `number` processes, which are started when they are needed.

    When a process dies, everything that was under way is done again, one by one, in another: so the task is found that
    kills. Threads may share an object of this class.
    """

    def __init__(self, number: int, max_task_s: float = MAX_TASK_S) -> None:
        self._number, self._max_task_s = number, max_task_s
        self._pool: ProcessPoolExecutor | None = None
        self._alone: ProcessPoolExecutor | None = None
        self._lock = Lock()

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Task[Result]:
        """Start `function(*arguments)`; both travel by pickle."""
        with self._lock:
            if self._pool is None:
                self._pool = _open(self._number)
            try:
                future = self._pool.submit(_within, self._max_task_s, function, *arguments)
            except BrokenExecutor:
                self._pool = _open(self._number)
                future = self._pool.submit(_within, self._max_task_s, function, *arguments)
            return Task(function, arguments, self._pool, future)

    def result(self, task: Task[Result]) -> Result | Crashed:
        """Wait for a task. Raises what the function raised."""
        try:
            return task.future.result()
        except BrokenExecutor:
            return self._again(task)

    def _again(self, task: Task[Result]) -> Result | Crashed:
        with self._lock:
            if self._pool is task.pool:
                self._pool = None
            self._alone = self._alone or _open(1)
            try:
                found: Result = self._alone.submit(_within, self._max_task_s, task.function, *task.arguments).result()
            except BrokenExecutor:
                self._alone = None
                return CRASHED
            return found

    def close(self) -> None:
        """End the processes; what is under way is not waited for."""
        for pool in (self._pool, self._alone):
            if pool is not None:
                pool.shutdown(wait=True, kill_workers=True)
        self._pool = self._alone = None


def _open(number: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(number, timeout=IDLE_S, initializer=_set_limits)


def _set_limits() -> None:
    """Of memory, and no connections and no processes of its own."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, most))
    forbid_in_this_process()


def _within(seconds: float, function: Callable[..., Result], *arguments: Any) -> Result:
    """An alarm that nobody handles ends the process."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return offline(function, *arguments)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
