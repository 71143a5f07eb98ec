"""What others made is worked on in processes that may be killed: a picture or a page that kills one
takes nothing with it.

A worker process of Beam that dies takes the run with it, and neither decoders of pictures nor
parsers of pages are free of errors in their native code, or of input on which they take for ever.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing.util import Finalize
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Generic, TypeVar
from weakref import ref

import cloudpickle
from loky import ProcessPoolExecutor

from pairsieve.web.offline import forbid_in_this_process, offline

Subject = TypeVar("Subject")
Result = TypeVar("Result")

# address space: a picture of 89 million pixels takes about 1.2 GB with its copies
MAX_MEMORY_BYTES = 4_000_000_000
MAX_TASK_S = 60.0  # the slowest picture within the limits of pixels takes about 5 s
IDLE_S = 60.0  # a process without work ends
LOOK_EVERY_S = 1.0  # whether the parent is there


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may take. `cpu_s` counts the processor's time, so that it does not matter how
    busy the machine is; `wall_s` ends what waits for ever. `memory_bytes` is address space; with
    `grown_bytes` only what is taken beyond that of the idle process counts, where the system tells
    it (Linux).
    """

    wall_s: float = MAX_TASK_S
    cpu_s: float | None = None
    memory_bytes: int = MAX_MEMORY_BYTES
    grown_bytes: int | None = None


DEFAULT_LIMITS = Limits()


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
    """Runs module-level functions in up to `number` processes, which are started when they are
    needed.

    When a process dies, everything that was under way is done again, one by one, in another: so the
    task is found that kills. Threads may share an object of this class. `start` is called in each
    new process, before the limits hold.
    """

    def __init__(
        self,
        number: int,
        limits: Limits = DEFAULT_LIMITS,
        start: Callable[[], object] | None = None,
    ) -> None:
        self._number, self._limits, self._start = number, limits, start
        self._pool: ProcessPoolExecutor | None = None
        self._alone: ProcessPoolExecutor | None = None
        self._lock = Lock()

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Task[Result]:
        """Start `function(*arguments)`; both travel by pickle."""
        with self._lock:
            if self._pool is None:
                self._pool = self._open(self._number)
            try:
                future = self._pool.submit(_within, self._limits, function, *arguments)
            except BrokenExecutor:
                self._pool = self._open(self._number)
                future = self._pool.submit(_within, self._limits, function, *arguments)
            return Task(function, arguments, self._pool, future)

    def result(self, task: Task[Result]) -> Result | Crashed:
        """Wait for a task. Raises what the function raised."""
        try:
            return task.future.result()
        except BrokenExecutor:
            return self._again(task)

    def alone(self, function: Callable[..., Result], *arguments: Any) -> Result | Crashed:
        """`function(*arguments)` in a process that does nothing else meanwhile: one that dies is
        not asked again. Raises what the function raised.
        """
        with self._lock:
            self._alone = self._alone or self._open(1)
            try:
                found: Result = self._alone.submit(
                    _within, self._limits, function, *arguments
                ).result()
            except BrokenExecutor:
                self._alone = None
                return CRASHED
            return found

    def _again(self, task: Task[Result]) -> Result | Crashed:
        with self._lock:
            if self._pool is task.pool:
                self._pool = None
        return self.alone(task.function, *task.arguments)

    def close(self) -> None:
        """End the processes; what is under way is not waited for."""
        for pool in (self._pool, self._alone):
            if pool is not None:
                pool.shutdown(wait=True, kill_workers=True)
        self._pool = self._alone = None

    def _open(self, number: int) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(
            number, timeout=IDLE_S, initializer=_begin, initargs=(self._start, self._limits)
        )
        # A forked worker waits for its children when it ends. They would stay until IDLE_S has
        # passed, because loky's own exit function comes later. Finalizers come earlier; those of
        # queues, which a pool needs to its end, have priority 10.
        Finalize(pool, _end_pool, args=(ref(pool),), exitpriority=20)
        return pool


def _end_pool(pool: ref[ProcessPoolExecutor]) -> None:
    """End a pool's processes, unless it is gone already."""
    living = pool()
    if living is not None:
        living.shutdown(wait=True, kill_workers=True)


class Elsewhere(Generic[Subject, Result]):
    """Does one kind of work in a process that may be killed.

    `make(*arguments)` gives the function that does it. It is called once in each process, before
    the limits hold, since detectors read word lists and models then.
    """

    def __init__(
        self,
        make: Callable[..., Callable[[Subject], Result]],
        arguments: tuple[Any, ...],
        limits: Limits,
    ) -> None:
        self._packed = cloudpickle.dumps((make, arguments))
        self._processes = Processes(1, limits, partial(_made, self._packed))

    def __call__(self, subject: Subject) -> Result | Crashed:
        """What the function gives. Raises what it raises."""
        found: Result | Crashed = self._processes.alone(_do, self._packed, subject)
        return found

    def close(self) -> None:
        """End the process, if one was started."""
        self._processes.close()


@lru_cache(1)
def _made(packed: bytes) -> Callable[[Any], Any]:
    make, arguments = cloudpickle.loads(packed)
    function: Callable[[Any], Any] = make(*arguments)
    return function


def _do(packed: bytes, subject: Any) -> Any:
    return _made(packed)(subject)


def _begin(start: Callable[[], object] | None, limits: Limits) -> None:
    """Limits of memory, no connections and no processes of its own, and no life after whoever
    started it.
    """
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    if start is not None:
        start()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_memory_bytes(limits), most))
    forbid_in_this_process()


def _end_with(parent: int) -> None:
    """End this process when its parent has ended: one that was killed could not end it."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os._exit(1)


def _memory_bytes(limits: Limits) -> int:
    held = Path("/proc/self/statm")  # Linux: pages of address space first
    if limits.grown_bytes is None or not held.exists():
        return limits.memory_bytes
    return int(held.read_text().split()[0]) * resource.getpagesize() + limits.grown_bytes


def _within(limits: Limits, function: Callable[..., Result], *arguments: Any) -> Result:
    """Alarms that nobody handles end the process."""
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s)
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_s or 0)
    try:
        return offline(function, *arguments)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
