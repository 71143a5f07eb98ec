"""Decodes untrusted pictures; limits are checked on the header, before any pixel is decoded."""

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
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

# What Pillow raises when it opens broken files. AssertionError and TypeError are here because they
# were seen over 170,000 mutated files.
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
CHUNK_FRAME_BYTES = 12  # length, type and checksum
SIXTEEN_BITS = ";16"  # in Pillow's names of stored pixels, such as RGB;16B
WIDE_GREYS = ("I", "I;16", "I;16B", "I;16L")  # Pillow's modes of 16-bit grey
GREY_STEPS = {"L;2": 85, "L;4": 17}  # stored grey of 2 or 4 bits -> distance of its greys in 8 bits
OPAQUE = 255
SCAN = b"\xff\xda"  # begins a scan of a JPEG; cannot be within one (ITU-T T.81, B.1.1.5)
# Each scan of a progressive JPEG goes over all pixels. Encoders write about 10; libjpeg-turbo's
# fuzzers stop at 500.
MAX_SCANS = 100
# Pixels times scans: 2 s of decoding. The largest picture that is accepted may have 13 scans.
MAX_SCANNED_PIXELS = 1_200_000_000
LARGE_PIXELS = 24_000_000  # larger pictures are halved before anything else is done to them
ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4
UPRIGHT = 1
# Pillow's names of what it takes an orientation from beside EXIF: XMP, and a text of PNG files that
# ImageMagick writes (PNG, 3rd edition, has EXIF in eXIf alone).
NO_EXIF_ENTRIES = frozenset(("xmp", "XML:com.adobe.xmp", "Raw profile type exif"))
SIDEWAYS = (5, 6, 7, 8)  # orientations in which width and height are exchanged
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
"""Pillow's names of the formats that can be decoded.

The header of each gives the size, before any pixel is decoded (docs/pictures.md).
"""
HEIF_PACKAGE = "pi_heif"  # the extra `heic`: libheif without the encoder, which is under the GPL
# The first bytes of a TIFF file, as Pillow takes them: TIFF 6.0 in both byte orders, each with the
# number turned round as well, and BigTIFF.
TIFF_SIGNS = (b"II*\0", b"MM\0*", b"MM*\0", b"II\0*", b"MM\0+", b"II+\0")
SIGN_BYTES = 16  # Pillow shows as many to a plugin before it opens a file


@dataclass(frozen=True)
class DecodeSettings:
    """Which pictures are decoded.

    `formats` are Pillow's names of formats (LAION-5B: JPEG, PNG, WEBP). `max_aspect_ratio` refuses
    very long and thin pictures: resized to a model's shorter side they would fill the memory.
    `reduced`: a JPEG may be decoded at a half, a quarter or an eighth of its size where all copies
    that are made of it are far smaller.
    """

    formats: tuple[str, ...]
    max_pixels: int
    max_aspect_ratio: float
    reduced: bool = True


@dataclass(frozen=True)
class LeastSize:
    """The pixels that the shorter and the longer side of a picture must keep.

    With `larger_only` a picture whose shorter side has no more pixels to lose is not decoded.
    """

    shorter: int
    longer: int = 0
    larger_only: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture: upright RGB pixels, on white where it is transparent.

    Of an animation it is the first frame. `width` and `height` are those of the file in pixels,
    upright; `image` may be smaller.
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
    content: bytes, settings: DecodeSettings, at_least: LeastSize | None = None
) -> Decoded | Undecodable:
    """Decode a picture by its content; its name and its declared type do not matter.

    With `at_least` a JPEG may be decoded at a half, a quarter or an eighth of its size, as long as
    its sides keep that many pixels. Never raises, whatever the bytes are.
    """
    if not content:
        return Undecodable("empty")
    with warnings.catch_warnings():
        # Pillow warns of odd metadata, which are no reason to lose a picture.
        warnings.simplefilter("ignore")
        for readable in (content, *_without_metadata(content)):
            try:
                return _decode(readable, settings, at_least)
            except DECODE_ERRORS:
                continue
    return Undecodable("undecodable")


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of each chunk of a PNG, frame included, as far as the file goes.

    A file that is not a PNG has no chunks. The last chunk of a file that is cut off ends behind it.
    """
    if not content.startswith(PNG_SIGN):
        return
    at = len(PNG_SIGN)
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        start = at
        at += length + CHUNK_FRAME_BYTES
        yield kind, start, at


def without_pixels(content: bytes) -> bytes:
    """Reduce a PNG to its metadata, which may stand behind the pixels; return others unchanged."""
    return _with_chunks(content, METADATA_CHUNKS) or content


def _without_metadata(content: bytes) -> Iterator[bytes]:
    """Yield a PNG reduced to what its pixels need; nothing for another format.

    Pillow refuses a file with a broken colour profile, which browsers ignore.
    """
    reduced = _with_chunks(content, PIXEL_CHUNKS)
    if reduced:
        yield reduced


def _with_chunks(png: bytes, kinds: Collection[bytes]) -> bytes:
    """Return a PNG with only the chunks of these kinds; empty for another format."""
    chunks = list(png_chunks(png))
    if not chunks:
        return b""
    kept = (png[start:end] for kind, start, end in chunks if kind in kinds)
    return PNG_SIGN + b"".join(kept)


def problem_of_formats(formats: Sequence[str]) -> str | None:
    """Return why these formats cannot be decoded on this machine; None if they can."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        return f"{unknown[0]!r} is not among {', '.join(FORMATS)}"
    if "HEIF" in formats and find_spec(HEIF_PACKAGE) is None:
        return "HEIF needs a decoder; run: pip install 'pairsieve[heic]'"
    return None


@lru_cache(8)
def load_decoders(formats: tuple[str, ...]) -> None:
    """Register the decoders of formats that Pillow itself does not know."""
    if "HEIF" in formats:
        import pi_heif

        pi_heif.register_heif_opener(thumbnails=False, decode_threads=1)


def _decode(
    content: bytes, settings: DecodeSettings, at_least: LeastSize | None
) -> Decoded | Undecodable:
    """Decode a picture. Raises some of DECODE_ERRORS where it is broken."""
    load_decoders(settings.formats)
    try:
        # Opening reads the header only.
        opened = Image.open(io.BytesIO(content), formats=settings.formats)
    except UnidentifiedImageError:
        if _is_of_another_format(content, settings.formats):
            return Undecodable("format_not_taken")
        raise
    with opened as image:
        reason = _refusal(image, content, settings)
        if reason:
            return Undecodable(reason)
        stored_size = image.size
        if at_least is not None and at_least.larger_only and min(stored_size) <= at_least.shorter:
            return Undecodable("not_larger")
        _scale_transparent_colour(image)
        if at_least is not None:
            # Does nothing for other formats than JPEG.
            image.draft(None, _scaled_down(stored_size, at_least))
        if image.format == "TIFF":
            # Pillow would turn it by an orientation in XMP while it loads; see _is_in_exif.
            image.info.pop("xmp", None)
        image.load()
        width, height = stored_size
        if _turn_upright(image):
            width, height = height, width
        halved = _halved(_without_unused_alpha(image))
        return Decoded(_on_white(halved), _format_of(image), width, height)


def _scale_transparent_colour(image: ImageFile.ImageFile) -> None:
    """Bring the transparent colour of a PNG to 8 bits, as Pillow brings the pixels.

    The file names it in the bits of its samples (PNG, 3rd edition, 11.3.1.1). 16-bit grey stays.
    """
    colour = image.info.get("transparency")
    stored = str(image.tile[0][3]) if image.tile else ""
    if isinstance(colour, tuple) and SIXTEEN_BITS in stored:
        image.info["transparency"] = tuple(sample >> 8 for sample in colour)
    elif isinstance(colour, int) and stored in GREY_STEPS:
        image.info["transparency"] = colour * GREY_STEPS[stored]


def _format_of(image: Image.Image) -> str:
    """Return Pillow's name of the format of an opened file.

    MPO is a camera's JPEG with further pictures behind it (CIPA DC-007). Viewers show the first.
    """
    return "JPEG" if image.format == "MPO" else image.format or ""


def _refusal(image: ImageFile.ImageFile, content: bytes, settings: DecodeSettings) -> str | None:
    """Return the reason why a picture must not be decoded, by its header, or None."""
    kind = _format_of(image)
    if kind not in settings.formats:
        return "format_not_taken"
    pixels = image.width * image.height
    # Samples of 16 bits take twice as long, and are reduced to 8 bits afterwards.
    weight = 2 if any(SIXTEEN_BITS in str(tile[3]) for tile in image.tile) else 1
    if weight * pixels > settings.max_pixels:
        return "too_many_pixels"
    if max(image.size) > settings.max_aspect_ratio * min(image.size):
        return "aspect_ratio"
    scans = content.count(SCAN) if kind == "JPEG" else 1
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        return "too_many_scans"
    return None


def _is_of_another_format(content: bytes, accepted: Collection[str]) -> bool:
    """Tell whether the first bytes are those of a format that is not accepted.

    The plugin of that format sees no more of the file.
    """
    Image.init()
    sign = content[:SIGN_BYTES]
    matching = set()
    for name, (_, accepts) in Image.OPEN.items():
        if accepts is not None and accepts(sign):
            matching.add(name)
    return bool(matching) and matching.isdisjoint(accepted)


def _halved(image: Image.Image) -> Image.Image:
    """Halve the sides of a very large picture, so that copies of it cost a quarter.

    No later step needs more of its pixels.
    """
    if image.width * image.height <= LARGE_PIXELS:
        return image
    # Pillow cannot reduce 16-bit grey. A transparent grey would be lost in the smaller copy.
    if image.mode in ("I;16", "I;16L") and "transparency" not in image.info:
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    # Nor can it reduce the other modes, such as palettes. They stay as large as they are.
    if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image
    return image.reduce(2)


def _scaled_down(size: tuple[int, int], at_least: LeastSize) -> tuple[int, int]:
    """Return the smallest size (rounded up) of the same shape whose sides are long enough."""
    share = max(at_least.shorter / min(size), at_least.longer / max(size))
    return ceil(size[0] * share), ceil(size[1] * share)


def _turn_upright(image: Image.Image) -> bool:
    """Turn a picture as its EXIF block says, and tell whether width and height were exchanged.

    A picture with a broken EXIF block stays as it is. Turning is done in place, because a copy
    costs a quarter of a decode.
    """
    with suppress(*DECODE_ERRORS):
        orientation = image.getexif().get(ORIENTATION, UPRIGHT)
        if orientation != UPRIGHT and _is_in_exif(orientation, image):
            ImageOps.exif_transpose(image, in_place=True)
            return orientation in SIDEWAYS
    return False


def _is_in_exif(orientation: int, image: Image.Image) -> bool:
    """Tell whether an orientation stands in EXIF, and not where Pillow alone looks, too.

    Programs that turn the pixels and take EXIF out leave the XMP as it was (lovell/sharp, issue
    4585).
    """
    if NO_EXIF_ENTRIES.isdisjoint(image.info):
        return True
    # Pillow reads the EXIF of any picture that has such entries.
    exif_alone = Image.new("1", (1, 1))
    exif_alone.info = {name: image.info[name] for name in image.info if name not in NO_EXIF_ENTRIES}
    return exif_alone.getexif().get(ORIENTATION) == orientation


def _without_unused_alpha(image: Image.Image) -> Image.Image:
    """Return a BMP whose alpha is zero everywhere without it: programs reserve its place and leave
    it empty. Copies that are halved would be black.
    """
    if image.format == "BMP" and image.mode == "RGBA":
        _, highest_alpha = image.getchannel("A").getextrema()
        if highest_alpha == 0:
            return image.convert("RGB")
    return image


def _on_white(image: Image.Image) -> Image.Image:
    """Return the picture in RGB, laid on white where it is transparent."""
    if image.mode in WIDE_GREYS:
        return _wide_grey_on_white(image)
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    alpha = rgba.getchannel("A")
    # Most pictures with an alpha channel are opaque everywhere.
    lowest_alpha, _ = alpha.getextrema()
    if lowest_alpha == OPAQUE:
        return rgba.convert("RGB")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=alpha)
    return white


def _wide_grey_on_white(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits, because a plain conversion would clip it.

    A PNG may say that one of its greys is transparent.
    """
    # Pillow scales the other modes only after a conversion, which keeps their values.
    wide = image if image.mode in ("I", "I;16") else image.convert("I")
    grey = wide.point(lambda value: value / 256).convert("L")
    transparent = image.info.get("transparency")
    if transparent is not None:
        is_transparent = Image.fromarray(np.asarray(wide) == transparent)
        grey.paste(OPAQUE, mask=is_transparent)
    return grey.convert("RGB")
