"""A picture may kill the process that decodes it, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context

import psutil
import pytest

from pairsieve.images.processes import CRASHED, MAX_MEMORY_BYTES, Limits, Processes


@pytest.fixture
def processes():
    opened = Processes(2, Limits(wall_s=60))
    yield opened
    opened.close()


def die(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return number


def grow(_):
    return len(bytearray(MAX_MEMORY_BYTES))


def stay(_):
    time.sleep(3600)  # the test's own timeout ends it where no limit does


def test_the_task_that_kills_is_found_and_the_others_are_done(processes):
    tasks = [processes.submit(die, number) for number in range(8)]
    assert [processes.result(task) for task in tasks] == [0, 1, 2, CRASHED, 4, 5, 6, 7]
    assert processes.result(processes.submit(die, 8)) == 8


def test_work_goes_on_after_several_deaths(processes):
    for _ in range(2):
        first, second = processes.submit(die, 3), processes.submit(die, 1)
        assert (processes.result(first), processes.result(second)) == (CRASHED, 1)


def test_memory_is_bounded(processes):
    with pytest.raises(MemoryError):
        processes.result(processes.submit(grow, 0))


def test_time_is_bounded():
    opened = Processes(1, Limits(wall_s=0.5))
    try:
        assert opened.result(opened.submit(stay, 0)) is CRASHED
    finally:
        opened.close()


def test_what_a_function_raises_is_raised(processes):
    with pytest.raises(ZeroDivisionError):
        processes.result(processes.submit(divmod, 1, 0))


def work(_):
    while True:
        pass


def test_time_of_the_processor_is_bounded():
    opened = Processes(1, Limits(cpu_s=0.5))
    try:
        assert opened.run_alone(work, 0) is CRASHED
        assert opened.run_alone(len, b"abc") == 3, "and another process is started"
    finally:
        opened.close()


def take(number_of_bytes):
    return len(bytearray(number_of_bytes))


def test_memory_beyond_that_of_the_idle_process_is_bounded():
    opened = Processes(1, Limits(grown_bytes=300_000_000))
    try:
        assert opened.run_alone(take, 100_000_000) == 100_000_000
        with pytest.raises(MemoryError):
            opened.run_alone(take, 400_000_000)
    finally:
        opened.close()


STARTED = []


def begin():
    STARTED.append(os.getpid())


def started_in(_):
    return [os.getpid()] == STARTED


def test_what_a_process_starts_with():
    opened = Processes(1, start=begin)
    try:
        assert opened.run_alone(started_in, 0)
    finally:
        opened.close()
    assert STARTED == [], "not in this one"


ORPHAN = """
import os, time
from pairsieve.images.processes import Processes
processes = Processes(1)
print(processes.result(processes.submit(os.getpid)), flush=True)
processes.submit(time.sleep, 600)
time.sleep(600)
"""


def test_a_process_does_not_outlive_a_parent_that_was_killed():
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(timeout=60)


def forget_a_pool():
    processes = Processes(1)
    assert processes.run_alone(len, b"four") == 4


def test_a_forked_worker_that_has_forgotten_its_pool_ends():
    """Seen in real runs: the worker waited for its child, and the child for a word of the worker."""
    worker = get_context("forkserver").Process(target=forget_a_pool)
    worker.start()
    try:
        worker.join(120)
        assert worker.exitcode == 0
    finally:
        worker.kill()
