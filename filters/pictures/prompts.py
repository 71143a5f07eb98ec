"""Groups of prompts: of all the texts that a picture could go with, how much of it goes to each
group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.subjects import Embedding
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public

Groups = Mapping[str, tuple[str, ...]]


def group_shares(embedding: Embedding, groups: Groups) -> dict[str, float]:
    """The shares of a softmax over all prompts that fall to each group; they add up to 1."""
    prompts = tuple(prompt for group in groups.values() for prompt in group)
    logits = embedding.logit_scale * (embedding.text_vectors(prompts) @ embedding.vector)
    weights = np.exp(logits - logits.max())
    ends = np.cumsum([len(group) for group in groups.values()])
    sums = [float(part.sum() / weights.sum()) for part in np.split(weights, ends[:-1])]
    return dict(zip(groups, sums, strict=True))


@dataclass(frozen=True)
class PromptGroups:
    """The share of each group of `groups`, for rules and calibration of one's own."""

    name: ClassVar[str] = "prompt_groups"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EMBEDDING
    columns: ClassVar[Columns] = {
        "prompt_scores": pa.list_(pa.struct([("group", pa.string()), ("score", pa.float32())]))
    }

    groups: Public[Groups]

    def load(self) -> Observe:
        def observe(embedding: Embedding) -> Evidence:
            return {
                "prompt_scores": [
                    {"group": name, "score": share}
                    for name, share in group_shares(embedding, self.groups).items()
                ]
            }

        return observe
