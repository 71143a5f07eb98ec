"""Runs functions on untrusted input in child processes that may be killed.

A worker process of Beam that dies ends the run. Native decoders of pictures and parsers of pages
have bugs, and some input keeps them busy for ever. So they run in a child process. When an item
kills the child, the item is lost and nothing else.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing.util import Finalize
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Generic, TypeVar
from weakref import finalize, ref

import cloudpickle
from loky import ProcessPoolExecutor

from pairsieve.web.offline import forbid_in_this_process, offline

Subject = TypeVar("Subject")
Result = TypeVar("Result")

# Address space: a picture of 89 million pixels and its copies need about 1.2 GB.
MAX_MEMORY_BYTES = 4_000_000_000
MAX_TASK_S = 60.0  # the slowest picture within the limit of pixels needs about 5 s
IDLE_S = 60.0  # a process without work ends after this time
CHECK_PARENT_EVERY_S = 1.0

# What a pool is for: tasks side by side, and those that run by themselves, in one process.
MANY, ALONE = "many", "alone"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one task.

    `wall_s` ends a task that waits for ever. `cpu_s` counts the processor's time, so that a busy
    machine makes no difference. `memory_bytes` limits the address space of the process. Where
    `grown_bytes` is set, and the system tells the size of an idle process (Linux does), only
    memory beyond that size counts.
    """

    wall_s: float = MAX_TASK_S
    cpu_s: float | None = None
    memory_bytes: int = MAX_MEMORY_BYTES
    grown_bytes: int | None = None


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Crashed:
    """The process died over this task: a crash in native code, or the limit of time or memory."""


CRASHED = Crashed()


@dataclass(frozen=True, slots=True)
class Task(Generic[Result]):
    """A call that has been submitted, with all that is needed to repeat it."""

    function: Callable[..., Result]
    arguments: tuple[Any, ...]
    pool: ProcessPoolExecutor
    future: Future[Result]


class Processes:
    """Runs module-level functions in up to `number` child processes.

    Processes start when they are first needed. `start` is called in each new process before the
    limits apply. When a process dies, all tasks of the pool fail with it. Each of them is then
    repeated by itself in another process, which shows the task that kills. Threads may share an
    object of this class.
    """

    def __init__(
        self,
        number: int,
        limits: Limits = DEFAULT_LIMITS,
        start: Callable[[], object] | None = None,
    ) -> None:
        self._number = number
        self._limits = limits
        self._start = start
        self._pools: dict[str, ProcessPoolExecutor] = {}
        self._lock = Lock()
        # A pool that is only forgotten asks its processes to end, through a queue. Where this
        # process ends at the same moment, the queue is closed first, and both wait for each other
        # for ever. So the processes of forgotten pools are killed.
        forgotten = finalize(self, _kill_processes, self._pools)
        forgotten.atexit = False

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Task[Result]:
        """Start `function(*arguments)` and return at once; both are pickled."""
        with self._lock:
            pool = self._pools.get(MANY) or self._open(MANY, self._number)
            try:
                future = pool.submit(_run_limited, self._limits, function, *arguments)
            except BrokenExecutor:
                # An earlier task killed the pool, and nobody has asked for its result yet.
                pool = self._open(MANY, self._number)
                future = pool.submit(_run_limited, self._limits, function, *arguments)
            return Task(function, arguments, pool, future)

    def result(self, task: Task[Result]) -> Result | Crashed:
        """Wait for the result of a task. Raises what the function raised."""
        try:
            return task.future.result()
        except BrokenExecutor:
            return self._repeat(task)

    def run_alone(self, function: Callable[..., Result], *arguments: Any) -> Result | Crashed:
        """Run `function(*arguments)` in a process that does nothing else at the same time.

        Therefore a process that dies was killed by this call, and the call is not repeated. Raises
        what the function raised.
        """
        with self._lock:
            pool = self._pools.get(ALONE) or self._open(ALONE, 1)
            try:
                future = pool.submit(_run_limited, self._limits, function, *arguments)
                result: Result = future.result()
            except BrokenExecutor:
                self._pools.pop(ALONE, None)
                return CRASHED
            return result

    def _repeat(self, task: Task[Result]) -> Result | Crashed:
        """Run a task of a broken pool again, by itself."""
        with self._lock:
            # Another thread may have replaced the broken pool already.
            if self._pools.get(MANY) is task.pool:
                del self._pools[MANY]
        return self.run_alone(task.function, *task.arguments)

    def close(self) -> None:
        """End the processes without waiting for running tasks."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, kill_workers=True)
        self._pools.clear()

    def _open(self, use: str, number: int) -> ProcessPoolExecutor:
        """Open a pool for this use. A pool that it had before is broken."""
        pool = ProcessPoolExecutor(
            number,
            timeout=IDLE_S,
            initializer=_begin_process,
            initargs=(self._start, self._limits),
        )
        # A forked worker waits for its children when it ends. They would stay until IDLE_S has
        # passed, because loky's own exit function comes later. Finalizers come earlier; those of
        # queues, which a pool needs to its end, have priority 10.
        Finalize(pool, _end_pool, args=(ref(pool),), exitpriority=20)
        self._pools[use] = pool
        return pool


def _kill_processes(pools: Mapping[str, ProcessPoolExecutor]) -> None:
    """Kill the processes of pools that nobody has any more, without waiting for it."""
    for pool in pools.values():
        pool.shutdown(wait=False, kill_workers=True)


def _end_pool(pool_ref: ref[ProcessPoolExecutor]) -> None:
    """End a pool's processes, unless the pool has been collected already."""
    pool = pool_ref()
    if pool is not None:
        pool.shutdown(wait=True, kill_workers=True)


class GuardedFunction(Generic[Subject, Result]):
    """A function of one argument that runs in a child process under limits.

    `make(*arguments)` returns the function. It is called once in each process, before the limits
    apply, because detectors read word lists and models at that time.
    """

    def __init__(
        self,
        make: Callable[..., Callable[[Subject], Result]],
        arguments: tuple[Any, ...],
        limits: Limits,
    ) -> None:
        self._pickled = cloudpickle.dumps((make, arguments))
        self._processes = Processes(1, limits, partial(_made_function, self._pickled))

    def __call__(self, subject: Subject) -> Result | Crashed:
        """Return what the function returns. Raises what it raises."""
        result: Result | Crashed = self._processes.run_alone(_call, self._pickled, subject)
        return result

    def close(self) -> None:
        """End the process, if one was started."""
        self._processes.close()


@lru_cache(1)
def _made_function(pickled: bytes) -> Callable[[Any], Any]:
    """Make the function of a GuardedFunction, once in each process."""
    make, arguments = cloudpickle.loads(pickled)
    function: Callable[[Any], Any] = make(*arguments)
    return function


def _call(pickled: bytes, subject: Any) -> Any:
    function = _made_function(pickled)
    return function(subject)


def _begin_process(start: Callable[[], object] | None, limits: Limits) -> None:
    """Prepare a new child process: limit its memory, and forbid connections and new processes."""
    Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    if start is not None:
        start()
    # No core dumps: they would hold data of others, and fill the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard_limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_max_memory_bytes(limits), hard_limit))
    forbid_in_this_process()


def _end_with_parent(parent: int) -> None:
    """End this process when its parent is gone; a parent that was killed could not end it."""
    while os.getppid() == parent:
        time.sleep(CHECK_PARENT_EVERY_S)
    os._exit(1)


def _max_memory_bytes(limits: Limits) -> int:
    """Return the limit of address space for this process."""
    sizes = Path("/proc/self/statm")  # proc(5): the first number is the address space in pages
    if limits.grown_bytes is None or not sizes.exists():
        return limits.memory_bytes
    pages = int(sizes.read_text().split()[0])
    return pages * resource.getpagesize() + limits.grown_bytes


def _run_limited(limits: Limits, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function with timers: a signal of a timer that nobody handles ends the process."""
    signal.setitimer(signal.ITIMER_REAL, limits.wall_s)
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_s or 0)  # 0 starts no timer
    try:
        return offline(function, *arguments)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
