"""What a picture file says of itself: reservations and licences in XMP, a copyright notice, a
place.

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
from pairsieve.images.decode import DECODE_ERRORS, png_chunks, without_pixels
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
_HOLDS_EXIF = (b"Exif", b"EXIF", b"eXIf", b"exif")
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
    """The XMP packets of a file, whether EXIF holds a copyright notice, and a place."""

    xmp: tuple[bytes, ...] = ()
    copyrighted: bool = False
    placed: bool = False


def read_metadata(body: bytes, formats: tuple[str, ...] = FORMATS) -> Metadata:
    """From the file's header, without a pixel being decoded. What cannot be read says nothing.

    EXIF is read of files of these formats alone: the plugins for others are not asked.
    """
    copyrighted, placed = _exif(body, formats) if _may_hold_exif(body) else (False, False)
    return Metadata(tuple(xmp_packets(body)), copyrighted, placed)


def _exif(body: bytes, formats: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether there is a copyright notice, and a place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata is what is looked for
        try:
            with Image.open(io.BytesIO(without_pixels(body)), formats=formats) as image:
                # that of its class decodes a PNG to see what stands behind its pixels
                exif = Image.Image.getexif(image)
                return bool(exif.get(COPYRIGHT_TAG)), bool(exif.get_ifd(GPS_IFD))
        except DECODE_ERRORS:
            return False, False


def _may_hold_exif(body: bytes) -> bool:
    """By the chunks of a PNG, which are few; by words anywhere in other files."""
    chunks = list(png_chunks(body))
    texts = (
        [body[start:end] for kind, start, end in chunks if kind in _PNG_TEXTS] if chunks else [body]
    )
    return any(kind == b"eXIf" for kind, _, _ in chunks) or any(
        sign in text for text in texts for sign in _HOLDS_EXIF
    )


def licence_of(xmp: str) -> str | None:
    """The licence, or the statement of rights, that an XMP packet links to."""
    found = next((match for pattern in _LICENCES if (match := pattern.search(xmp))), None)
    return without_credentials(html.unescape(found[1].strip())) if found else None


@dataclass(frozen=True)
class PictureMetadata:
    """Reservations, licence, copyright notice and place in the file as served. What the notice or
    the place say is not kept.

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
            licences = (licence_of(packet.decode("utf-8", "replace")) for packet in metadata.xmp)
            return {
                "picture_rights_signals": tuple(sorted(_signals(content.body, metadata.xmp))),
                "picture_licence": next((licence for licence in licences if licence), None),
                "picture_copyrighted": metadata.copyrighted,
                "picture_placed": metadata.placed,
            }

        return observe


def _signals(body: bytes, packets: Iterable[bytes]) -> set[str]:
    """What packets reserve.

    The word of PLUS counts wherever it lies open in the file, whatever the rest of it is worth.
    """
    signals = {DATA_MINING_PROHIBITED} if _PROHIBITED in body else set()
    for packet in packets:
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
