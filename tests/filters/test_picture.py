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
TYPED_TDM = (
    '<tdm:reservation rdf:datatype="http://www.w3.org/2001/XMLSchema#integer">{}</tdm:reservation>'
)
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
        # RDF/XML (W3C, section 2): a typed literal
        (
            encoded("JPEG", xmp=packet(TYPED_TDM.format(1))),
            ("tdm_reserved",),
            None,
            False,
            False,
        ),
        (encoded("JPEG", xmp=packet(TYPED_TDM.format(0))), (), None, False, False),
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


OWN = "https://a.example/rights"


# RDF/XML (W3C, section 2): a property may be an element with text, one with rdf:resource, or an
# attribute. Forms as in t/images of ExifTool 12.57 and test/data of exiv2 0.27.6; xapRights is the
# prefix that Photoshop wrote before XMP had its name.
@pytest.mark.parametrize(
    ("inside", "licence"),
    [
        (f"<xapRights:WebStatement>{OWN}</xapRights:WebStatement>", OWN),
        (f'<xapRights:WebStatement rdf:resource="{OWN}"/>', OWN),
        (f"<xmpRights:WebStatement rdf:resource='{OWN}' />", OWN),
        (f'<rdf:Description xapRights:WebStatement="{OWN}"/>', OWN),
        (f"<cc:license>{OWN}</cc:license>", OWN),
        (f'<rdf:Description cc:license="{OWN}"/>', OWN),
        (f'<cc:license rdf:resource="{OWN}/2"/>{STATEMENT}', f"{OWN}/2"),
        (f"<xmpRights:WebStatement/>\n      <cc:attributionURL>{OWN}</cc:attributionURL>", None),
        ("<xmpRights:WebStatement>\n     </xmpRights:WebStatement>", None),
        (f'<cc:attributionURL rdf:resource="{OWN}"/>', None),
    ],
)
def test_forms_of_a_licence(inside, licence):
    assert OBSERVE(Content(encoded("JPEG", xmp=packet(inside))))["picture_licence"] == licence


def exif_of(tag: int, value: object) -> bytes:
    exif = Image.Exif()
    exif[tag] = value
    return encoded("JPEG", exif=exif)


def iim_of(notice: bytes) -> bytes:
    """A JPEG with IPTC IIM data set 2:116 in Photoshop's image resource (IIM 4.2; XMP Part 3, 1.1.3)."""
    records = b"\x1c\x02\x00\x00\x02\x00\x04\x1c\x02\x74" + len(notice).to_bytes(2, "big") + notice
    resource = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(records).to_bytes(4, "big") + records
    segment = b"\xff\xed" + (len(resource) + 2).to_bytes(2, "big") + resource
    jpeg = encoded("JPEG")
    return jpeg[:2] + segment + jpeg[2:]


RIGHTS = '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">{}</rdf:li></rdf:Alt></dc:rights>'


# EXIF 2.32, 4.6.4 C: two notices with a zero between them, of which the first may be a blank; blanks
# alone as in FujiFilm.jpg of ExifTool's t/images and exiv2-kodak-dc210.jpg.
@pytest.mark.parametrize(
    ("body", "copyrighted"),
    [
        (exif_of(0x8298, "somebody"), True),
        (exif_of(0x8298, " \0editor"), True),
        (exif_of(0x8298, " " * 54), False),
        (exif_of(0x8298, " \0 \0"), False),
        (iim_of(b"somebody"), True),
        (iim_of(b"   "), False),
        (iim_of(b""), False),
        (encoded("JPEG", xmp=packet(RIGHTS.format("somebody"))), True),
        (encoded("JPEG", xmp=packet(RIGHTS.format(" "))), False),
        (encoded("JPEG", xmp=packet("<dc:rights/>\n<dc:format>image/jpeg</dc:format>")), False),
        (encoded("JPEG", xmp=packet('<rdf:Description dc:rights="somebody"/>')), True),
        (encoded("JPEG", xmp=packet('<rdf:Description dc:rights=""/>')), False),
    ],
)
def test_a_copyright_notice_is_more_than_blanks(body, copyrighted):
    assert OBSERVE(Content(body))["picture_copyrighted"] is copyrighted


def gps_of(tags: dict[int, object], kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update(tags)
    return encoded(kind, exif=exif)


# EXIF 2.32, 4.6.6: GPSVersionID and GPSMapDatum alone, as in NikonD2Hs.jpg and Motorola.jpg of
# ExifTool's t/images; places in XMP, as in exiv2-bug540.jpg
@pytest.mark.parametrize(
    ("body", "placed"),
    [
        (gps_of({0: b"\2\2\0\0"}), False),
        (gps_of({0: b"\2\2\0\0", 18: "WGS-84"}), False),
        (gps_of({0: b"\2\2\0\0", 1: "N", 2: (54.0, 59.0, 22.0)}), True),
        (gps_of({28: b"ASCII\0\0\0Somewhere"}), True),
        (
            encoded("JPEG", xmp=packet('<rdf:Description exif:GPSLatitude="54,59.380000N"/>')),
            True,
        ),
        (encoded("WEBP", xmp=packet("<exif:GPSLongitude>1,54.85W</exif:GPSLongitude>")), True),
        (
            encoded("JPEG", xmp=packet('<rdf:Description exif:GPSVersionID="2.2.0.0"/>')),
            False,
        ),
        (encoded("JPEG", xmp=packet('<rdf:Description exif:GPSLatitude=""/>')), False),
    ],
)
def test_a_place_is_more_than_the_version_of_gps(body, placed):
    assert OBSERVE(Content(body))["picture_placed"] is placed


def test_a_tiff_without_the_word_exif():
    body = encoded("TIFF", tiffinfo={0x8298: "somebody"})
    assert b"exif" not in body.lower()
    observe = PictureMetadata(formats=("TIFF",)).load()
    assert observe(Content(body))["picture_copyrighted"]
    assert not OBSERVE(Content(body))["picture_copyrighted"]


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
