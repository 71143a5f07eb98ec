"""Rows of plain values, packed for a shuffle."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator
from typing import Any


def pack(rows: Iterable[tuple[Any, ...]]) -> bytes:
    """Rows as they go through a shuffle: those that are neighbours share most of what they hold."""
    return zlib.compress(pickle.dumps(list(rows), pickle.HIGHEST_PROTOCOL), level=1)


def unpack(packed: bytes) -> Iterator[tuple[Any, ...]]:
    """What `pack` packed, in this same run."""
    return iter(pickle.loads(zlib.decompress(packed)))  # noqa: S301 - our own workers wrote it
