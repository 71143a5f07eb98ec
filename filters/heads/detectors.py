"""What heads say of pictures: how unsafe they are, and how much they are liked.

`heads` maps the identity of a model, as `ARCHITECTURE@first 16 digits of its weights' sha256`, to
the head made for it. A run does not start when a model that it uses has none.
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

Judge = Callable[[Embedding], float]


def load_heads(heads: Mapping[str, str], activation: Activation) -> Judge:
    """What the head of an embedding's own model gives.

    Raises HeadError, also later: for another model's embedding.
    """
    networks = {model: read_network(path, activation) for model, path in heads.items()}

    def judge(embedding: Embedding) -> float:
        if embedding.model not in networks:
            raise HeadError(f"an embedding of {embedding.model}, for which there is no head")
        return networks[embedding.model](embedding.vector)

    return judge


def nsfw_tag(punsafe: float, unsure_from: float, nsfw_from: float) -> str:
    """LAION's tag of a score."""
    return "NSFW" if punsafe >= nsfw_from else "UNSURE" if punsafe >= unsure_from else "UNLIKELY"


@dataclass(frozen=True)
class NsfwHead:
    """`punsafe`, the sigmoid of the head, and LAION's tag: UNLIKELY, UNSURE from `unsure_from` on,
    NSFW from `nsfw_from` on.
    """

    name: ClassVar[str] = "nsfw_head"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EMBEDDING
    columns: ClassVar[Columns] = {"punsafe": pa.float32(), "nsfw": pa.string()}

    heads: Mapping[str, str]
    unsure_from: Public[float]
    nsfw_from: Public[float]

    def load(self) -> Observe:
        judge = load_heads(self.heads, "relu")

        def observe(embedding: Embedding) -> Evidence:
            punsafe = sigmoid(judge(embedding))
            return {"punsafe": punsafe, "nsfw": nsfw_tag(punsafe, self.unsure_from, self.nsfw_from)}

        return observe


@dataclass(frozen=True)
class AestheticHead:
    """`aesthetic_score` from about 1 to 10, as LAION's aesthetic predictors give it: linear layers
    on the unit vector.

    LAION's predictors, the one of several layers too, have no activation between them.
    """

    name: ClassVar[str] = "aesthetic_head"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EMBEDDING
    columns: ClassVar[Columns] = {"aesthetic_score": pa.float32()}

    heads: Mapping[str, str]
    activation: Public[Activation] = "none"

    def load(self) -> Observe:
        judge = load_heads(self.heads, self.activation)
        return lambda embedding: {"aesthetic_score": judge(embedding)}
