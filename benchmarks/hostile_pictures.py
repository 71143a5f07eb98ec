"""Pictures that are hard to read or to decode, for benchmarks/hostile.py."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

from benchmarks.hostile_shapes import Shape

PNG_SIGN = b"\x89PNG\r\n\x1a\n"


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (8, 8), bits: int = 1) -> bytes:
    """Make a black grey PNG with these chunks (type, content) before its pixels.

    `size` is (width, height) in pixels, `bits` the bits of a pixel.
    """
    width, height = size
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    # Each row begins with a byte that names its filter.
    row = b"\0" * (1 + (width * bits + 7) // 8)
    compressor = zlib.compressobj(9)
    # Row by row, since all rows together may not fit in memory.
    pixels = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    all_chunks = ((b"IHDR", head), *chunks, (b"IDAT", pixels), (b"IEND", b""))
    return PNG_SIGN + b"".join(_chunk(kind, content) for kind, content in all_chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    """Make a small JPEG with these segments (marker, content) at its front."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG")
    whole = buffer.getvalue()
    # The length of a segment counts its own two bytes.
    added = b"".join(
        b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content
        for marker, content in segments
    )
    return whole[:2] + added + whole[2:]


def metadata_shapes() -> dict[str, Shape]:
    """Return pictures whose metadata are hard to read."""
    packed = zlib.compress(bytes(20_000_000), 9)
    statement = b"<xmpRights:WebStatement>"
    cc = b"<cc:license "
    exif = b"Exif\0\0II*\0\x08\0\0\0"
    return {
        "blanks behind a statement of rights": lambda n: b"<x:xmpmeta>" + statement + b" " * n,
        "statements of rights": lambda n: b"<x:xmpmeta>" + statement * (n // 20),
        "licences": lambda n: b"<x:xmpmeta>" + cc * (n // 10),
        "blanks behind a reservation": lambda n: (
            b"<x:xmpmeta>" + b"tdm:reservation" * (n // 100) + b" " * n
        ),
        "packets": lambda n: b"<x:xmpmeta>" * (n // 10) + b"</x:xmpmeta>" * (n // 10),
        "signs of UTF-16": lambda n: "<rdf:RDF ".encode("utf-16-le") * (n // 10),
        "packed texts": lambda n: png(*[(b"zTXt", b"a\0\0" + packed)] * max(1, n // 20_000)),
        "packed profiles": lambda n: png(*[(b"iCCP", b"a\0\0" + packed)] * max(1, n // 20_000)),
        "texts": lambda n: png(*[(b"tEXt", b"Exif\0a")] * (n // 10)),
        "texts of many digits": lambda n: png(
            (b"tEXt", b"Raw profile type exif\0\nexif\n  9\n" + b"0 " * n)
        ),
        "segments": lambda n: jpeg(
            *[(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8))] * (n // 10)
        ),
        "EXIF tags": lambda n: jpeg(
            *[(0xE1, exif + struct.pack("<H", 5_000) + b"\x0e\x01\x02\0\x04\0\0\0abcd" * 5_000)]
            * max(1, n // 60_000)
        ),
        "EXIF in a loop": lambda n: jpeg(
            (0xE1, exif + b"\x01\0\x25\x88\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"),
            (0xE2, b"a" * min(n, 60_000)),
        ),
        "TIFF tags": lambda n: (
            b"II*\0\x08\0\0\0"
            + struct.pack("<H", 60_000)
            + b"\x0e\x01\x02\0\x04\0\0\0abcd" * (n // 4)
            + b"Exif"
        ),
        "licence in XMP": lambda n: (
            b'<x:xmpmeta><rsl xmlns="https://rslstandard.org/rsl">'
            + b"<content>" * (n // 10)
            + b"</x:xmpmeta>"
        ),
    }


def picture_shapes() -> dict[str, Shape]:
    """Return pictures that are hard to decode."""
    packed = zlib.compress(bytes(50_000_000), 9)
    return {
        "a large PNG": lambda n: png(size=(4_700 * min(n, 2), 9_400), bits=8),
        "a PNG of 16 bits": lambda n: png(size=(4_700, 4_700 * min(n, 2)), bits=16),
        "scans": lambda n: scans(50 * n),
        "packed texts": lambda n: png(*[(b"zTXt", b"a\0\0" + packed)] * (5 * n)),
        "packed profile": lambda n: png((b"iCCP", b"a\0\0" + packed * n)),
        "frames of a PNG": lambda n: frames(n, "PNG"),
        "frames of a WebP": lambda n: frames(n, "WEBP"),
        "a large WebP": large_webp,
    }


def scans(number: int) -> bytes:
    """Make a progressive JPEG whose last scan is repeated."""
    buffer = io.BytesIO()
    Image.new("RGB", (2_000, 2_000)).save(buffer, "JPEG", progressive=True)
    whole = buffer.getvalue()
    last = whole.rindex(b"\xff\xda")
    # The last two bytes end the file.
    return whole[:last] + whole[last:-2] * number + whole[-2:]


def frames(n: int, kind: str) -> bytes:
    """Make an animation of 200 * n frames."""
    buffer = io.BytesIO()
    images = [
        Image.new("RGB", (64, 64), (number % 256, number // 256, 0)) for number in range(200 * n)
    ]
    images[0].save(buffer, kind, save_all=True, append_images=images[1:])
    return buffer.getvalue()


def large_webp(n: int) -> bytes:
    """Make a WebP of 21 megapixels, or of 41 where `n` is larger than 1."""
    buffer = io.BytesIO()
    Image.new("RGB", (2_300 * min(n, 2), 9_000)).save(buffer, "WEBP", method=0)
    return buffer.getvalue()


def large_picture(n: int) -> Image.Image:
    """Make a black picture of n x n pixels."""
    return Image.new("RGB", (n, n))
