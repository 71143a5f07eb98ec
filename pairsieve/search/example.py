"""Turn an example picture into hashes, and into pixels for models. The picture is not stored."""

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
    """An example picture: hashes of its bytes (hex), PDQ hashes of its 8 orientations."""

    sha256: str = ""
    md5: str = ""
    pdq: Sequence[bytes] = ()


def read_example(
    content: bytes, squares: Sequence[Square]
) -> tuple[Example, tuple[Pixels, ...]] | Undecodable:
    """Return the hashes of a picture, and its pixels for each model's input (`squares`)."""
    if len(content) > MAX_EXAMPLE_BYTES:
        return Undecodable("too_many_bytes")
    picture = decode(content, EXAMPLES)
    if isinstance(picture, Undecodable):
        return picture
    example = Example(
        hashlib.sha256(content).hexdigest(),
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
        orientations_of(picture.image),
    )
    pixels = tuple(np.asarray(squared(picture.image, square)) for square in squares)
    return example, pixels
