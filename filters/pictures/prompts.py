"""Compare a picture with groups of prompts: which share of the match falls to each group."""

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
"""Name of a group -> its prompts."""


def group_shares(embedding: Embedding, groups: Groups) -> dict[str, float]:
    """Each group's share of a softmax over all prompts; the shares add up to 1."""
    prompts = tuple(prompt for group in groups.values() for prompt in group)
    similarities = embedding.text_vectors(prompts) @ embedding.vector
    logits = embedding.logit_scale * similarities
    # without the highest logit, exp cannot overflow
    weights = np.exp(logits - logits.max())
    group_ends = np.cumsum([len(group) for group in groups.values()])
    weights_by_group = np.split(weights, group_ends[:-1])
    total = weights.sum()
    shares = [float(group_weights.sum() / total) for group_weights in weights_by_group]
    return dict(zip(groups, shares, strict=True))


@dataclass(frozen=True)
class PromptGroups:
    """`prompt_scores`: each group's share of a softmax over all prompts, 0 to 1.

    It serves rules and calibrations of your own. `groups`: name -> prompts.
    """

    name: ClassVar[str] = "prompt_groups"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EMBEDDING
    columns: ClassVar[Columns] = {
        "prompt_scores": pa.list_(pa.struct([("group", pa.string()), ("score", pa.float32())]))
    }

    groups: Public[Groups]

    def load(self) -> Observe:
        def observe(embedding: Embedding) -> Evidence:
            shares = group_shares(embedding, self.groups)
            rows = [{"group": name, "score": share} for name, share in shares.items()]
            return {"prompt_scores": rows}

        return observe
