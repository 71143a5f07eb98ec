"""Read the metadata in a picture file: reservations, licence, copyright notice, and a place.

Sources: PLUS Licence Data Format 2.0.1, `plus:DataMining` (every value that begins with
DMI-PROHIBITED is a no to training, exceptions for search engines included); TDM Reservation
Protocol, `tdm:reservation`; RSL 1.0, 4.8, a licence in XMP; Creative Commons' XMP guidance
(`cc:license`, `xmpRights:WebStatement`); EXIF 2.32.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
from PIL import Image

from filters.detector import Columns, Needs, Observe
from filters.subjects import Content
from pairsieve.images.decode import DECODE_ERRORS, load_decoders, png_chunks, without_pixels
from pairsieve.images.marks import Marks
from pairsieve.images.xmp import xmp_packets
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public
from pairsieve.web.reservations import TDM_RESERVED
from pairsieve.web.rsl import NAMESPACE as RSL_NAMESPACE
from pairsieve.web.rsl import RSL_RESERVED, RSL_UNREADABLE, UnreadableLicence, read_licence
from pairsieve.web.urls import without_credentials

DATA_MINING_PROHIBITED = "data_mining_prohibited"
_PROHIBITED = b"DMI-PROHIBITED"
_TDM_RESERVED = re.compile(
    rb"""tdm[:-]reservation(?:\s{0,20}=\s{0,20}["']|\s{0,20}>)\s{0,20}1\s{0,20}["'<]""",
    re.IGNORECASE,
)
_EXIF_MARKS = (b"Exif", b"EXIF", b"eXIf", b"exif")
_MARKS = Marks((_PROHIBITED, *_EXIF_MARKS))
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")  # PNG, 3rd edition, 11.3
_LICENCES = (
    re.compile(
        r"""<cc:license\b[^>]{0,200}?rdf:resource\s{0,20}=\s{0,20}["']([^"']{4,500})["']""",
        re.IGNORECASE,
    ),
    re.compile(r"""\bWebStatement\s{0,20}=\s{0,20}["']([^"']{4,500})["']""", re.IGNORECASE),
    re.compile(r"<xmpRights:WebStatement\b[^>]{0,200}>([^<]{4,600})<", re.IGNORECASE),
)
FORMATS = ("JPEG", "PNG", "WEBP")  # those of LAION-5B, and of our configs
COPYRIGHT_TAG, GPS_IFD = 0x8298, 0x8825


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the header of a picture file holds.

    - `prohibited`: whether the word of PLUS stands anywhere in the file.
    - `xmp`: its XMP packets.
    - `copyrighted`: whether EXIF holds a copyright notice.
    - `placed`: whether EXIF holds the place where the picture was taken.
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
    if not marks.isdisjoint(_EXIF_MARKS) and _may_hold_exif(body):
        copyrighted, placed = _exif(body, formats)
    return Metadata(_PROHIBITED in marks, tuple(xmp_packets(body)), copyrighted, placed)


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
                return bool(exif.get(COPYRIGHT_TAG)), bool(exif.get_ifd(GPS_IFD))
        except DECODE_ERRORS:
            return False, False


def _may_hold_exif(body: bytes) -> bool:
    """A fast check of a file with a mark of EXIF: in a PNG it counts in a few chunks only."""
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
            return without_credentials(html.unescape(match[1].strip()))
    return None


@dataclass(frozen=True)
class PictureMetadata:
    """Reservations, licence, copyright notice and place in the picture file as served.

    Of the notice and the place only their presence is kept, and not their content.

    `formats`: Pillow's names of the formats whose EXIF is read.
    """

    name: ClassVar[str] = "picture_metadata"
    version: ClassVar[int] = 2
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
