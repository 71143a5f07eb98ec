"""Decode a picture that nobody vouches for: limits come from its header, before any pixel."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

DECODE_ERRORS = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
    MemoryError,
)


@dataclass(frozen=True)
class DecodeSettings:
    """Pillow's format names that are taken (LAION-5B: JPEG, PNG, WEBP) and the most pixels a picture may have.

    `max_aspect_ratio` keeps out hairlines: resized to a model's shortest side they would fill the memory.
    """

    formats: tuple[str, ...]
    max_pixels: int
    max_aspect_ratio: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """Upright RGB pixels, alpha laid on white, the first frame of an animation."""

    image: Image.Image
    format: str


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Why there are no pixels: a stable snake_case reason."""

    reason: str


def decode(content: bytes, settings: DecodeSettings) -> Decoded | Undecodable:
    """The picture in `content`, whatever its name or type said. Never raises on any bytes."""
    if not content:
        return Undecodable("empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no reason to lose a picture
            return _decode(content, settings)
    except DECODE_ERRORS:
        return Undecodable("undecodable")


def _decode(content: bytes, settings: DecodeSettings) -> Decoded | Undecodable:
    with Image.open(io.BytesIO(content)) as image:
        kind = image.format or ""
        if kind not in settings.formats:
            return Undecodable("format_not_taken")
        if image.width * image.height > settings.max_pixels:
            return Undecodable("too_many_pixels")
        if max(image.size) > settings.max_aspect_ratio * min(image.size):
            return Undecodable("aspect_ratio")
        return Decoded(_on_white(ImageOps.exif_transpose(image)), kind)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return _eight_bits(image).convert("RGB")
    clear = image.convert("RGBA")
    white = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(white, clear).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as Pillow opens it (I;16, I) would be clipped by a plain conversion."""
    return image.point(lambda value: value / 256).convert("L") if image.mode in ("I", "I;16", "I;16B", "I;16L") else image
