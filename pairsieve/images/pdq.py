"""Computes and compares PDQ, the perceptual hash by which copies of a picture are recognised.

PDQ (Meta, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019) gives
256 bits, 32 bytes. Meta's reference library computes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import ceil

import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import Image

from pairsieve.images.trim import trimmed

GOOD_QUALITY = 50  # of 100; the paper advises to discard hashes below it
ALIKE = 31  # bits; up to this distance two hashes are of the same picture (the paper)
BYTES = 32  # in a hash
SIDE = 16  # a hash is a square of 16 x 16 bits, one bit for each frequency
# PDQ reduces every picture to 64 x 64 pixels. It needs 0.1 us for each pixel that it reads, so
# larger pictures are reduced first. Detectors see 640 pixels a side (transforms/score/scorer.py).
MAX_PIXELS = 1 << 20
TURNS = (None, *Image.Transpose)

Hashes = NDArray[np.uint8]
"""Hashes as rows, (n, 32)."""


def pdq(image: Image.Image) -> tuple[bytes, int]:
    """Return the hash, most significant bit first, and its quality from 0 to 100.

    GOOD_QUALITY says which quality is enough.
    """
    bits, quality = pdqhash.compute(np.asarray(_reduced(image)))
    return np.packbits(bits.astype(np.uint8)).tobytes(), int(quality)


def _reduced(image: Image.Image) -> Image.Image:
    """Reduce a picture to MAX_PIXELS or fewer.

    The factor is a whole number, so each pixel is the mean of a square. This changes fewer bits of
    the hash than any other size does.
    """
    factor = ceil((image.width * image.height / MAX_PIXELS) ** 0.5)
    if factor <= 1:
        return image
    return image.reduce(factor)


def pdq_trimmed(image: Image.Image) -> bytes | None:
    """Return the hash of a picture without its borders (pairsieve/images/trim.py).

    Returns None where it has none, and where what they frame shows too little for a hash of
    GOOD_QUALITY: those of plain pictures resemble each other.
    """
    rgb = _reduced(image).convert("RGB")
    inner = trimmed(rgb)
    if inner is rgb:
        return None
    bits, quality = pdq(inner)
    return bits if quality >= GOOD_QUALITY else None


def orientations_of(image: Image.Image) -> tuple[bytes, ...]:
    """Return the hashes of a picture in its 8 orientations, as it is and without its borders.

    Those without borders come first, where it has any. Hashes of low quality are left out, so a
    picture that shows too little has none.
    """
    rgb = _reduced(image).convert("RGB")
    inner = trimmed(rgb)
    versions = (rgb,) if inner is rgb else (inner, rgb)
    hashes = []
    for version, turn in product(versions, TURNS):
        turned = version if turn is None else version.transpose(turn)
        bits, quality = pdq(turned)
        if quality >= GOOD_QUALITY:
            hashes.append(bits)
    return tuple(hashes)


def orientations(bits: bytes) -> tuple[bytes, ...]:
    """Compute, from a hash alone, the 8 hashes of the turned and mirrored picture.

    Those of photographs lie within about 18 bits of the true ones, those of drawings within about
    50. So a mirrored drawing may be missed where no example picture is given. PDQ smooths over
    a window of pixels and picks 64 of each side, both counted from one end. Where window or step is
    an even number of pixels, from the other end others are picked: worst for sides of 128 and 256
    pixels, whose hashes lie off by 30 to 40 bits (benchmarks/duplicates.py).
    """
    square = np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(SIDE, SIDE)
    # Turning by a quarter exchanges the two directions.
    turns = (square, square.T)
    return tuple(np.packbits(turned ^ flip).tobytes() for turned, flip in product(turns, _flips()))


def orientations_of_all(rows: Hashes) -> NDArray[np.uint8]:
    """Compute `orientations` of each of n hashes, (8, n, 32); the first are the hashes as given."""
    squares = np.unpackbits(rows, axis=1).reshape(-1, SIDE, SIDE)
    turned = []
    for turned_squares in (squares, squares.swapaxes(1, 2)):
        for flip in _flips():
            bits = (turned_squares ^ flip).reshape(-1, SIDE * SIDE)
            turned.append(np.packbits(bits, axis=1))
    return np.stack(turned)


def _flips() -> list[NDArray[np.uint8]]:
    """The bits (SIDE, SIDE) that mirroring changes: in no direction, in one of two, in both."""
    keeps_all = np.zeros(SIDE, np.uint8)
    # Mirroring changes the sign of every second frequency.
    changes_second = (np.arange(SIDE) % 2).astype(np.uint8)
    patterns = (keeps_all, changes_second)
    return [down[:, None] ^ across[None, :] for down, across in product(patterns, patterns)]


def distance(left: bytes, right: bytes) -> int:
    """Count the bits in which two hashes differ."""
    differing = int.from_bytes(left, "big") ^ int.from_bytes(right, "big")
    return differing.bit_count()


def as_hashes(hashes: Iterable[bytes]) -> Hashes:
    """Return hashes as rows of an array."""
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, BYTES)


def nearest(rows: Hashes, wanted: Hashes) -> NDArray[np.int64]:
    """Return, for each of n rows, the distance in bits to the nearest of the wanted hashes.

    It is 256 where no hash is wanted.
    """
    nearest_bits = np.full(len(rows), BYTES * 8, np.int64)
    for wanted_hash in wanted:
        distances = np.bitwise_count(rows ^ wanted_hash).sum(axis=1, dtype=np.int64)
        np.minimum(nearest_bits, distances, out=nearest_bits)
    return nearest_bits
