"""Names what a worker was working on when something failed: the step, the part, the place in code.

A runner hands on a worker's error as text, each in another form. So the place is put into the
message, in one line, where the error is raised.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

from pairsieve.storage import files

Result = TypeVar("Result")


class WorkFailed(RuntimeError):
    """Something failed that stops the job; the message names what, where, and at which part."""


class WorkingOn:
    """A block of work on one element, or without one on the whole. Whatever it raises becomes a
    WorkFailed that names the place.

    A class, because `__exit__` is handed the error: no broad `except` is needed.
    """

    def __init__(self, element: Any = None) -> None:
        self._element = element

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, WorkFailed):
            last = traceback.extract_tb(trace)[-1]
            message = " ".join(str(error).split())  # in one line, as runners hand it on
            on = "" if self._element is None else f", working on {name_of(self._element)}"
            raise WorkFailed(
                f"{type(error).__name__}: {message} (in {last.name} at {last.filename}:"
                f"{last.lineno}{on})"
            ) from error


def named(function: Callable[..., Result]) -> Callable[..., Result]:
    """The function, with errors that name its first argument."""

    @wraps(function)
    def call(element: Any, *arguments: Any, **settings: Any) -> Result:
        with WorkingOn(element):
            return function(element, *arguments, **settings)

    return call


def name_of(element: Any) -> str:
    """An element's name for messages; nothing that a row holds is in it.

    Parts and inputs are named by their file, groups by their key, anything else by its type.
    """
    if isinstance(element, str):
        return files.public_name(element)
    if isinstance(element, tuple) and len(element) == 2:
        key, _ = element
        if isinstance(key, tuple):
            return " ".join(map(str, key))  # a folder and the number of a shard
        return f"bucket {key}"
    path = getattr(element, "path", None)
    if isinstance(path, str):
        return files.public_name(path)
    names = getattr(element, "names", None)
    if names:
        return f"{names[0]} and {len(names) - 1} more parts"
    return type(element).__name__
