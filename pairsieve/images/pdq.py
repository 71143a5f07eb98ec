"""The perceptual hash by which a picture is known again: PDQ (Meta, 2019), by its reference
library. 256 bits, 32 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import Image

GOOD_QUALITY = 50  # below, a hash tells nothing (PDQ's paper)
ALIKE = 31  # bits: up to here two hashes are of one picture (PDQ's paper)
BYTES, SIDE = 32, 16  # of a hash; a hash is a square of 16 x 16 bits, a frequency each
# PDQ looks at 64 x 64 of them in the end, and takes 0.1 us for each. Detectors see 640
# (transforms/score/scorer.py)
MAX_PIXELS = 1 << 20
TURNS = (None, *Image.Transpose)

Hashes = NDArray[np.uint8]
"""(n, 32)."""


def pdq(image: Image.Image) -> tuple[bytes, int]:
    """256 bits, most significant first, and the quality from 0 to 100 (see GOOD_QUALITY)."""
    bits, quality = pdqhash.compute(np.asarray(_small(image)))
    return np.packbits(bits.astype(np.uint8)).tobytes(), int(quality)


def _small(image: Image.Image) -> Image.Image:
    """Reduced by a whole number, which moves fewer bits than any other size: each pixel is the mean
    of a square.
    """
    factor = ceil((image.width * image.height / MAX_PIXELS) ** 0.5)
    return image.reduce(factor) if factor > 1 else image


def orientations_of(image: Image.Image) -> tuple[bytes, ...]:
    """The hashes of a picture in its 8 orientations; none of a picture that shows too little to
    tell.
    """
    rgb = _small(image).convert("RGB")
    found = [pdq(rgb if turn is None else rgb.transpose(turn)) for turn in TURNS]
    return tuple(bits for bits, quality in found if quality >= GOOD_QUALITY)


def orientations(bits: bytes) -> tuple[bytes, ...]:
    """The 8 hashes that a picture has when it is turned and mirrored, from its hash alone: of
    photographs within some 18 bits of the true ones, of drawings within some 50, so that a mirrored
    drawing may be missed where no example picture is given.

    Mirroring changes the sign of every second frequency, turning by a quarter exchanges the two
    directions.
    """
    square = np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(SIDE, SIDE)
    second = (np.arange(SIDE) % 2).astype(np.uint8)
    flips = [
        down[:, None] ^ across[None, :]
        for down in (0 * second, second)
        for across in (0 * second, second)
    ]
    return tuple(np.packbits(one ^ flip).tobytes() for one in (square, square.T) for flip in flips)


def distance(one: bytes, other: bytes) -> int:
    """In how many bits two hashes differ."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def as_hashes(found: Iterable[bytes]) -> Hashes:
    """Hashes as rows."""
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, BYTES)


def nearest(rows: Hashes, wanted: Hashes) -> NDArray[np.int64]:
    """For each of n rows, in how many bits the nearest of the wanted hashes differs; 256 where none
    is wanted.
    """
    best = np.full(len(rows), BYTES * 8, np.int64)
    for one in wanted:
        np.minimum(best, np.bitwise_count(rows ^ one).sum(axis=1, dtype=np.int64), out=best)
    return best
