"""The perceptual hash by which a picture is known again: PDQ (Meta, 2019), by its reference library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pdqhash
import pyarrow as pa
from PIL import Image

from filters.detector import Columns, Needs, Observe
from filters.subjects import Picture
from records.pair import Evidence


def pdq(image: Image.Image) -> tuple[bytes, int]:
    """256 bits, most significant first, and the quality from 0 to 100; at most 49 a hash tells nothing (PDQ's paper)."""
    bits, quality = pdqhash.compute(np.asarray(image))
    return np.packbits(bits.astype(np.uint8)).tobytes(), int(quality)


@dataclass(frozen=True)
class PictureHash:
    """PDQ in hex, and its quality."""

    name: ClassVar[str] = "picture_hash"
    version: ClassVar[int] = 2
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {"pdq": pa.string(), "pdq_quality": pa.int32()}

    def load(self) -> Observe:
        def observe(picture: Picture) -> Evidence:
            found, quality = pdq(picture.image)
            return {"pdq": found.hex(), "pdq_quality": quality}

        return observe
