"""Detectors that run heads: how unsafe a picture is, and how much people would like it.

The setting `heads` maps the identity of a model to the head made for it. An identity is
`ARCHITECTURE@first 16 digits of its weights' sha256`. A run does not start when a model that it
uses has no head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.heads.network import Activation, HeadError, read_network, sigmoid
from filters.subjects import Embedding
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public

RunHead = Callable[[Embedding], float]


def load_heads(heads: Mapping[str, str], activation: Activation) -> RunHead:
    """Load all heads; the function runs the one that fits the model of an embedding.

    Raises HeadError when a head cannot be read. The function raises HeadError for an embedding of a
    model that has no head.
    """
    networks = {model: read_network(path, activation) for model, path in heads.items()}

    def run_head(embedding: Embedding) -> float:
        if embedding.model not in networks:
            raise HeadError(f"an embedding of {embedding.model}, for which there is no head")
        return networks[embedding.model](embedding.vector)

    return run_head


def nsfw_tag(punsafe: float, unsure_from: float, nsfw_from: float) -> str:
    """LAION's tag for a score: UNLIKELY, UNSURE or NSFW."""
    if punsafe >= nsfw_from:
        return "NSFW"
    if punsafe >= unsure_from:
        return "UNSURE"
    return "UNLIKELY"


@dataclass(frozen=True)
class NsfwHead:
    """How unsafe a picture is, by an NSFW head.

    - `punsafe`: the sigmoid of the head, 0 to 1.
    - `nsfw`: LAION's tag. It is UNLIKELY, UNSURE from `unsure_from` on, NSFW from `nsfw_from` on.
    """

    name: ClassVar[str] = "nsfw_head"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EMBEDDING
    columns: ClassVar[Columns] = {"punsafe": pa.float32(), "nsfw": pa.string()}

    heads: Mapping[str, str]
    unsure_from: Public[float]
    nsfw_from: Public[float]

    def load(self) -> Observe:
        run_head = load_heads(self.heads, "relu")

        def observe(embedding: Embedding) -> Evidence:
            punsafe = sigmoid(run_head(embedding))
            return {"punsafe": punsafe, "nsfw": nsfw_tag(punsafe, self.unsure_from, self.nsfw_from)}

        return observe


@dataclass(frozen=True)
class WatermarkHead:
    """`pwatermark`: chance that a picture carries a watermark, by a head, 0 to 1.

    LAION-5B published such a column. Without a head the words of `text_in_picture` fill it.
    """

    name: ClassVar[str] = "watermark_head"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EMBEDDING
    columns: ClassVar[Columns] = {"pwatermark": pa.float32()}

    heads: Mapping[str, str]
    activation: Public[Activation] = "relu"

    def load(self) -> Observe:
        run_head = load_heads(self.heads, self.activation)

        def observe(embedding: Embedding) -> Evidence:
            return {"pwatermark": sigmoid(run_head(embedding))}

        return observe


@dataclass(frozen=True)
class AestheticHead:
    """`aesthetic_score`: from about 1 to 10, as LAION's aesthetic predictors give it.

    `activation` is what stands between linear layers. LAION's predictors have none, including the
    one with several layers.
    """

    name: ClassVar[str] = "aesthetic_head"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EMBEDDING
    columns: ClassVar[Columns] = {"aesthetic_score": pa.float32()}

    heads: Mapping[str, str]
    activation: Public[Activation] = "none"

    def load(self) -> Observe:
        run_head = load_heads(self.heads, self.activation)

        def observe(embedding: Embedding) -> Evidence:
            return {"aesthetic_score": run_head(embedding)}

        return observe
