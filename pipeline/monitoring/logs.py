"""Configures logging: lines or bars for people, JSON lines for machines, or errors alone."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from pythonjsonlogger.json import JsonFormatter
from rich.console import Console
from rich.logging import RichHandler

from pipeline.monitoring.repeats import WithoutRepeats

Log = Literal["text", "json", "quiet"]


def configure_logging(log: Log) -> None:
    """Configure the loggers of this process; workers of a runner log by themselves."""
    handler = _handler(log)
    handler.addFilter(_is_no_job_message)
    handler.addFilter(WithoutRepeats())
    level, own_level = logging.WARNING, logging.INFO
    if log == "quiet":
        level = own_level = logging.ERROR
    logging.basicConfig(level=level, handlers=[handler])
    # The runner repeats what workers have logged already.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    logging.getLogger("pipeline").setLevel(own_level)


def _is_no_job_message(record: logging.LogRecord) -> bool:
    """Whether a log record is none of a job server.

    Job servers repeat a worker's whole traceback. The command names the error in one line.
    """
    return record.module != "portable_runner"


def shows_bars(log: Log) -> bool:
    """Whether progress is shown as bars: as text, on a terminal."""
    return log == "text" and sys.stderr.isatty()


def _handler(log: Log) -> logging.Handler:
    if shows_bars(log):
        return _handler_beside_bars()
    handler = logging.StreamHandler()
    if log == "json":
        handler.setFormatter(
            JsonFormatter(
                "%(levelname)s %(name)s %(message)s",
                rename_fields={"levelname": "level", "name": "logger"},
                timestamp="time",
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    return handler


def _handler_beside_bars() -> logging.Handler:
    """Rich writes lines above the bars, and not into them."""
    handler = RichHandler(
        console=Console(stderr=True),
        show_time=False,
        show_path=False,
        markup=False,
        highlighter=None,
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler
