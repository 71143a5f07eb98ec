"""XMP packets wherever containers keep them.

data/magick.*: written by ImageMagick 6.9.11 with `-profile p.xmp`.
"""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pairsieve.images.xmp import xmp_packets

DATA = Path(__file__).with_name("data")
NEEDLE = b"DMI-PROHIBITED-GENAIMLTRAINING"
PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description plus:DataMining="http://ns.useplus.org/ldf/vocab/'
    + NEEDLE
    + b'"/></rdf:RDF></x:xmpmeta>'
)


def picture(kind: str = "JPEG", **options) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, kind, **options)
    return stream.getvalue()


def app1(content: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def extended(packet: bytes, cut: int) -> bytes:
    """XMP Specification Part 3, 1.1.3.1: the needle lies in two segments, the second of which comes
    first.
    """
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32
    pieces = [(0, packet[:cut]), (cut, packet[cut:])]
    segments = [
        app1(head + struct.pack(">II", len(packet), offset) + piece)
        for offset, piece in reversed(pieces)
    ]
    whole = picture()
    return whole[:2] + b"".join(segments) + whole[2:]


def png(kind: bytes, content: bytes) -> bytes:
    chunk = (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
    whole = picture("PNG")
    return whole[:33] + chunk + whole[33:]


def raw_profile(content: bytes) -> bytes:
    digits = content.hex().encode()
    lines = b"\n".join(digits[n : n + 72] for n in range(0, len(digits), 72))
    return b"\nxmp\n%8d\n%s\n" % (len(content), lines)


def jxl(box: bytes) -> bytes:
    return struct.pack(">I", 12) + b"JXL \r\n\x87\n" + struct.pack(">I", len(box) + 4) + box


UTF_16 = PACKET.decode().encode("utf-16-le"), PACKET.decode().encode("utf-16-be")
UTF_32 = PACKET.decode().encode("utf-32-le"), PACKET.decode().encode("utf-32-be")
XMP = b"http://ns.adobe.com/xap/1.0/\0"
FILES = {
    "jpeg": picture(xmp=PACKET),
    "webp": picture("WEBP", xmp=PACKET),
    "jpeg, two segments": extended(PACKET, PACKET.index(NEEDLE) + 5),
    # ITU-T T.81, B.1.1.2
    "jpeg, two segments behind fill bytes": extended(PACKET, PACKET.index(NEEDLE) + 5).replace(
        b"\xff\xe1", b"\xff\xff\xff\xe1"
    ),
    # CIPA DC-007: a further picture behind the first one
    "jpeg, two segments in the second picture": picture()
    + extended(PACKET, PACKET.index(NEEDLE) + 5),
    **{
        f"jpeg, utf-16 {n}": picture()[:2] + app1(XMP + packet) + picture()[2:]
        for n, packet in enumerate(UTF_16)
    },
    **{
        f"jpeg, utf-16 {n} at an odd place": picture()[:2]
        + app1(XMP + b"." + packet)
        + picture()[2:]
        for n, packet in enumerate(UTF_16)
    },
    **{
        f"jpeg, utf-32 {n}": picture()[:2] + app1(XMP + b".." + packet) + picture()[2:]
        for n, packet in enumerate(UTF_32)
    },
    "png, iTXt": png(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET),
    "png, packed iTXt": png(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(PACKET)),
    "png, iTXt in utf-16": png(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(UTF_16[0])),
    "png, raw profile in tEXt": png(b"tEXt", b"Raw profile type xmp\0" + raw_profile(PACKET)),
    "png, raw profile in zTXt": png(
        b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(raw_profile(PACKET))
    ),
    "png, raw profile APP1": png(
        b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(raw_profile(XMP + PACKET))
    ),
    "jpeg xl": jxl(b"xml " + PACKET),
    "jpeg xl, packed": jxl(b"brobxml " + brotli.compress(PACKET)),
    "ImageMagick's png": (DATA / "magick.png").read_bytes(),
    "ImageMagick's webp": (DATA / "magick.webp").read_bytes(),
    "ImageMagick's tiff": (DATA / "magick.tif").read_bytes(),
}


@pytest.mark.parametrize("name", FILES)
def test_packets_are_found(name):
    assert any(
        NEEDLE in packet and packet.endswith(b"</x:xmpmeta>") for packet in xmp_packets(FILES[name])
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        picture(),
        picture("PNG"),
        picture("WEBP"),
        b"rdf:RDF",
        png(b"zTXt", b"a\0\0no zlib"),
        jxl(b"brobxml no brotli"),
    ],
)
def test_files_without(body):
    assert not list(xmp_packets(body))


@given(st.sampled_from(sorted(FILES)), st.integers(0, 2000), st.binary(max_size=20))
def test_damaged_files_raise_nothing(name, at, junk):
    whole = FILES[name]
    list(xmp_packets(whole[:at] + junk + whole[at + len(junk) :]))
    list(xmp_packets(whole[:at]))


def test_a_text_that_unpacks_to_very_much_is_cut():
    (found,) = xmp_packets(png(b"zTXt", b"a\0\0" + zlib.compress(PACKET[:100] + bytes(50_000_000))))
    assert len(found) <= 1_000_000


def test_pieces_that_overlap_take_no_more_memory_than_the_file():
    """Each names the longest length, so that it reaches over thousands of the next ones."""
    head = b"\xff\xe1\xff\xffhttp://ns.adobe.com/xmp/extension/\0" + b"0" * 32
    pieces = [head + struct.pack(">II", 1, number) for number in range(5000)]
    hostile = picture()[:2] + b"".join(pieces)
    tracemalloc.start()
    try:
        assert list(xmp_packets(hostile)) == []
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 10 * len(hostile)
