"""What a command says while it works: lines or bars for people, JSON lines for machines, or nothing
but errors.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal

from pythonjsonlogger.json import JsonFormatter
from rich.console import Console
from rich.logging import RichHandler

Log = Literal["text", "json", "quiet"]


def set_up(log: Log) -> None:
    """Say it so from now on. Workers' messages come as they are."""
    handler = _handler(log)
    handler.addFilter(_is_no_job_message)
    logging.basicConfig(
        level=logging.ERROR if log == "quiet" else logging.WARNING, handlers=[handler]
    )
    # workers have already said what the runner repeats
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    logging.getLogger("pipeline").setLevel(logging.ERROR if log == "quiet" else logging.INFO)


def _is_no_job_message(record: logging.LogRecord) -> bool:
    """Job servers repeat a worker's whole traceback, which Beam logs as it comes; the command says
    what it comes to.
    """
    return record.module != "portable_runner"


def shows_bars(log: Log) -> bool:
    """Whether there is a terminal, and people before it."""
    return log == "text" and sys.stderr.isatty()


def _handler(log: Log) -> logging.Handler:
    if shows_bars(log):
        rich = RichHandler(
            console=Console(stderr=True),
            show_time=False,
            show_path=False,
            markup=False,
            highlighter=None,
        )
        rich.setFormatter(logging.Formatter("%(message)s"))
        return rich
    handler = logging.StreamHandler()
    json = JsonFormatter(
        "%(levelname)s %(name)s %(message)s",
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp="time",
    )
    handler.setFormatter(json if log == "json" else logging.Formatter("%(levelname)s %(message)s"))
    return handler
