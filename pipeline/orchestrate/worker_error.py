"""What a failed worker said, in one line: stage, step, part, file and line of the error."""

from __future__ import annotations

import re

# How the last line of a traceback begins: the class of the exception.
RAISED = re.compile(r"[A-Za-z_][\w.]*: ")

# A worker's second error, which only refers to its first one.
SECOND_ERROR = "prior failing response"

# Classes that say nothing: ours, which carries another one's name, and the one that Beam raises.
CARRIERS = re.compile(r"^(?:[\w.]*\bWorkFailed|RuntimeError): ")

# What Beam adds: the step, below its stage of the flow, with a number that differs by runner.
STEP = re.compile(r" \[while running '(?P<step>[^']*?)(?:-ptransform-\d+)?'\]")
INNER_STEP = re.compile(r"/(?:ParDo\(.*?\)|Each)$")


def worker_error(error: BaseException) -> str:
    """The worker's own error, with the step in front, and with what to do where that is known."""
    return explained(with_step(last_line(error)))


def last_line(error: BaseException) -> str:
    """The line in which a worker named its error.

    Portable runners put the worker's whole traceback into a message of their own. Some say more
    behind it.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and SECOND_ERROR not in line]
    raised = [line for line in lines if RAISED.match(line)]
    last = ""
    if raised:
        last = raised[-1]
    elif lines:
        last = lines[-1]
    if not isinstance(error, RuntimeError):
        return f"{type(error).__name__}: {last}"
    return CARRIERS.sub("", last)


def with_step(line: str) -> str:
    """The line with the step in front, as the flow names it."""
    found = STEP.search(line)
    if found is None:
        return line
    step = INNER_STEP.sub("", found["step"])
    return f"{step}: {STEP.sub('', line)}"


def explained(line: str) -> str:
    """A worker's error, with what to do where that is known."""
    if "No module named" in line:
        send = (
            "--setup_file=./setup.py (pairsieve itself), --extra_package=FILE (a plugin), or "
            "their image"
        )
        return f"{line}: workers lack what is here; send it with {send}"
    if "worker disconnected" in line:
        return f"a worker is gone: it was killed, or its machine had no memory left ({line})"
    return line
