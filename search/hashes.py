"""Perceptual hashes of every row, looked through one by one: the hashes of a million rows are 32 MB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from images.pdq import ALIKE, BYTES, as_hashes, nearest

HASHES, ROWS = "pdq.npy", "pdq_rows.npy"


def write_hashes(folder: Path, found: Sequence[tuple[int, str]]) -> None:
    """The (row, hex hash) of a shard's rows that have one."""
    np.save(folder / HASHES, as_hashes(bytes.fromhex(bits) for _, bits in found) if found else np.empty((0, BYTES), np.uint8))
    np.save(folder / ROWS, np.array([row for row, _ in found], np.uint32))


def alike(folder: Path, wanted: Sequence[bytes]) -> list[tuple[int, int]]:
    """(row, bits that differ) of those that are the same picture as one of the wanted hashes (of one picture in its orientations)."""
    hashes: NDArray[np.uint8] = np.load(folder / HASHES, mmap_mode="r")
    rows = np.load(folder / ROWS, mmap_mode="r")
    if not len(hashes) or not wanted:
        return []
    distances = nearest(hashes, as_hashes(wanted))
    return [(int(rows[i]), int(distances[i])) for i in np.nonzero(distances <= ALIKE)[0]]
