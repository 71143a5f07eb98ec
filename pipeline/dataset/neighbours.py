"""Finds pictures that look like an example to the model; a person decides which of them to erase.

Hashes find a picture that was turned or encoded anew. Vectors also find crops of it, and other
pictures that merely look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.erasure.requests import EXAMPLES, Request
from pairsieve.images.prepare import Prepared, prepare
from pairsieve.search.sources import Source, read_vectors, sources
from pairsieve.storage import files, openers
from pipeline.config import Config
from pipeline.dataset.encoders import load_encoders
from pipeline.dataset.manifest import NoSuchDataset, read_manifest

if TYPE_CHECKING:
    from pairsieve.clip.encoder import Encoder

MAX_NEIGHBOURS = 10
"""How many are listed for each example."""
MIN_COSINE = 0.8
"""Of two pictures' vectors under ViT-B/32; crops of one picture have 0.85 and more."""


@dataclass(frozen=True)
class Neighbour:
    """A row whose picture looks like the example of a request (a number from 0)."""

    request: int
    key: str
    similarity: float
    url: str


def neighbours(dataset: str, requests: Sequence[Request], config: Config) -> list[Neighbour]:
    """The most similar rows for each request that has an example picture.

    Raises NoSuchDataset where vectors or their model are missing.
    """
    manifest = read_manifest(dataset)
    shards = [source for source in sources(manifest) if source.vectors]
    if not shards:
        raise NoSuchDataset(
            f"{dataset} has no embeddings, by which neighbours are found; publish.embeddings "
            "writes them"
        )
    encoders = load_encoders(config, manifest)
    nearest = []
    for number, request in enumerate(requests):
        if not request.example:
            continue
        vectors = {model: _vector(request.example, encoder) for model, encoder in encoders.items()}
        candidates = _near(dataset, shards, number, vectors)
        ordered = sorted(candidates, key=lambda row: (-row.similarity, row.key))
        nearest += ordered[:MAX_NEIGHBOURS]
    return nearest


def _vector(path: str, encoder: Encoder) -> NDArray[np.float32]:
    """The unit vector of an example picture, shape (d,)."""
    with files.open_read(path) as stream:
        prepared = prepare(stream.read(), EXAMPLES, [encoder.square], None)
    assert isinstance(prepared, Prepared), "read_requests has decoded it"
    vector: NDArray[np.float32] = encoder.pictures([prepared.squares[0]])[0]
    return vector


def _near(
    dataset: str, shards: Sequence[Source], number: int, vectors: Mapping[str, NDArray[np.float32]]
) -> Iterator[Neighbour]:
    """The nearest rows of each shard; `vectors` has the example's vector under each model."""
    for shard in shards:
        # Both sides are unit vectors of the same model.
        example = vectors[shard.space]
        of_blocks = [block @ example for block in read_vectors(dataset, shard)]
        if not of_blocks:
            continue
        cosines = np.concatenate(of_blocks)
        # Of a shard no more can be among the first of all shards.
        nearest = np.argsort(-cosines)[:MAX_NEIGHBOURS]
        rows = [int(row) for row in nearest if cosines[row] >= MIN_COSINE]
        # The vectors stand in the order of the shard's rows.
        with openers.open_columns(files.join(dataset, shard.path)) as stream:
            table = pq.read_table(stream, columns=["key", "URL"]).take(pa.array(rows, pa.int64()))
        for row, values in zip(rows, table.to_pylist(), strict=True):
            yield Neighbour(number, values["key"], float(cosines[row]), values["URL"])


def neighbour_list(nearest: Sequence[Neighbour]) -> str:
    """The neighbours as text, for the person who looks at them."""
    if not nearest:
        return "\nno picture looks like an example\n"
    head = (
        "pictures that look like an example; look at them, and give --confirm KEY for those that "
        "show the same:"
    )
    lines = [f"{row.request + 1:<10}{row.similarity:<8.3f}{row.key}  {row.url}" for row in nearest]
    return "\n".join(["", head, *lines]) + "\n"
