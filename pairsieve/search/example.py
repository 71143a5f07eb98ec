"""An example picture becomes hashes, and squares for models; it is kept nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pairsieve.erasure.requests import EXAMPLES, MAX_EXAMPLE_BYTES
from pairsieve.images.decode import Undecodable, decode
from pairsieve.images.pdq import orientations_of
from pairsieve.images.prepare import Pixels, Square, squared


@dataclass(frozen=True)
class Example:
    """An example picture: hashes of its bytes, PDQ hashes of its 8 orientations."""

    sha256: str = ""
    md5: str = ""
    pdq: Sequence[bytes] = ()


def read_example(
    content: bytes, squares: Sequence[Square]
) -> tuple[Example, tuple[Pixels, ...]] | Undecodable:
    """Hashes of a picture's bytes and of its 8 orientations, and what models want to see of it."""
    if len(content) > MAX_EXAMPLE_BYTES:
        return Undecodable("too_many_bytes")
    found = decode(content, EXAMPLES)
    if isinstance(found, Undecodable):
        return found
    by_bytes = (
        hashlib.sha256(content).hexdigest(),
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
    )
    pixels = tuple(np.asarray(squared(found.image, square)) for square in squares)
    return Example(*by_bytes, orientations_of(found.image)), pixels
