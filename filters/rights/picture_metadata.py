"""Read the metadata in a picture file: reservations, licence, copyright notice, and a place.

Sources: PLUS Licence Data Format 2.0.1, `plus:DataMining` (every value that begins with
DMI-PROHIBITED is a no to training, exceptions for search engines included); TDM Reservation
Protocol, `tdm:reservation`; RSL 1.0, 4.8, a licence in XMP; Creative Commons' XMP guidance
(`cc:license`, `xmpRights:WebStatement`, once `xapRights:WebStatement`); EXIF 2.32; IPTC IIM 4.2,
2:116; Metadata Working Group, Guidelines 2.0 (where a copyright notice may stand).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
from PIL import Image

from filters.detector import Columns, Needs, Observe
from filters.subjects import Content
from pairsieve.images.decode import (
    DECODE_ERRORS,
    TIFF_SIGNS,
    load_decoders,
    png_chunks,
    without_pixels,
)
from pairsieve.images.marks import Marks
from pairsieve.images.xmp import xmp_packets
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public
from pairsieve.web.entities import unescape
from pairsieve.web.reservations import TDM_RESERVED
from pairsieve.web.rsl import NAMESPACE as RSL_NAMESPACE
from pairsieve.web.rsl import RSL_RESERVED, RSL_UNREADABLE, UnreadableLicence, read_licence
from pairsieve.web.urls import without_credentials

DATA_MINING_PROHIBITED = "data_mining_prohibited"
_PROHIBITED = b"DMI-PROHIBITED"
_TDM_RESERVED = re.compile(
    rb"""tdm[:-]reservation(?:\s{0,20}=\s{0,20}["']|(?:\s[^>]{0,200})?>)\s{0,20}1\s{0,20}["'<]""",
    re.IGNORECASE,
)
_EXIF_MARKS = (b"Exif", b"EXIF", b"eXIf", b"exif")
_IIM_MARK = b"8BIM\x04\x04"  # Photoshop's image resource that holds IPTC IIM
_IIM_COPYRIGHT = re.compile(rb"\x1c\x02\x74(..)", re.DOTALL)  # data set 2:116, and its length
MAX_IIM_BYTES = 65_536
_MARKS = Marks((_PROHIBITED, _IIM_MARK, *_EXIF_MARKS))
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")  # PNG, 3rd edition, 11.3
_RESOURCE = r"""\b[^>]{0,200}?rdf:resource\s{0,20}=\s{0,20}["']([^"']{4,500})["']"""
_TEXT = r"""\b[^>]{0,200}>\s{0,100}([^<\s][^<]{3,600})<"""
_VALUE = r"""\s{0,20}=\s{0,20}["']([^"']{4,500})["']"""
_STATEMENT = "<x[am]pRights:WebStatement"
_LICENCES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        f"<cc:license{_RESOURCE}",
        rf"\bcc:license{_VALUE}",
        f"<cc:license{_TEXT}",
        rf"\bWebStatement{_VALUE}",
        f"{_STATEMENT}{_RESOURCE}",
        f"{_STATEMENT}{_TEXT}",
    )
)
"""The forms that RDF allows for a property, those of `cc:license` first."""
_XMP_NOTICE = re.compile(
    rb"""\bdc:rights(?:\s{0,20}=\s{0,20}["']|"""
    rb"""(?:\s[^>]{0,200})?>(?:\s{0,100}<rdf:(?:Alt|li)\b[^>]{0,200}>){0,2})\s{0,100}[^<\s"']"""
)
_XMP_PLACE = re.compile(rb"""\bexif:GPSL(?:at|ong)itude(?:\s{0,20}=\s{0,20}["']|>)\s{0,20}[0-9]""")
FORMATS = ("JPEG", "PNG", "WEBP")  # those of LAION-5B, and of our configs
COPYRIGHT_TAG, GPS_IFD = 0x8298, 0x8825
# Latitude and longitude of the place and of the destination, and the name of the area. Many cameras
# write the other tags, such as the version, without any place.
PLACE_TAGS = frozenset((2, 4, 20, 22, 28))
BLANKS = " \0\t\r\n"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the header of a picture file holds.

    - `prohibited`: whether the word of PLUS stands anywhere in the file.
    - `xmp`: its XMP packets.
    - `copyrighted`: whether EXIF, XMP or IPTC IIM holds a copyright notice.
    - `placed`: whether EXIF or XMP holds a place.
    """

    prohibited: bool = False
    xmp: tuple[bytes, ...] = ()
    copyrighted: bool = False
    placed: bool = False


def read_metadata(body: bytes, formats: tuple[str, ...] = FORMATS) -> Metadata:
    """Read the header of a picture file, without decoding any pixel.

    EXIF is read from files of these formats only, so that Pillow's plugins for other formats never
    see the bytes. Metadata that cannot be read counts as absent.
    """
    marks = _MARKS.within(body)
    copyrighted, placed = False, False
    if _may_hold_exif(body, marks):
        copyrighted, placed = _exif(body, formats)
    packets = tuple(xmp_packets(body))
    copyrighted = copyrighted or any(map(_XMP_NOTICE.search, packets))
    if not copyrighted and _IIM_MARK in marks:
        copyrighted = _has_iim_notice(body)
    placed = placed or any(map(_XMP_PLACE.search, packets))
    return Metadata(_PROHIBITED in marks, packets, copyrighted, placed)


def _exif(body: bytes, formats: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether EXIF holds a copyright notice, and whether it holds a place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which is common
        try:
            load_decoders(formats)
            header = io.BytesIO(without_pixels(body))
            with Image.open(header, formats=formats) as image:
                # the subclass's getexif would decode a PNG to read what follows its pixels
                exif = Image.Image.getexif(image)
                is_placed = not PLACE_TAGS.isdisjoint(exif.get_ifd(GPS_IFD))
                return _is_notice(exif.get(COPYRIGHT_TAG)), is_placed
        except DECODE_ERRORS:
            return False, False


def _is_notice(value: object) -> bool:
    """Whether a value is more than the blanks and zeros that many cameras write."""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    return bool(text.strip(BLANKS))


def _has_iim_notice(body: bytes) -> bool:
    start = body.find(_IIM_MARK)
    records = body[start : start + MAX_IIM_BYTES]
    for match in _IIM_COPYRIGHT.finditer(records):
        length = int.from_bytes(match[1], "big")
        if _is_notice(records[match.end() : match.end() + length]):
            return True
    return False


def _may_hold_exif(body: bytes, marks: Collection[bytes]) -> bool:
    """A fast check of a file: the mark of EXIF counts in a few chunks of a PNG only."""
    if body.startswith(TIFF_SIGNS):
        return True  # it is EXIF as a whole, and may lack the word
    if not any(mark in marks for mark in _EXIF_MARKS):
        return False
    chunks = list(png_chunks(body))
    if not chunks or any(chunk_type == b"eXIf" for chunk_type, _, _ in chunks):
        return True
    searched = [body[start:end] for name, start, end in chunks if name in _PNG_TEXTS]
    return any(mark in part for part in searched for mark in _EXIF_MARKS)


def licence_of(xmp: str) -> str | None:
    """The URL of the licence, or of the rights statement, that an XMP packet links to."""
    for pattern in _LICENCES:
        match = pattern.search(xmp)
        if match:
            return without_credentials(unescape(match[1].strip()))
    return None


@dataclass(frozen=True)
class PictureMetadata:
    """Reservations, licence, copyright notice and place in the picture file as served.

    Of the notice and the place only their presence is kept, and not their content.

    `formats`: Pillow's names of the formats whose EXIF is read.
    """

    name: ClassVar[str] = "picture_metadata"
    version: ClassVar[int] = 3
    needs: ClassVar[Needs] = Needs.CONTENT
    columns: ClassVar[Columns] = {
        "picture_rights_signals": pa.list_(pa.string()),
        "picture_licence": pa.string(),
        "picture_copyrighted": pa.bool_(),
        "picture_placed": pa.bool_(),
    }

    formats: Public[tuple[str, ...]] = FORMATS

    def load(self) -> Observe:
        def observe(content: Content) -> Evidence:
            metadata = read_metadata(content.body, self.formats)
            return {
                "picture_rights_signals": tuple(sorted(_signals(metadata))),
                "picture_licence": _first_licence(metadata.xmp),
                "picture_copyrighted": metadata.copyrighted,
                "picture_placed": metadata.placed,
            }

        return observe


def _first_licence(packets: Iterable[bytes]) -> str | None:
    for packet in packets:
        licence = licence_of(packet.decode("utf-8", "replace"))
        if licence:
            return licence
    return None


def _signals(metadata: Metadata) -> set[str]:
    """The reservations in a file.

    The word of PLUS counts anywhere in the file, even where the XMP around it is broken.
    """
    signals = {DATA_MINING_PROHIBITED} if metadata.prohibited else set()
    for packet in metadata.xmp:
        if _PROHIBITED in packet.upper():
            signals.add(DATA_MINING_PROHIBITED)
        if _TDM_RESERVED.search(packet):
            signals.add(TDM_RESERVED)
        if RSL_NAMESPACE.encode() in packet:
            signals |= _licence_signals(packet)
    return signals


def _licence_signals(packet: bytes) -> set[str]:
    try:
        return {RSL_RESERVED} if read_licence(packet, "").refuses_anything else set()
    except UnreadableLicence:
        return {RSL_UNREADABLE}
