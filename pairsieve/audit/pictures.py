"""Makes a picture that is safe to show: a JPEG of its pixels, and nothing else of its file."""

from __future__ import annotations

from pairsieve.erasure.requests import EXAMPLES
from pairsieve.images.decode import Decoded, decode
from pairsieve.images.plain_jpeg import plain_jpeg

MAX_SIDE = 1024
"""Pixels; enough to read a document."""
QUALITY = 90


def as_jpeg(content: bytes) -> bytes | None:
    """Decode a picture and encode it as JPEG; None where it cannot be decoded.

    Native decoders have bugs: run this in a process that may be killed.
    """
    decoded = decode(content, EXAMPLES)
    if not isinstance(decoded, Decoded):
        return None
    image = decoded.image.convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    return plain_jpeg(image, QUALITY)
