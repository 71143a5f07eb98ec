"""Runs commands in processes that end by themselves before the n-th change of a folder, as kill -9
would have it.

Reads one JSON object a line: {"arguments": ["erase", ...], "kill_at": 3, "below": "/folder"}
(kill_at 0: never), and answers each with {"status": exit status or KILLED, "changes": how many
changes came, "made": what each of them was ("os.rename ds/manifest.json"), "printed": what was
printed}. Nothing is cleaned up in a process that ends so: no `finally`, no `except`.

A process of its own for all this, with everything imported and no thread yet, so that it can fork.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.quick_beam import quicken_beam

KILLED = 137
VERBS = (
    "erase", "adopt", "index", "export", "verify", "check", "run", "requests", "audit", "follow",
    "recheck",
)  # fmt: skip
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def changes(event: str, arguments: tuple[Any, ...], below: str) -> bool:
    """Whether an audit event is a change below a folder.

    Names relative to an open folder (shutil.rmtree) count.
    """
    if event == "open":
        path, _, flags = arguments
        return (
            isinstance(path, (str, os.PathLike))
            and os.fspath(path).startswith(below)
            and bool((flags or 0) & WRITES)
        )
    if event not in CHANGES:
        return False
    path = (
        os.fspath(arguments[0])
        if isinstance(arguments[0], (str, os.PathLike))
        else str(arguments[0])
    )
    return path.startswith(below) or not path.startswith("/")


def ending_at(kill_at: int, below: str, made: list[str]) -> None:
    """From now on note changes, and end this process before the one with this number."""

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if changes(event, arguments, below):
            made.append(f"{event} {str(arguments[0]).removeprefix(below).lstrip('/')}")
            if len(made) == kill_at:
                os._exit(KILLED)

    sys.addaudithook(watch)


def run(order: dict[str, Any], answer: str) -> None:
    """In a process of its own: run the command, and leave what it said in a file."""
    verb, *arguments = order["arguments"]
    printed, made = io.StringIO(), list[str]()
    ending_at(order["kill_at"], order["below"], made)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            status = import_module(f"pipeline.commands.{verb}").main(arguments)
        except SystemExit as error:
            status = error.code
        except BaseException:  # noqa: BLE001 - the test is to see any traceback
            traceback.print_exc()
            status = -1
    Path(answer).write_text(
        json.dumps(
            {"status": status, "changes": len(made), "made": made, "printed": printed.getvalue()}
        )
    )


def main() -> None:
    """Answer orders until there are no more."""
    for verb in VERBS:
        import_module(f"pipeline.commands.{verb}")
    for name in (
        "pipeline.dataset.erasure",
        "pipeline.shards_flow",
        "transforms.erase.rewrite",
        "pipeline.orchestrate.command",
        "pipeline.dataset.review",
        "pipeline.dataset.copy",
        "pairsieve.search.index",
        "open_clip",
    ):
        import_module(name)
    # Charts take longer than all the rest, and no test here looks at one.
    report_page = import_module("pipeline.dataset.report_page")
    report_page.histogram_svg = report_page.rate_svg = lambda *_, **__: "<svg></svg>"
    patch = pytest.MonkeyPatch()
    quicken_beam(patch)
    # As in the tests themselves: nobody cuts the power.
    patch.setattr(os, "fsync", lambda handle: None)
    with tempfile.TemporaryDirectory() as folder:
        for number, line in enumerate(sys.stdin):
            answer = str(Path(folder) / str(number))
            child = os.fork()
            if child == 0:
                run(json.loads(line), answer)
                os._exit(0)
            _, ended = os.waitpid(child, 0)
            path = Path(answer)
            said = (
                path.read_text()
                if path.exists()
                else json.dumps({"status": os.waitstatus_to_exitcode(ended)})
            )
            sys.__stdout__.write(said + "\n")
            sys.__stdout__.flush()


if __name__ == "__main__":
    main()
