"""Score how medical a picture looks, by CLIP prompts: medical prompts against everyday ones."""

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
    """The prompts of one group in prompts.yaml: `medical` or `everyday`."""
    text = files("filters.medical").joinpath("prompts.yaml").read_text("utf-8")
    groups: dict[str, list[str]] = yaml.safe_load(text)
    return tuple(groups[group])


@dataclass(frozen=True)
class MedicalPicture:
    """`medical_picture_score`: share of the medical prompts in a softmax over all prompts, 0 to 1.

    `medical` and `everyday` are the prompts; an empty list stands for the shipped one.
    """

    name: ClassVar[str] = "medical_picture"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EMBEDDING
    columns: ClassVar[Columns] = {"medical_picture_score": pa.float32()}

    medical: Public[tuple[str, ...]] = ()
    everyday: Public[tuple[str, ...]] = ()

    def load(self) -> Observe:
        groups = {
            "medical": self.medical or shipped_prompts("medical"),
            "everyday": self.everyday or shipped_prompts("everyday"),
        }

        def observe(embedding: Embedding) -> Evidence:
            shares = group_shares(embedding, groups)
            return {"medical_picture_score": shares["medical"]}

        return observe
