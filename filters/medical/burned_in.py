"""Read writing inside pictures that look like radiographs; names and dates are often burned in.

Only the number of characters and the kinds of personal data are kept, and not the text.
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
    """Writing in pictures that look like radiographs.

    - `burned_in_chars`: number of letters and digits that were read.
    - `burned_in_kinds`: kinds of personal data in the writing.

    Both are empty for pictures that were not read. RapidOCR (extra `ocr`) takes 0.2 to 0.5 s a
    picture, so it reads only pictures that look like radiographs.

    `radiograph`: the settings of the detector that picks these pictures.
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
        observe_radiograph = self.radiograph.load()
        reader = required("rapidocr_onnxruntime", "ocr").RapidOCR(intra_op_num_threads=1)

        def observe(picture: Picture) -> Evidence:
            if not observe_radiograph(picture)["radiograph_like"]:
                return dict.fromkeys(self.columns)
            text = " ".join(_lines(reader, picture))
            kinds = {span.kind for span in personal_spans(text)}
            return {
                "burned_in_chars": sum(character.isalnum() for character in text),
                "burned_in_kinds": tuple(sorted(kinds)),
            }

        return observe


def _lines(reader: Any, picture: Picture) -> list[str]:
    """The lines of text that RapidOCR reads in a picture."""
    bgr_pixels = np.asarray(picture.image)[:, :, ::-1]  # OpenCV's order of channels
    lines, _ = reader(bgr_pixels)
    # each line is (box, text, score); None stands for no line
    return [text for _, text, _ in lines or ()]
