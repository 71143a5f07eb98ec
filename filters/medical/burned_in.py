"""Writing inside pictures that look like radiographs: names and dates are burned into them. What it
says is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from filters.detector import Columns, Needs, Observe, required
from filters.medical.looks import Radiograph
from filters.privacy.spans import personal_spans
from filters.subjects import Picture
from pairsieve.records.pair import Evidence


@dataclass(frozen=True)
class BurnedInText:
    """`burned_in_chars`: letters and digits read; `burned_in_kinds`: kinds of personal data among
    them. Empty where nothing was read.

    Reads by RapidOCR (extra `ocr`), which takes 0.2 to 0.5 s: hence only pictures that look like
    radiographs.
    """

    name: ClassVar[str] = "burned_in_text"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {
        "burned_in_chars": pa.int32(),
        "burned_in_kinds": pa.list_(pa.string()),
    }

    radiograph: Radiograph = field(default_factory=Radiograph)

    def load(self) -> Observe:
        looks = self.radiograph.load()
        reader = required("rapidocr_onnxruntime", "ocr").RapidOCR(intra_op_num_threads=1)

        def observe(picture: Picture) -> Evidence:
            if not looks(picture)["radiograph_like"]:
                return dict.fromkeys(self.columns)
            text = " ".join(_lines(reader, picture))
            kinds = {span.kind for span in personal_spans(text)}
            return {
                "burned_in_chars": sum(map(str.isalnum, text)),
                "burned_in_kinds": tuple(sorted(kinds)),
            }

        return observe


def _lines(reader: Any, picture: Picture) -> list[str]:
    found, _ = reader(np.asarray(picture.image)[:, :, ::-1])
    return [text for _, text, _ in found or ()]
