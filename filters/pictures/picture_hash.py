"""Compute the perceptual hash of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.subjects import Picture
from pairsieve.images.pdq import pdq, pdq_trimmed
from pairsieve.records.pair import Evidence


@dataclass(frozen=True)
class PictureHash:
    """`pdq`: the PDQ hash in hex (256 bits); `pdq_quality`: 0 to 100, low for little detail.

    `pdq_trimmed`: the hash of the picture without its borders. It is empty where there are none.
    """

    name: ClassVar[str] = "picture_hash"
    version: ClassVar[int] = 4
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {
        "pdq": pa.string(),
        "pdq_quality": pa.int32(),
        "pdq_trimmed": pa.string(),
    }

    def load(self) -> Observe:
        def observe(picture: Picture) -> Evidence:
            digest, quality = pdq(picture.image)
            inner = pdq_trimmed(picture.image)
            return {
                "pdq": digest.hex(),
                "pdq_quality": quality,
                "pdq_trimmed": inner.hex() if inner else None,
            }

        return observe
