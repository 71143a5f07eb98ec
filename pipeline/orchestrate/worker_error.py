"""Describes a worker's error in one line: stage, step, part, file and line."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from typing import Any

# How the last line of a traceback begins: the class of the exception.
RAISED = re.compile(r"[A-Za-z_][\w.]*: ")
# The same in Java, where an engine failed and no worker did.
CAUSED = re.compile(r"Caused by: ")

# A line of a traceback that names a place in the code.
FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)')
# How far before the error that line stands: the code, and the mark below it, are between them.
FRAME_LINES = 3
TRACEBACK = "Traceback (most recent call last)"

# A worker's second error, which only refers to its first one.
SECOND_ERROR = "prior failing response"

# Classes that say nothing: ours, which carries another one's name, and the one that Beam raises.
CARRIERS = re.compile(r"^(?:[\w.]*\bWorkFailed|RuntimeError): ")
NAMES_PLACE = re.compile(r"\(in .+ at .+:\d+, working on ")

# What Beam adds: the step, below its stage of the flow, with a number that differs by runner.
STEP = re.compile(r" \[while running '(?P<step>[^']*?)(?:-ptransform-\d+)?'\]")
INNER_STEP = re.compile(r"/(?:ParDo\(.*?\)|Each)$")

SEND = "--setup_file=./setup.py (pairsieve itself), --extra_package=FILE (a plugin), or their image"
RESTART = (
    "Flink runs its work again only with a restart strategy: restart-strategy.type: fixed-delay, "
    "with 10 attempts of 5 s"
)
WORKER_GONE = "a worker is gone: it was killed, or its machine had no memory left"
NO_ARTIFACTS = (
    "`failed to retrieve staged files` in the log of a pool or a task manager means that this task "
    "manager does not see the job server's folder of artifacts"
)
NO_WORKER = (
    "no worker came within 3 minutes. The task manager's log says why; often workers lack "
    f"pairsieve: send it with {SEND}; {NO_ARTIFACTS}"
)
NO_WORKER_ON_PRISM = (
    "no worker came within a minute. The pool's log says why; on a busy machine it takes longer to "
    "install what a job sends along: use an image that has it"
)
NO_SLOTS = (
    "the cluster has fewer free slots than the job wants: lower --parallelism, add task managers, "
    "or end other jobs"
)
NO_JOB_SERVER = (
    "the job server does not answer any more. The job may go on where it runs: look at the page of "
    "the cluster, and start the next run when it has ended"
)
NO_JOB_MANAGER = (
    "the job manager does not answer: it was ended, and its jobs with it. Start it, then run the "
    "same command again"
)
JOB_FORGOTTEN = (
    "the job manager was started anew, and its jobs are gone: run the same command again"
)
CANCELLED = (
    "somebody cancelled the job on the cluster, by `flink cancel` or on its page: run the same "
    "command again"
)
CAUSES: tuple[tuple[str, str], ...] = (
    ("No module named", f"workers lack what is here; send it with {SEND}"),
    ("worker disconnected", WORKER_GONE),
    ("client cancelled", f"{WORKER_GONE}. {RESTART}"),
    ("call already cancelled", f"{WORKER_GONE}. {RESTART}"),
    ("is no longer reachable", f"a task manager is gone. {RESTART}"),
    ("SettableFuture", NO_WORKER),
    ("didn't get control connection", NO_WORKER_ON_PRISM),
    ("NoResourceAvailableException", NO_SLOTS),
    ("Timeout has occurred", NO_SLOTS),
    ("JobCancellationException", CANCELLED),
    ("UNAVAILABLE: ", NO_JOB_SERVER),
    ("java.net.ConnectException", NO_JOB_MANAGER),
    ("FlinkJobNotFoundException", JOB_FORGOTTEN),
)
"""A sign in a worker's or an engine's error -> its cause and the remedy.

Each was seen on Flink 1.19.3 with Beam's job server, one on Prism: workers, task managers, the job
manager and the job server were killed, a job was cancelled, and slots or pairsieve were missing.
"""


def worker_error(error: BaseException) -> str:
    """The worker's own error, with the step in front, and with what to do where that is known."""
    from grpc import RpcError

    if isinstance(error, RpcError):
        return explained(_job_server_error(error))
    return explained(with_step(last_line(error)))


def _job_server_error(error: Any) -> str:
    """What a job server answered, with gRPC's status in front. Its text has no class of an error.

    gRPC's own errors have a status and details; a bare RpcError has neither.
    """
    if not hasattr(error, "code"):
        return f"{type(error).__name__}: {error}"
    return f"{error.code().name}: {error.details()}"


def last_line(error: BaseException) -> str:
    """The line in which a worker named its error.

    Portable runners put the worker's whole traceback into a message of their own. Some say more
    behind it.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and SECOND_ERROR not in line]
    raised = [number for number, line in enumerate(lines) if RAISED.match(line)]
    if not raised:
        raised = [number for number, line in enumerate(lines) if CAUSED.match(line)]
    last = ""
    if lines:
        number = raised[-1] if raised else len(lines) - 1
        last = f"{lines[number]}{_place(error, lines, number)}"
    if not isinstance(error, RuntimeError):
        return f"{type(error).__name__}: {last}"
    return CARRIERS.sub("", last)


def _place(error: BaseException, lines: Sequence[str], number: int) -> str:
    """The place in the code at which the error in a line was raised; empty where nothing tells it.

    Errors in the work on an element name it themselves (transforms/plumbing/working_on.py). Those
    of loading, of packing and of sums are named here.
    """
    if NAMES_PLACE.search(lines[number]):
        return ""
    for line in reversed(lines[max(0, number - FRAME_LINES) : number]):
        frame = FRAME.match(line)
        if frame:
            return f" (in {frame['function']} at {frame['file']}:{frame['line']})"
    # Where the worker is this process, the error is the worker's own.
    frames = traceback.extract_tb(error.__traceback__)
    if frames and names_step(error):
        return f" (in {frames[-1].name} at {frames[-1].filename}:{frames[-1].lineno})"
    return ""


def names_step(error: BaseException) -> bool:
    """Whether an error was raised in a step of a job that runs in this process."""
    text = str(error)
    return STEP.search(text) is not None and TRACEBACK not in text


def with_step(line: str) -> str:
    """The line with the step in front, as the flow names it."""
    match = STEP.search(line)
    if match is None:
        return line
    step = INNER_STEP.sub("", match["step"])
    return f"{step}: {STEP.sub('', line)}"


def explained(line: str) -> str:
    """A worker's error, with its cause and what to do where that is known."""
    for sign, cause in CAUSES:
        if sign in line:
            return f"{cause} ({line})"
    return line
