"""Detect and drop DICOM files: medical pictures that hold the patient's data.

A DICOM file has `DICM` after its first 128 bytes (DICOM PS3.10).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from filters.batch import RowMask, SampleColumns, is_there, truth
from filters.detector import Columns, Needs, Observe
from filters.rule import Action, Decision, Readable
from filters.subjects import Content
from pairsieve.records.pair import Evidence
from pairsieve.web.media_type import media_type
from pairsieve.web.urls import parts_of

PREAMBLE_BYTES, MAGIC = 128, b"DICM"
SUFFIXES = (".dcm", ".dicom", ".dcm.gz")
MEDIA_TYPES = ("application/dicom", "image/dicom-rle")
# A URL whose path may end in a suffix. Parsers take tabs and line ends out of a URL.
_PERHAPS = r"\.dcm|\.dicom|[\t\r\n]"


@dataclass(frozen=True)
class DicomContent:
    """`dicom`: whether the bytes are a DICOM file, whatever its name and media type are."""

    name: ClassVar[str] = "dicom"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.CONTENT
    columns: ClassVar[Columns] = {"dicom": pa.bool_()}

    def load(self) -> Observe:
        def observe(content: Content) -> Evidence:
            return {"dicom": content.body.startswith(MAGIC, PREAMBLE_BYTES)}

        return observe


@dataclass(frozen=True)
class Dicom:
    """Drop DICOM files, recognised by their bytes, media type or URL path.

    Those whose path ends in a DICOM suffix are dropped before the fetch.
    """

    name: ClassVar[str] = "dicom"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("dicom",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        has_suffix = parts_of(evidence["url"]).path.lower().endswith(SUFFIXES)
        content_type = evidence.get("content_type") or ""
        # before the fetch there is no media type and no evidence of the bytes
        if has_suffix or media_type(content_type).essence in MEDIA_TYPES or evidence.get("dicom"):
            yield Decision(Action.DROP, "medical_dicom")

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows with a suffix or type anywhere in URL or media type, or with such bytes."""
        mask = truth(pc.match_substring_regex(columns["url"], _PERHAPS, ignore_case=True))
        mask |= ~is_there(columns["url"])
        if "content_type" in columns:
            named = pc.match_substring(columns["content_type"], "dicom", ignore_case=True)
            mask |= truth(named)
        if "dicom" in columns:
            mask |= truth(columns["dicom"])
        return mask
