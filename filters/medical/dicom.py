"""DICOM files: medical pictures by their format, with the patient's data inside (DICOM PS3.10:
`DICM` behind 128 bytes).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.rule import Action, Decision, Readable
from pairsieve.web.urls import parts_of

PREAMBLE_BYTES, MAGIC = 128, b"DICM"
SUFFIXES, TYPES = (".dcm", ".dicom", ".dcm.gz"), ("application/dicom", "image/dicom-rle")


@dataclass(frozen=True)
class DicomContent:
    """`dicom`: whether the bytes are a DICOM file, whatever name and type said."""

    name: ClassVar[str] = "dicom"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.CONTENT
    columns: ClassVar[Columns] = {"dicom": pa.bool_()}

    def load(self) -> Observe:
        return lambda content: {
            "dicom": content.body[PREAMBLE_BYTES : PREAMBLE_BYTES + len(MAGIC)] == MAGIC
        }


@dataclass(frozen=True)
class Dicom:
    """Drop DICOM files, by bytes, type or path; those that their path gives away are not asked
    for.
    """

    name: ClassVar[str] = "dicom"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("dicom",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        named = parts_of(evidence["url"]).path.lower().endswith(SUFFIXES)
        typed = (evidence.get("content_type") or "").partition(";")[0].strip().lower() in TYPES
        if named or typed or evidence.get("dicom"):
            yield Decision(Action.DROP, "medical_dicom")
