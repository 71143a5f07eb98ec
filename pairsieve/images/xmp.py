"""Finds the XMP packets of a picture file, wherever its format keeps them, without decoding pixels.

In GIF, TIFF, WebP and AVIF a packet lies open in the file, as it does in most JPEG files. In a PNG
it may be compressed or written as hex digits. In a JPEG it may be divided among segments. In a
JPEG XL it may be compressed.

Sources: XMP Specification Part 3 (2020; JPEG, PNG, GIF, TIFF, WebP), ISO/IEC 18181-2 (JPEG XL:
boxes `xml ` and `brob`), ExifTool's PNG.pm for ImageMagick's raw profiles.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator

from pairsieve.images.decode import png_chunks
from pairsieve.images.marks import Marks

MAX_PACKET_BYTES = 1_000_000
_JPEG_START = b"\xff\xd8"
_JPEG_XL_TYPE = b"JXL \r\n\x87\n"  # ISO/IEC 18181-2: the signature box, behind its length
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
# digest, length of the whole packet, offset of this piece (XMP Part 3, 1.1.3.1)
_EXTENSION_HEAD = struct.Struct(">32sII")
# A segment APP1, whose two bytes of length count themselves (ITU-T T.81, B.1.1.4). It is looked for
# by its marks, because any number of bytes FF may stand before a segment (B.1.1.2).
_EXTENSION_SEGMENT = re.compile(rb"\xff\xe1(..)" + re.escape(_EXTENSION), re.DOTALL)
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
# ImageMagick: a name, the number of bytes, and the bytes as hex digits
_PROFILE = re.compile(rb"\n[^\n]{0,80}\n\s{0,40}\d{1,10}\n([0-9A-Fa-f\s]+)")
_OPEN = re.compile(rb"<(?:x:xmpmeta|rdf:RDF)[\s>]")
_OPEN_MARKS = (b"<x:xmpmeta", b"<rdf:RDF")
_CLOSE = (b"</x:xmpmeta>", b"</rdf:RDF>")
# "rdf:RDF" in UTF-16 and UTF-32, by the bytes of a character. Without the zeros at its front it is
# the same in both byte orders.
_WIDE_SIGNS = {
    2: "rdf:RDF".encode("utf-16-be").lstrip(b"\0"),
    4: "rdf:RDF".encode("utf-32-be").lstrip(b"\0"),
}
_WIDE_ENCODINGS = {2: ("utf-16-le", "utf-16-be"), 4: ("utf-32-le", "utf-32-be")}
# What the names of _TEXT_CHUNKS end with. Whole names could overlap.
_TEXT_MARKS = (b"EXt", b"TXt")
# A file without any of these holds no packet, unless it is a JPEG XL.
_MARKS = Marks((*_OPEN_MARKS, *_WIDE_SIGNS.values(), *_TEXT_MARKS, _EXTENSION))


def xmp_packets(body: bytes) -> Iterator[bytes]:
    """Yield each packet of a file in UTF-8, from its first to its last element. Raises nothing."""
    # Most pictures have none. One look for all marks is several times as fast as all searches.
    marks = _MARKS.within(body)
    # A packet that lies open in the file is found without knowing the format.
    if not marks.isdisjoint((*_OPEN_MARKS, *_WIDE_SIGNS.values())):
        yield from _packets_in(body)
    if not marks.isdisjoint((*_TEXT_MARKS, _EXTENSION)) or body[4:12] == _JPEG_XL_TYPE:
        for content in _hidden_texts(body):
            yield from _packets_in(content)


def _packets_in(content: bytes) -> Iterator[bytes]:
    """Yield the packet that lies open in some bytes, in each encoding."""
    for text in (content, *_wide_texts(content)):
        begin = _OPEN.search(text)
        if begin:
            ends = [text.rfind(close) + len(close) for close in _CLOSE if close in text]
            end = max(ends, default=len(text))
            yield text[begin.start() : end][:MAX_PACKET_BYTES]


def _hidden_texts(body: bytes) -> Iterator[bytes]:
    """Yield the texts that a format compresses, encodes or divides."""
    if body.startswith(_JPEG_START):
        yield from _extended_packets(body)
    elif body[4:12] == _JPEG_XL_TYPE:
        yield from _brotli_boxes(body)
    # A file that is not a PNG has no chunks.
    for kind, start, end in png_chunks(body):
        if kind in _TEXT_CHUNKS:
            # 4 bytes of length and 4 of type come before the data, 4 of checksum behind it.
            yield from _png_text(kind, body[start + 8 : end - 4])


def _extended_packets(jpeg: bytes) -> Iterator[bytes]:
    """Join the pieces of each packet that is longer than a segment."""
    pieces: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    segment = _EXTENSION_SEGMENT.search(jpeg)
    while segment:
        end = segment.start(1) + int.from_bytes(segment[1], "big")
        content = jpeg[segment.end() : end]
        if len(content) >= _EXTENSION_HEAD.size:
            digest, _, offset = _EXTENSION_HEAD.unpack_from(content)
            pieces[digest][offset] = content[_EXTENSION_HEAD.size :]
        # Behind the segment: pieces that overlap would take more memory than the file.
        segment = _EXTENSION_SEGMENT.search(jpeg, max(end, segment.end()))
    for by_offset in pieces.values():
        yield b"".join(by_offset[offset] for offset in sorted(by_offset))


def _brotli_boxes(jxl: bytes) -> Iterator[bytes]:
    """Yield the text of each box of a JPEG XL that holds XML compressed by Brotli."""
    import brotli

    at = 0
    while at + 8 <= len(jxl):
        length, kind = struct.unpack_from(">I4s", jxl, at)
        # A length of 0 means that the box goes to the end of the file. Lengths from 1 to 7 would
        # be shorter than the head of the box: 1 announces a length of 64 bits, which no XMP needs.
        if 0 < length < 8:
            return
        end = at + length if length else len(jxl)
        if kind == b"brob" and jxl[at + 8 : at + 12] == b"xml ":
            decompressor = brotli.Decompressor()
            try:
                yield decompressor.process(jxl[at + 12 : end], output_buffer_limit=MAX_PACKET_BYTES)
            except brotli.error:
                return
        at = end


def _png_text(kind: bytes, content: bytes) -> Iterator[bytes]:
    """Yield the uncompressed text of a chunk (PNG, 3rd edition, 11.3.3).

    For a raw profile it is what the hex digits stand for.
    """
    keyword, _, rest = content.partition(b"\0")
    if kind == b"zTXt":
        # One byte names the method of compression.
        text = _inflated(rest[1:])
    elif kind == b"iTXt":
        text = _international_text(rest)
    else:
        text = rest
    if keyword.lower().startswith(b"raw profile type"):
        profile = _PROFILE.match(text)
        if profile:
            text = _bytes_of_hex(profile[1])
    yield text


def _international_text(rest: bytes) -> bytes:
    """Return the text of an iTXt chunk, from what comes behind its keyword."""
    is_compressed = rest[:1] == b"\1"
    # Behind the two bytes on compression come a language tag and a translated keyword.
    _, _, behind_language = rest[2:].partition(b"\0")
    _, _, text = behind_language.partition(b"\0")
    return _inflated(text) if is_compressed else text


def _bytes_of_hex(text: bytes) -> bytes:
    digits = re.sub(rb"\s", b"", text)
    # Half a byte at the end of a broken file is dropped.
    even = len(digits) // 2 * 2
    return bytes.fromhex(digits[:even].decode("ascii"))


def _inflated(compressed: bytes) -> bytes:
    """Decompress at most MAX_PACKET_BYTES; empty where the data are broken."""
    try:
        return zlib.decompressobj().decompress(compressed, MAX_PACKET_BYTES)
    except zlib.error:
        return b""


def _wide_texts(body: bytes) -> Iterator[bytes]:
    """Yield in UTF-8 what may be a packet in UTF-16 or UTF-32."""
    for width, sign in _WIDE_SIGNS.items():
        at = body.find(sign)
        if at < 0:
            continue
        # The sign may stand in the middle of a packet.
        first = max(0, at - MAX_PACKET_BYTES // 2)
        end = at + width * MAX_PACKET_BYTES
        for encoding in _WIDE_ENCODINGS[width]:
            # In big-endian text the zeros of the sign's first character come before `at`.
            character_at = at - (width - 1) if encoding.endswith("be") else at
            # Decoding must begin at the border of a character.
            start = first + (character_at % width - first) % width
            wide = body[start:end].decode(encoding, "replace")
            yield wide.encode("utf-8", "replace")
