"""What a picture's file says, and the hash by which it is known again."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, PngImagePlugin

from filters.pictures.picture_hash import PictureHash
from filters.rights.picture_metadata import PictureMetadata, licence_of
from filters.subjects import Content, Picture
from pairsieve.images.decode import DecodeSettings, Undecodable, decode, png_chunks
from pairsieve.images.pdq import pdq

OBSERVE = PictureMetadata().load()
RED = Image.effect_noise((300, 200), 60).filter(ImageFilter.GaussianBlur(6)).convert("RGB")
PLUS = '<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" {}/>'
PROHIBITED = PLUS.format(
    'plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"'
)
ALLOWED = PLUS.format('plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-ALLOWED"')
LICENCE = '<rdf:Description><cc:license rdf:resource="https://creativecommons.org/licenses/by/4.0/?a=1&amp;b=2"/></rdf:Description>'
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
TDM = '<rdf:Description xmlns:tdm="http://www.w3.org/ns/tdmrep/" tdm:reservation="{}"/>'
RSL = (
    '<rsl:rsl xmlns:rsl="https://rslstandard.org/rsl"><rsl:content url="https://a.example/p.jpg"><rsl:license>'
    '<rsl:{0} type="usage">ai-train</rsl:{0}></rsl:license></rsl:content></rsl:rsl>'
)
STATEMENT = '<rdf:Description xmpRights:WebStatement="https://a.example/rights"/>'
ELEMENT = "<xmpRights:WebStatement> https://a.example/rights </xmpRights:WebStatement>"


def packet(inside: str) -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}>{inside}</rdf:RDF></x:xmpmeta>'.encode()


def encoded(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    RED.save(buffer, kind, **options)
    return buffer.getvalue()


def packed_png(xmp: bytes) -> bytes:
    """As Photoshop writes it: compressed in a text chunk, where no search of the bytes finds it."""
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
    content = encoded("PNG", pnginfo=text)
    assert b"DMI" not in content
    return content


def place() -> Image.Exif:
    exif = Image.Exif()
    exif[0x8298] = "(c) somebody"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    return exif


def exif_last(png: bytes) -> bytes:
    """The EXIF chunk behind the pixels, where it may stand as well."""
    chunks = list(png_chunks(png))
    ordered = sorted(chunks, key=lambda chunk: (chunk[0] == b"IEND", chunk[0] == b"eXIf"))
    assert ordered != chunks
    return png[:8] + b"".join(png[start:end] for _, start, end in ordered)


def with_broken_profile() -> bytes:
    """A colour profile with a wrong checksum, as browsers and our decoder pass over, before a
    packed reservation.
    """
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet(PROHIBITED).decode(), zip=True)
    png = bytearray(encoded("PNG", pnginfo=text, icc_profile=b"a colour profile"))
    end = next(end for kind, _, end in png_chunks(bytes(png)) if kind == b"iCCP")
    png[end - 1] ^= 1
    assert not isinstance(decode(bytes(png), DecodeSettings(("PNG",), 10**6, 50)), Undecodable)
    return bytes(png)


def animated_png() -> bytes:
    """Frames after the first are counted on from it."""
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet(PROHIBITED).decode(), zip=True)
    return encoded(
        "PNG",
        save_all=True,
        append_images=[RED.rotate(90), RED.rotate(180)],
        pnginfo=text,
        exif=place(),
    )


@pytest.mark.parametrize(
    ("body", "signals", "licence", "copyrighted", "placed"),
    [
        (encoded("JPEG"), (), None, False, False),
        (encoded("JPEG", xmp=packet(PROHIBITED)), ("data_mining_prohibited",), None, False, False),
        (encoded("WEBP", xmp=packet(PROHIBITED)), ("data_mining_prohibited",), None, False, False),
        (packed_png(packet(PROHIBITED)), ("data_mining_prohibited",), None, False, False),
        (encoded("JPEG", xmp=packet(ALLOWED)), (), None, False, False),
        (
            encoded("JPEG", xmp=packet(PROHIBITED))[:600],
            ("data_mining_prohibited",),
            None,
            False,
            False,
        ),
        (
            encoded("JPEG", xmp=packet(PROHIBITED.lower())),
            ("data_mining_prohibited",),
            None,
            False,
            False,
        ),
        (encoded("JPEG", xmp=packet(TDM.format(1))), ("tdm_reserved",), None, False, False),
        (encoded("JPEG", xmp=packet(TDM.format(0))), (), None, False, False),
        (
            encoded("WEBP", xmp=packet(RSL.format("prohibits"))),
            ("rsl_reserved",),
            None,
            False,
            False,
        ),
        (encoded("WEBP", xmp=packet(RSL.format("permits"))), (), None, False, False),
        (
            encoded("WEBP", xmp=packet(RSL.format("permits")).replace(b"</rsl:rsl>", b"")),
            ("rsl_unreadable",),
            None,
            False,
            False,
        ),
        (
            encoded("JPEG", xmp=packet(LICENCE)),
            (),
            "https://creativecommons.org/licenses/by/4.0/?a=1&b=2",
            False,
            False,
        ),
        (encoded("WEBP", xmp=packet(STATEMENT)), (), "https://a.example/rights", False, False),
        (encoded("JPEG", xmp=packet(ELEMENT)), (), "https://a.example/rights", False, False),
        (encoded("JPEG", exif=place()), (), None, True, True),
        (encoded("PNG", exif=place()), (), None, True, True),
        (exif_last(encoded("PNG", exif=place())), (), None, True, True),
        (with_broken_profile(), ("data_mining_prohibited",), None, False, False),
        (animated_png(), ("data_mining_prohibited",), None, True, True),
        (encoded("PNG"), (), None, False, False),
        (encoded("WEBP", exif=place()), (), None, True, True),
        (b"Exif no picture DMI-PROHIBITED", ("data_mining_prohibited",), None, False, False),
        (b"", (), None, False, False),
    ],
)
def test_metadata(body, signals, licence, copyrighted, placed):
    assert OBSERVE(Content(body)) == {
        "picture_rights_signals": signals,
        "picture_licence": licence,
        "picture_copyrighted": copyrighted,
        "picture_placed": placed,
    }


def test_a_png_without_metadata_is_not_opened(monkeypatch):
    """Pillow decodes its pixels to know what stands behind them."""
    monkeypatch.setattr(
        "filters.rights.picture_metadata.Image.open", lambda *_: pytest.fail("opened")
    )
    assert not OBSERVE(Content(encoded("PNG") + b"Exif XMP"))["picture_placed"]


def test_no_pixel_is_decoded(monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    for body in (
        packed_png(packet(LICENCE)),
        encoded("PNG", exif=place()),
        encoded("JPEG", exif=place(), xmp=packet(LICENCE)),
    ):
        found = OBSERVE(Content(body))
        assert found["picture_licence"] or found["picture_placed"]


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["JPEG", "PNG"]))
def test_broken_metadata_never_raises(noise, at, kind):
    whole = (
        encoded("JPEG", exif=place(), xmp=packet(LICENCE))
        if kind == "JPEG"
        else packed_png(packet(PROHIBITED))
    )
    OBSERVE(Content(whole[:at] + noise + whole[at + len(noise) :]))


@given(st.text(max_size=200))
def test_licences_of_any_text(text):
    assert licence_of(f"<cc:license {text}") is None or isinstance(
        licence_of(f"<cc:license {text}"), str
    )


def distance(one: Image.Image, other: Image.Image) -> int:
    return (int.from_bytes(pdq(one)[0], "big") ^ int.from_bytes(pdq(other)[0], "big")).bit_count()


def test_a_picture_is_known_again():
    buffer = io.BytesIO()
    RED.save(buffer, "JPEG", quality=30)
    assert distance(RED, Image.open(buffer)) <= 31, (
        "the distance at which PDQ's makers call it a match"
    )
    assert distance(RED, RED.resize((1200, 800))) <= 31
    assert (
        distance(
            RED,
            Image.effect_noise((300, 200), 60).filter(ImageFilter.GaussianBlur(6)).convert("RGB"),
        )
        > 60
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (64, 64), (3000, 40)])
def test_pictures_of_any_size_have_a_hash(size):
    found = PictureHash().load()(Picture(Image.new("RGB", size, "red")))
    assert len(bytes.fromhex(found["pdq"])) == 32
    assert 0 <= found["pdq_quality"] <= 49, "one colour tells nothing"
