"""The XMP packets of a picture file, wherever its container keeps them, without a pixel being
decoded.

Sources: XMP Specification Part 3 (2020; JPEG, PNG, GIF, TIFF, WebP), ISO/IEC 18181-2 (JPEG XL:
boxes `xml ` and `brob`), ExifTool's PNG.pm for ImageMagick's raw profiles. In GIF, TIFF, WebP and
AVIF a packet lies open in the file, as it does in most JPEG files; in a PNG it may be compressed or
written in hex digits, in a JPEG cut into segments.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator

from pairsieve.images.decode import png_chunks

MAX_PACKET_BYTES = 1_000_000
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
# digest, length of the whole, offset of this segment (XMP Part 3, 1.1.3.1)
_EXTENSION_HEAD = struct.Struct(">32sII")
_APP1, _SCAN = 0xE1, 0xDA
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PROFILE = re.compile(rb"\n[^\n]{0,80}\n\s{0,40}\d{1,10}\n([0-9A-Fa-f\s]+)")
_OPEN = re.compile(rb"<(?:x:xmpmeta|rdf:RDF)[\s>]")
_CLOSE = (b"</x:xmpmeta>", b"</rdf:RDF>")
# "rdf:RDF" in UTF-16 and UTF-32, of either order of bytes
_WIDE = {
    2: "rdf:RDF".encode("utf-16-be").lstrip(b"\0"),
    4: "rdf:RDF".encode("utf-32-be").lstrip(b"\0"),
}
_WIDE_NAMES = {2: ("utf-16-le", "utf-16-be"), 4: ("utf-32-le", "utf-32-be")}


def xmp_packets(body: bytes) -> Iterator[bytes]:
    """Each packet in UTF-8, from its first to its last element; bytes that hold none give none.
    Raises nothing.
    """
    for stretch in (body, *_hidden(body)):
        for text in (stretch, *_wide(stretch)):
            found = _OPEN.search(text)
            if found:
                ends = [text.rfind(close) + len(close) for close in _CLOSE if close in text]
                yield text[found.start() : max(ends, default=len(text))][:MAX_PACKET_BYTES]


def _hidden(body: bytes) -> Iterator[bytes]:
    """What a container holds in another form than as it is."""
    if body.startswith(b"\xff\xd8"):
        yield from _extended(body)
    elif body[4:12] == b"JXL \r\n\x87\n":
        yield from _brotli_boxes(body)
    for kind, start, end in png_chunks(body):
        if kind in _TEXTS:
            yield from _png_text(kind, body[start + 8 : end - 4])


def _extended(jpeg: bytes) -> Iterator[bytes]:
    """A packet that is longer than a segment, put together again."""
    pieces: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    for marker, content in _segments(jpeg):
        if (
            marker == _APP1
            and content.startswith(_EXTENSION)
            and len(content) >= len(_EXTENSION) + _EXTENSION_HEAD.size
        ):
            digest, _, offset = _EXTENSION_HEAD.unpack_from(content, len(_EXTENSION))
            pieces[digest][offset] = content[len(_EXTENSION) + _EXTENSION_HEAD.size :]
    for found in pieces.values():
        yield b"".join(found[offset] for offset in sorted(found))


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of the segments before the pixels."""
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == _SCAN or length < 2:
            return
        yield marker, jpeg[at + 4 : at + 2 + length]
        at += 2 + length


def _brotli_boxes(jxl: bytes) -> Iterator[bytes]:
    import brotli

    at = 0
    while at + 8 <= len(jxl):
        length, kind = struct.unpack_from(">I4s", jxl, at)
        end = at + length if length else len(jxl)
        if length and length < 8:
            return
        if kind == b"brob" and jxl[at + 8 : at + 12] == b"xml ":
            unpacker = brotli.Decompressor()
            try:
                yield unpacker.process(jxl[at + 12 : end], output_buffer_limit=MAX_PACKET_BYTES)
            except brotli.error:
                return
        at = end


def _png_text(kind: bytes, content: bytes) -> Iterator[bytes]:
    """The text of a chunk (PNG, 3rd edition, 11.3.3), uncompressed; of a raw profile what its hex
    digits stand for.
    """
    keyword, _, rest = content.partition(b"\0")
    if kind == b"zTXt":
        text = _inflated(rest[1:])
    elif kind == b"iTXt":
        is_packed = rest[:1] == b"\1"
        text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        text = _inflated(text) if is_packed else text
    else:
        text = rest
    profile = _PROFILE.match(text) if keyword.lower().startswith(b"raw profile type") else None
    if profile:
        digits = re.sub(rb"\s", b"", profile[1])
        text = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
    yield text


def _inflated(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, MAX_PACKET_BYTES)
    except zlib.error:
        return b""


def _wide(body: bytes) -> Iterator[bytes]:
    """Packets in UTF-16 and UTF-32."""
    for width, sign in _WIDE.items():
        at = body.find(sign)
        if at < 0:
            continue
        first = max(0, at - MAX_PACKET_BYTES // 2)
        for name in _WIDE_NAMES[width]:
            # A sign found at its first letter: of big-endian text it begins behind that letter's
            # noughts.
            begin = (at - (width - 1) if name.endswith("be") else at) % width
            start = first + (begin - first) % width
            yield (
                body[start : at + width * MAX_PACKET_BYTES]
                .decode(name, "replace")
                .encode("utf-8", "replace")
            )
