"""Packs rows of plain values into bytes, to pass a shuffle."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable, Iterator
from typing import Any


def pack_rows(rows: Iterable[tuple[Any, ...]]) -> bytes:
    """Pack rows into bytes. Neighbouring rows share most values, so they compress well."""
    pickled = pickle.dumps(list(rows), pickle.HIGHEST_PROTOCOL)
    return zlib.compress(pickled, level=1)


def unpack_rows(packed: bytes) -> Iterator[tuple[Any, ...]]:
    """The rows in bytes from `pack_rows`. Only for bytes that this same run packed."""
    pickled = zlib.decompress(packed)
    return iter(pickle.loads(pickled))  # noqa: S301 - our own workers wrote it
