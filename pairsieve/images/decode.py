"""Decode a picture that nobody vouches for: limits come from its header, before any pixel."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from math import ceil

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# What Pillow raises over files that somebody made: over 170,000 mutated ones it was also
# AssertionError and TypeError.
DECODE_ERRORS = (
    UnidentifiedImageError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


PNG_SIGN = b"\x89PNG\r\n\x1a\n"
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # PNG, 3rd edition, 11.2 and 11.3.1
METADATA_CHUNKS = (b"IHDR", b"eXIf", b"iTXt", b"tEXt", b"zTXt", b"IEND")  # the same, 11.3
OPAQUE = 255
SCAN = b"\xff\xda"  # a marker of JPEG, which nothing between the scans can be (ITU-T T.81, B.1.1.5)
# Each scan of a progressive JPEG goes over all pixels. Encoders write about 10; libjpeg-turbo's
# fuzzers stop at 500.
MAX_SCANS = 100
# pixels times scans: 2 s. The largest picture that is taken may have 13
MAX_SCANNED_PIXELS = 1_200_000_000
LARGE_PIXELS = 24_000_000  # larger ones are halved before anything else is done to them
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # EXIF 2.32, 4.6.4
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
"""Pillow's names of the formats that can be taken. Of each the header gives the size, before any
pixel is decoded (docs/pictures.md).
"""
HEIF_PACKAGE = "pi_heif"  # the extra `heic`; libheif without the encoder, which is under the GPL
SIGN_BYTES = 16  # as many as Pillow shows to a plugin before it opens a file
CHUNK_FRAME_BYTES = 12  # length, type and checksum


@dataclass(frozen=True)
class DecodeSettings:
    """Pillow's format names that are taken (LAION-5B: JPEG, PNG, WEBP) and the most pixels a
    picture may have.

    `max_aspect_ratio` keeps out hairlines: resized to a model's shortest side they would fill the
    memory.
    """

    formats: tuple[str, ...]
    max_pixels: int
    max_aspect_ratio: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """Upright RGB pixels, alpha laid on white, the first frame of an animation; `width` and
    `height` are the file's own.
    """

    image: Image.Image
    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Why there are no pixels: a stable snake_case reason."""

    reason: str


def decode(
    content: bytes, settings: DecodeSettings, at_least: int | None = None
) -> Decoded | Undecodable:
    """The picture in `content`, whatever its name or type said. Never raises on any bytes.

    With `at_least` a JPEG may be decoded at a half, a quarter or an eighth, to no fewer pixels than
    that on its shorter side.
    """
    if not content:
        return Undecodable("empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata is no reason to lose a picture
        for readable in (content, *_without_metadata(content)):
            try:
                return _decode(readable, settings, at_least)
            except DECODE_ERRORS:
                continue
    return Undecodable("undecodable")


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of each chunk of a PNG, frame included, as far as the file goes; of a file
    that is none, nothing.
    """
    at = len(PNG_SIGN) if content.startswith(PNG_SIGN) else len(content)
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        start, at = at, at + length + CHUNK_FRAME_BYTES
        yield kind, start, at


def without_pixels(content: bytes) -> bytes:
    """A PNG reduced to what it says of itself, wherever that stands; any other file as it is."""
    return _reduced(content, METADATA_CHUNKS) or content


def _without_metadata(content: bytes) -> Iterator[bytes]:
    """A PNG reduced to what its pixels need: Pillow gives up on a broken colour profile, which
    browsers pass over.
    """
    reduced = _reduced(content, PIXEL_CHUNKS)
    if reduced:
        yield reduced


def _reduced(png: bytes, kinds: Collection[bytes]) -> bytes:
    """A PNG with chunks of these kinds alone; nothing of another file."""
    chunks = list(png_chunks(png))
    return (
        b"".join([PNG_SIGN, *(png[start:end] for kind, start, end in chunks if kind in kinds)])
        if chunks
        else b""
    )


def problem_of_formats(formats: Sequence[str]) -> str | None:
    """Why these formats cannot be decoded on this machine; None if they can."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        return f"{unknown[0]!r} is not among {', '.join(FORMATS)}"
    if "HEIF" in formats and find_spec(HEIF_PACKAGE) is None:
        return "HEIF needs a decoder; run: pip install 'pairsieve[heic]'"
    return None


@lru_cache(8)
def load_decoders(formats: tuple[str, ...]) -> None:
    """Make Pillow know the formats that it has no decoder for."""
    if "HEIF" in formats:
        import pi_heif

        pi_heif.register_heif_opener(thumbnails=False, decode_threads=1)


def _decode(
    content: bytes, settings: DecodeSettings, at_least: int | None
) -> Decoded | Undecodable:
    load_decoders(settings.formats)
    try:
        opened = Image.open(io.BytesIO(content), formats=settings.formats)
    except UnidentifiedImageError:
        if _is_of_another_format(content, settings.formats):
            return Undecodable("format_not_taken")
        raise
    with opened as image:
        # MPO: a JPEG of a camera with further pictures behind it (CIPA DC-007), which nobody sees
        kind = "JPEG" if image.format == "MPO" else image.format or ""
        if kind not in settings.formats:
            return Undecodable("format_not_taken")
        if image.width * image.height > settings.max_pixels:
            return Undecodable("too_many_pixels")
        if max(image.size) > settings.max_aspect_ratio * min(image.size):
            return Undecodable("aspect_ratio")
        scans = content.count(SCAN) if kind == "JPEG" else 1
        if scans > MAX_SCANS or scans * image.width * image.height > MAX_SCANNED_PIXELS:
            return Undecodable("too_many_scans")
        stored = image.size
        if at_least is not None:
            image.draft(None, _no_smaller(stored, at_least))
        image.load()
        width, height = stored[::-1] if _turn_upright(image) else stored
        return Decoded(_on_white(_halved(image)), kind, width, height)


def _is_of_another_format(content: bytes, taken: Collection[str]) -> bool:
    """Whether the first bytes are those of a format that is not taken; its plugin sees no more of
    the file.
    """
    Image.init()
    sign = content[:SIGN_BYTES]
    known = {
        name for name, (_, accept) in Image.OPEN.items() if accept is not None and accept(sign)
    }
    return bool(known) and known.isdisjoint(taken)


def _halved(image: Image.Image) -> Image.Image:
    """A very large picture at half its size, so that copies of it cost a quarter; nobody needs more
    of its pixels.
    """
    if image.width * image.height <= LARGE_PIXELS:
        return image
    if image.mode in ("I;16", "I;16L"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.reduce(2) if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else image


def _no_smaller(size: tuple[int, int], side: int) -> tuple[int, int]:
    return ceil(size[0] * side / min(size)), ceil(size[1] * side / min(size))


def _turn_upright(image: Image.Image) -> bool:
    """As EXIF says it was held; as it is stored where the EXIF block is broken. Whether it lay on
    its side.

    In place, since copies cost a quarter of a decode.
    """
    with suppress(*DECODE_ERRORS):
        sideways = image.getexif().get(ORIENTATION) in SIDEWAYS
        ImageOps.exif_transpose(image, in_place=True)
        return sideways
    return False


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else _eight_bits(image).convert("RGB")
    clear = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha = clear.getchannel("A")
    if alpha.getextrema()[0] == OPAQUE:
        return clear.convert("RGB")
    white = Image.new("RGB", clear.size, "white")
    white.paste(clear, mask=alpha)
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey as Pillow opens it (I;16, I) would be clipped by a plain conversion."""
    return (
        image.point(lambda value: value / 256).convert("L")
        if image.mode in ("I", "I;16", "I;16B", "I;16L")
        else image
    )
