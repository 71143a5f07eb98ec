"""A zoo of tiny pictures: each gives pixels or one reason, never an exception."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, TiffImagePlugin

from pairsieve.images.decode import (
    FORMATS,
    MAX_SCANS,
    TIFF_SIGNS,
    Decoded,
    DecodeSettings,
    LeastSize,
    Undecodable,
    decode,
    problem_of_formats,
)

SETTINGS = DecodeSettings(formats=("JPEG", "PNG", "WEBP"), max_pixels=10_000, max_aspect_ratio=20)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that nothing behind it holds."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + head
        + struct.pack(">I", zlib.crc32(head))
        + b"\0\0\0\0IDAT\0\0\0\0"
    )


RED = Image.new("RGB", (8, 4), "red")
JPEG = encoded(Image.effect_noise((40, 40), 50).convert("RGB"), "JPEG")

BROKEN = {
    "nothing": (b"", "empty"),
    "text": (b"hello", "undecodable"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "undecodable"),
    "truncated": (JPEG[: len(JPEG) // 2], "undecodable"),
    "header only": (JPEG[:20], "undecodable"),
    "gif": (encoded(RED, "GIF"), "format_not_taken"),
    "bmp": (encoded(RED, "BMP"), "format_not_taken"),
    "pixel bomb": (png_claiming(65_000, 65_000), "undecodable"),
    "many pixels": (encoded(Image.new("1", (101, 100))), "too_many_pixels"),
    "16 bits count twice": (encoded(Image.new("I;16", (100, 51))), "too_many_pixels"),
    # A chunk before the header, which Pillow accepts.
    "16 bits behind another chunk": (
        encoded(Image.new("I;16", (100, 51))).replace(
            b"\x89PNG\r\n\x1a\n",
            b"\x89PNG\r\n\x1a\n\0\0\0\0tEXt" + struct.pack(">I", zlib.crc32(b"tEXt")),
            1,
        ),
        "too_many_pixels",
    ),
    "hairline": (encoded(Image.new("RGB", (1, 21))), "aspect_ratio"),
    "zero by zero": (png_claiming(0, 0), "undecodable"),
    "corrupt chunk": (encoded(RED)[:30] + b"\0\1\2" + encoded(RED)[33:], "undecodable"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pictures_have_a_reason(name):
    content, reason = BROKEN[name]
    assert decode(content, SETTINGS) == Undecodable(reason)


def pixel(content: bytes) -> tuple[int, ...]:
    decoded = decode(content, SETTINGS)
    assert isinstance(decoded, Decoded)
    assert decoded.image.mode == "RGB"
    return decoded.image.getpixel((0, 0))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(RED), (255, 0, 0)),
        (encoded(RED, "WEBP", lossless=True), (255, 0, 0)),
        (encoded(RED.quantize(2)), (255, 0, 0)),
        (encoded(Image.new("L", (4, 4), 77)), (77, 77, 77)),
        (encoded(Image.new("1", (4, 4), 1)), (255, 255, 255)),
        (encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0))), (255, 255, 255)),
        (encoded(Image.new("LA", (4, 4), (0, 255))), (0, 0, 0)),
        (encoded(Image.fromarray(np.full((4, 4), 32_896, np.uint16))), (128, 128, 128)),
        (encoded(Image.new("P", (4, 4)), transparency=0), (255, 255, 255)),
    ],
)
def test_modes(content, expected):
    assert pixel(content) == expected


def raw_png(depth: int, colour_type: int, row: bytes, transparent: bytes) -> bytes:
    """A PNG of one row, with the colour that its tRNS chunk says is transparent."""
    width = 8 * len(row) // (depth * (3 if colour_type == 2 else 1))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, colour_type, 0, 0, 0)),
        (b"tRNS", transparent),
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    )
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


# PNG, 3rd edition, 11.3.1.1: tRNS names a colour in the bits of the samples. As ftbwn0g16, ftbbn2c16
# and ftbbn0g04 of PngSuite, whose transparent colours are white or black, with others.
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (raw_png(16, 0, b"\x20\x01\x20\x02", b"\x20\x01"), [255, 32]),
        (raw_png(16, 0, b"\x20\x01\x20\x02", b"\xff\xff"), [32, 32]),
        (raw_png(16, 2, b"\x20\x01" * 3 + b"\x40\x01" * 3, b"\x20\x01" * 3), [255, 64]),
        (raw_png(8, 0, b"\x20\x40", b"\0\x20"), [255, 64]),
        (raw_png(4, 0, b"\x47", b"\0\4"), [255, 119]),
        (raw_png(2, 0, b"\x1b", b"\0\1"), [0, 255, 170, 255]),
        (raw_png(1, 0, b"\x40", b"\0\0"), [255] * 8),
    ],
)
def test_the_transparent_colour_of_a_png(content, expected):
    decoded = decode(content, SETTINGS)
    assert isinstance(decoded, Decoded)
    assert list(decoded.image.getchannel("G").tobytes()) == expected


# TIFF 6.0, section 2: the byte order is the writer's choice; as 16bit.MM.cropped.tif of Pillow's tests
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_of_16_bit_grey_in_both_byte_orders(order):
    entries = ((256, 1), (257, 1), (258, 16), (259, 1), (262, 1), (273, 122), (277, 1), (278, 1))
    tags = [struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in entries]
    tags.append(struct.pack(f"{order}HHIHH", 279, 3, 1, 2, 0))
    head = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}IH", 8, len(tags)) + b"".join(tags) + bytes(4)
    content = head + directory + struct.pack(f"{order}H", 32_896)
    assert content.index(struct.pack(f"{order}H", 32_896), 100) == 122
    decoded = decode(content, replace(SETTINGS, formats=("TIFF",)))
    assert isinstance(decoded, Decoded)
    assert decoded.image.getpixel((0, 0)) == (128, 128, 128)


def with_chunk(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    """A red PNG with one more chunk behind its header."""
    png, chunk = encoded(RED), struct.pack(">I", len(data)) + kind + data
    crc = zlib.crc32(kind + data) if checksum is None else checksum
    return png[:33] + chunk + struct.pack(">I", crc) + png[33:]


@pytest.mark.parametrize(
    "content",
    [
        with_chunk(b"iCCP", b"x\0\0nothing", checksum=7),
        with_chunk(b"iCCP", b"no profile at all"),
        with_chunk(b"zTXt", b"Raw profile\0\0" + zlib.compress(b"x" * 5_000_000)),
        with_chunk(b"eXIf", b"MM\0*garbage"),
        encoded(RED, "JPEG", exif=b"Exif\0\0garbage"),
        encoded(RED, "JPEG", icc_profile=b"garbage"),
    ],
)
def test_broken_metadata_is_no_reason_to_lose_a_picture(content):
    red, green, blue = pixel(content)
    assert red > 240
    assert green < 10
    assert blue < 10


def test_cmyk():
    red, green, blue = pixel(
        encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    )
    assert red > 240
    assert max(green, blue) < 15


def test_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by a quarter
    decoded = decode(encoded(RED, "JPEG", exif=exif), SETTINGS)
    assert isinstance(decoded, Decoded)
    assert decoded.image.size == (4, 8)


TURNED_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


# lovell/sharp, issue 4585: XMP keeps an orientation that the pixels no longer have. OpenCV leaves
# xmp_tags_orientation.png of Pillow's tests as it is stored, too.
@pytest.mark.parametrize(
    ("in_exif", "size"), [(None, (8, 4)), (1, (8, 4)), (6, (4, 8)), (3, (8, 4))]
)
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_orientation_in_xmp_alone_is_not_applied(kind, in_exif, size):
    exif = Image.Exif()
    exif[0x0131] = "a program"
    if in_exif:
        exif[0x0112] = in_exif
    picture = Image.fromarray(np.repeat(np.uint8([[0] * 4 + [255] * 4]), 4, axis=0)).convert("RGB")
    decoded = decode(encoded(picture, kind, exif=exif, xmp=TURNED_XMP), SETTINGS)
    assert isinstance(decoded, Decoded)
    assert decoded.image.size == size == (decoded.width, decoded.height)
    is_mirrored = decoded.image.getpixel((0, 0))[0] > 128
    assert is_mirrored == (in_exif == 3)


# libvips and OpenCV leave parliament_0.png of GEGL's tests as it is stored, too.
@pytest.mark.parametrize(("in_exif", "size"), [(None, (8, 4)), (1, (8, 4)), (6, (4, 8))])
def test_orientation_in_a_text_of_a_png_is_not_applied(in_exif, size):
    turned, exif = Image.Exif(), Image.Exif()
    turned[0x0112] = 8
    if in_exif:
        exif[0x0112] = in_exif
    block = b"Exif\0\0" + turned.tobytes().removeprefix(b"Exif\0\0")
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n")
    decoded = decode(encoded(RED, "PNG", pnginfo=texts, exif=exif if in_exif else b""), SETTINGS)
    assert isinstance(decoded, Decoded)
    assert decoded.image.size == size == (decoded.width, decoded.height)


def bmp_with_alpha(*alphas: int) -> bytes:
    """A row of red pixels as test32bfv4.bmp of Qt's tests has them: with a mask of alpha."""
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    pixels = b"".join(bytes([0, 0, 255, alpha]) for alpha in alphas)
    head = struct.pack("<IiiHHIIiiII", 108, len(alphas), 1, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    head += struct.pack("<4I4s48x", *masks, b"BGRs")
    return b"BM" + struct.pack("<IHHI", 122 + len(pixels), 0, 0, 122) + head + pixels


# Chromium, bmp_image_reader.cc: alpha that is zero everywhere is none
@pytest.mark.parametrize(
    ("alphas", "expected"),
    [
        ((0, 0), [(255, 0, 0), (255, 0, 0)]),
        ((0, 255), [(255, 255, 255), (255, 0, 0)]),
        ((255, 255), [(255, 0, 0), (255, 0, 0)]),
    ],
)
def test_alpha_of_a_bmp(alphas, expected):
    decoded = decode(bmp_with_alpha(*alphas), replace(SETTINGS, formats=("BMP",)))
    assert isinstance(decoded, Decoded)
    assert list(map(decoded.image.getpixel, [(0, 0), (1, 0)])) == expected


def test_unused_alpha_of_a_large_bmp(monkeypatch):
    monkeypatch.setattr("pairsieve.images.decode.LARGE_PIXELS", 1)
    small = decode(bmp_with_alpha(0, 0), replace(SETTINGS, formats=("BMP",)))
    monkeypatch.undo()
    whole = decode(bmp_with_alpha(0, 0), replace(SETTINGS, formats=("BMP",)))
    assert isinstance(small, Decoded)
    assert isinstance(whole, Decoded)
    assert small.image.size == (1, 1)
    assert small.image.getpixel((0, 0)) == whole.image.getpixel((0, 0))


def test_signs_of_a_tiff():
    """Rights in a TIFF file are looked for in each file that Pillow takes for one."""
    assert set(TIFF_SIGNS) == set(TiffImagePlugin.PREFIXES)


def test_orientation_of_a_tiff():
    """Pillow would turn it while it loads."""
    tiff = replace(SETTINGS, formats=("TIFF",))
    for tags, size in (({700: TURNED_XMP}, (8, 4)), ({0x0112: 6}, (4, 8))):
        decoded = decode(encoded(RED, "TIFF", tiffinfo=tags), tiff)
        assert isinstance(decoded, Decoded)
        assert decoded.image.size == size == (decoded.width, decoded.height)


def test_first_frame_of_an_animation():
    frames = encoded(
        RED, "WEBP", save_all=True, append_images=[Image.new("RGB", (8, 4), "blue")], lossless=True
    )
    assert pixel(frames) == (255, 0, 0)


def test_name_and_format_come_from_the_content():
    decoded = decode(JPEG, SETTINGS)
    assert isinstance(decoded, Decoded)
    assert decoded.format == "JPEG"


@given(st.binary(max_size=200), st.integers(0, len(JPEG)))
@settings(max_examples=200, deadline=None)
def test_never_raises(noise, cut):
    for content in (noise, JPEG[:cut] + noise, encoded(RED)[: cut % 90] + noise):
        assert isinstance(decode(content, SETTINGS), Decoded | Undecodable)


def scanned(number: int, side: int = 64) -> bytes:
    """A progressive JPEG with its last scan again and again."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "JPEG", progressive=True)
    whole = buffer.getvalue()
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * number + whole[-2:]


@pytest.mark.parametrize(
    ("number", "reason"),
    [(1, None), (80, None), (MAX_SCANS, "too_many_scans"), (5000, "too_many_scans")],
)
def test_scans_are_counted_before_a_pixel_is_decoded(number, reason):
    found = decode(scanned(number), DecodeSettings(("JPEG",), 10**6, 50))
    assert getattr(found, "reason", None) == reason


def test_no_plugin_of_a_format_that_is_not_taken_is_asked(monkeypatch):
    asked = []
    monkeypatch.setitem(Image.OPEN, "BMP", (lambda *_: asked.append("BMP"), Image.OPEN["BMP"][1]))
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "BMP")
    assert decode(buffer.getvalue(), DecodeSettings(("JPEG", "PNG"), 10**6, 50)) == Undecodable(
        "format_not_taken"
    )
    assert asked == []


@pytest.mark.parametrize(
    "error", [AssertionError, TypeError, OverflowError, RecursionError, KeyError, zlib.error]
)
def test_whatever_a_plugin_raises_is_a_reason(error, monkeypatch):
    def fail(*_):
        raise error

    content = scanned(1)
    monkeypatch.setattr(Image.Image, "load", fail)
    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.load", fail)
    assert decode(content, DecodeSettings(("JPEG",), 10**6, 50)) == Undecodable("undecodable")


def test_a_very_large_picture_is_halved_and_says_how_large_it_was():
    buffer = io.BytesIO()
    Image.new("L", (6000, 5000), 100).save(buffer, "PNG")
    found = decode(buffer.getvalue(), DecodeSettings(("PNG",), 10**8, 50))
    assert (found.width, found.height, found.image.size, found.image.getpixel((9, 9))) == (
        6000,
        5000,
        (3000, 2500),
        (100, 100, 100),
    )


def test_a_jpeg_with_further_pictures_is_its_first():
    content = encoded(
        RED.resize((40, 20)),
        "MPO",
        save_all=True,
        append_images=[Image.new("RGB", (40, 20), "blue")],
    )
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.format == "MPO"
    for at_least in (None, LeastSize(5)):
        decoded = decode(content, SETTINGS, at_least)
        assert isinstance(decoded, Decoded)
        assert (decoded.format, decoded.width, decoded.height) == ("JPEG", 40, 20)
        red, _, blue = decoded.image.getpixel((3, 3))
        assert red > 200 > 50 > blue
    # one whose index of pictures is broken is a JPEG all the same
    at = content.index(b"MPF\0") + 8
    assert isinstance(decode(content[:at] + b"\xff" * 8 + content[at + 8 :], SETTINGS), Decoded)


HEIC = (Path(__file__).parent / "data" / "red_and_blue.heic").read_bytes()


@pytest.mark.parametrize(
    ("kind", "content"),
    [("AVIF", encoded(RED.resize((64, 48)), "AVIF")), ("HEIF", HEIC)],
)
def test_formats_that_a_config_may_take(kind, content):
    if kind == "HEIF":
        pytest.importorskip("pi_heif")
    assert isinstance(decode(content, SETTINGS), Undecodable)
    taken = replace(SETTINGS, formats=("JPEG", kind))
    decoded = decode(content, taken)
    assert isinstance(decoded, Decoded)
    assert (decoded.format, decoded.width, decoded.height) == (kind, 64, 48)
    assert decoded.image.getpixel((5, 5))[0] > 200
    assert decode(content, replace(taken, max_pixels=3000)) == Undecodable("too_many_pixels")
    assert isinstance(decode(content[: len(content) - 60], taken), Undecodable)


def test_formats_that_cannot_be_decoded_are_named():
    assert problem_of_formats(FORMATS[:7]) is None
    assert "'JXL' is not among JPEG, " in problem_of_formats(["JPEG", "JXL"])


@pytest.mark.parametrize(
    ("size", "reason"),
    [((20, 80), "not_larger"), ((40, 90), "not_larger"), ((41, 90), None)],
)
def test_only_larger_pictures_are_decoded(size, reason):
    whole = encoded(RED.resize(size), "PNG")
    at_least = LeastSize(40, larger_only=True)
    found = decode(whole, SETTINGS, at_least)
    assert (found.reason if isinstance(found, Undecodable) else None) == reason
    # The header alone tells.
    if reason:
        assert decode(whole[:60], SETTINGS, at_least) == Undecodable(reason)
