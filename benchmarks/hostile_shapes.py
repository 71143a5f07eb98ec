"""Shapes: functions that make hostile input of any length, for benchmarks/hostile.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

Shape = Callable[[int], Any]
"""Number of tokens -> input."""


def repeated(token: bytes, *more: bytes) -> Shape:
    """Return the shape of tokens one behind the other, each of them `n` times."""
    return lambda n: b"".join(part * n for part in (token, *more))


def numbered(template: bytes) -> Shape:
    """Return the shape of a token that has another number each time."""
    return lambda n: b"".join(template % number for number in range(n))


def shapes_of(tokens: Iterable[str]) -> dict[str, Shape]:
    """Return a shape for each token, which repeats it."""
    return {repr(token): partial(times, token) for token in tokens}


def times(token: str, n: int) -> str:
    """Repeat a token."""
    return token * n
