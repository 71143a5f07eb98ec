"""Writes the pixels of a picture as JPEG, and nothing else of its file."""

from __future__ import annotations

import io

from PIL import Image


def plain_jpeg(image: Image.Image, quality: int) -> bytes:
    """Return an RGB picture as JPEG, without the profile and the comment that Pillow would copy."""
    pixels = image.copy()
    pixels.info.clear()
    buffer = io.BytesIO()
    pixels.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
