"""Medical pictures by CLIP prompts: how much more a picture is like medical prompts than like
everyday ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import ClassVar

import pyarrow as pa
import yaml

from filters.detector import Columns, Needs, Observe
from filters.pictures.prompts import group_shares
from filters.subjects import Embedding
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public


def shipped_prompts(group: str) -> tuple[str, ...]:
    """The prompts of prompts.yaml, group `medical` or `everyday`."""
    groups: dict[str, list[str]] = yaml.safe_load(
        files("filters.medical").joinpath("prompts.yaml").read_text("utf-8")
    )
    return tuple(groups[group])


@dataclass(frozen=True)
class MedicalPicture:
    """The share of a softmax over all prompts that falls to the medical ones, 0 to 1.

    No lists: the shipped ones.
    """

    name: ClassVar[str] = "medical_picture"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EMBEDDING
    columns: ClassVar[Columns] = {"medical_picture_score": pa.float32()}

    medical: Public[tuple[str, ...]] = ()
    everyday: Public[tuple[str, ...]] = ()

    def load(self) -> Observe:
        medical = self.medical or shipped_prompts("medical")
        everyday = self.everyday or shipped_prompts("everyday")

        def observe(embedding: Embedding) -> Evidence:
            return {
                "medical_picture_score": group_shares(
                    embedding, {"medical": medical, "everyday": everyday}
                )["medical"]
            }

        return observe
