"""The command's process ends as Python would end it: status, output, threads, exit functions."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

BEGIN = """
import atexit, sys, threading, time
from pipeline.process_end import run_and_end
"""


def ended(body: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{BEGIN}\n{body}\nrun_and_end(main)"]
    # Output is buffered, as it is by default.
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        command, check=False, text=True, stderr=subprocess.PIPE, env=environment, **options
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("main = lambda: 0", 0),
        ("main = lambda: None", 0),
        ("main = lambda: 3", 3),
        ("main = lambda: sys.exit(2)", 2),
        ("main = lambda: sys.exit()", 0),
        ("main = lambda: sys.exit('a remedy')", 1),
        ("main = lambda: 1 / 0", 1),
    ],
)
def test_the_status_is_what_python_makes_of_it(body, status):
    assert ended(body).returncode == status


def test_messages_and_tracebacks_are_shown():
    assert ended("main = lambda: sys.exit('a remedy')").stderr == "a remedy\n"
    assert "ZeroDivisionError" in ended("main = lambda: 1 / 0").stderr


def test_output_threads_and_exit_functions_come_to_their_end():
    body = """
def work():
    time.sleep(0.2)
    print("thread")
def main():
    atexit.register(lambda: print("exit function"))
    threading.Thread(target=work).start()
    print("main")
"""
    output = ended(body, stdout=subprocess.PIPE).stdout
    assert output.split("\n") == ["main", "thread", "exit function", ""]


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w") as full:
        run = ended("main = lambda: print('lost', end='')", stdout=full)
    assert run.returncode == 120  # Python's own status for it
    assert "No space left" in run.stderr
