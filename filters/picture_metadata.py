"""What a picture file says of itself: reservations and licences in XMP, a copyright notice, a place.

Sources: PLUS Licence Data Format 2.0.1, `plus:DataMining` (every value that begins with DMI-PROHIBITED is a no to training,
exceptions for search engines included); Creative Commons' XMP guidance (`cc:license`, `xmpRights:WebStatement`); EXIF 2.32.
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
from images.decode import DECODE_ERRORS, png_chunks, without_pixels
from records.pair import Evidence

DATA_MINING_PROHIBITED = "data_mining_prohibited"
_PROHIBITED = b"DMI-PROHIBITED"
_HOLDS_METADATA = (b"Exif", b"EXIF", b"eXIf", b"xmp", b"XMP", b"iTXt")
_PNG_METADATA, _PNG_TEXTS = (b"eXIf", b"iTXt"), (b"tEXt", b"zTXt")  # PNG, 3rd edition, 11.3
_LICENCES = (
    re.compile(r"""<cc:license\b[^>]*?rdf:resource\s*=\s*["']([^"']{4,500})["']""", re.IGNORECASE),
    re.compile(r"""\bWebStatement\s*=\s*["']([^"']{4,500})["']""", re.IGNORECASE),
    re.compile(r"<xmpRights:WebStatement\b[^>]*>\s*([^<]{4,500}?)\s*<", re.IGNORECASE),
)
COPYRIGHT_TAG, GPS_IFD = 0x8298, 0x8825


@dataclass(frozen=True, slots=True)
class Metadata:
    """The XMP packet of a file (empty where it has none), whether EXIF holds a copyright notice, and a place."""

    xmp: bytes = b""
    copyrighted: bool = False
    placed: bool = False


def read_metadata(body: bytes) -> Metadata:
    """From the file's header, without a pixel being decoded. What cannot be read says nothing."""
    if not _may_hold_metadata(body):
        return Metadata()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata is what is looked for
        try:
            with Image.open(io.BytesIO(without_pixels(body))) as image:
                exif = Image.Image.getexif(image)  # that of its class decodes a PNG to see what stands behind its pixels
                return Metadata(_xmp(image.info), bool(exif.get(COPYRIGHT_TAG)), bool(exif.get_ifd(GPS_IFD)))
        except DECODE_ERRORS:
            return Metadata()


def _may_hold_metadata(body: bytes) -> bool:
    """By the chunks of a PNG, which are few; by words anywhere in other files."""
    chunks = list(png_chunks(body))
    texts = [body[start:end] for kind, start, end in chunks if kind in _PNG_TEXTS] if chunks else [body]
    return any(kind in _PNG_METADATA for kind, _, _ in chunks) or any(sign in text for text in texts for sign in _HOLDS_METADATA)


def _xmp(info: dict[str | tuple[int, int], object]) -> bytes:
    found = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    return found if isinstance(found, bytes) else str(found).encode()


def licence_of(xmp: str) -> str | None:
    """The licence, or the statement of rights, that an XMP packet links to."""
    found = next((match for pattern in _LICENCES if (match := pattern.search(xmp))), None)
    return html.unescape(found[1]) if found else None


@dataclass(frozen=True)
class PictureMetadata:
    """Reservations, licence, copyright notice and place in the file as served. What the notice or the place say is not kept."""

    name: ClassVar[str] = "picture_metadata"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.CONTENT
    columns: ClassVar[Columns] = {
        "picture_rights_signals": pa.list_(pa.string()),
        "picture_licence": pa.string(),
        "picture_copyrighted": pa.bool_(),
        "picture_placed": pa.bool_(),
    }

    def load(self) -> Observe:
        def observe(content: Content) -> Evidence:
            metadata = read_metadata(content.body)
            return {
                "picture_rights_signals": tuple(_signals((content.body, metadata.xmp))),
                "picture_licence": licence_of(metadata.xmp.decode("utf-8", "replace")),
                "picture_copyrighted": metadata.copyrighted,
                "picture_placed": metadata.placed,
            }

        return observe


def _signals(places: Iterable[bytes]) -> list[str]:
    """A packet may lie open in the file, whatever the rest of it is worth, or packed in a text chunk."""
    return [DATA_MINING_PROHIBITED] if any(_PROHIBITED in place for place in places) else []
