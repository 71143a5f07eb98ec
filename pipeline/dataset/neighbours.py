"""Pictures that look like an example to the model: somebody looks at them before they are taken
out.
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
from pairsieve.storage import files
from pipeline.config import Config
from pipeline.dataset.encoders import load_encoders
from pipeline.dataset.manifest import NoSuchDataset, read_manifest

if TYPE_CHECKING:
    from pairsieve.clip.encoder import Encoder

MOST = 10  # of an example
# cosine of two pictures' vectors under ViT-B/32; crops of one picture have 0.85 and more
LEAST_SIMILAR = 0.8


@dataclass(frozen=True)
class Neighbour:
    """A row whose picture looks like that of a request."""

    request: int
    key: str
    similarity: float
    url: str


def neighbours(dataset: str, requests: Sequence[Request], config: Config) -> list[Neighbour]:
    """For each request with an example picture the most similar rows.

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
    found = []
    for number, request in enumerate(requests):
        if request.example:
            shown = {
                model: _vector(request.example, encoder) for model, encoder in encoders.items()
            }
            near = sorted(
                _near(dataset, shards, number, shown), key=lambda n: (-n.similarity, n.key)
            )
            found += near[:MOST]
    return found


def _vector(path: str, encoder: Encoder) -> NDArray[np.float32]:
    with files.open_read(path) as stream:
        found = prepare(stream.read(), EXAMPLES, [encoder.square], None)
    assert isinstance(found, Prepared), "read_requests has decoded it"
    vector: NDArray[np.float32] = encoder.pictures([found.squares[0]])[0]
    return vector


def _near(
    dataset: str, shards: Sequence[Source], number: int, shown: Mapping[str, NDArray[np.float32]]
) -> Iterator[Neighbour]:
    for shard in shards:
        vectors = read_vectors(dataset, shard)
        if not len(vectors):
            continue
        similarities = vectors @ shown[shard.space]
        rows = np.argsort(-similarities)[:MOST]
        near = [int(row) for row in rows if similarities[row] >= LEAST_SIMILAR]
        with files.open_read(files.join(dataset, shard.path)) as stream:
            table = pq.read_table(stream, columns=["key", "URL"]).take(pa.array(near, pa.int64()))
        for row, values in zip(near, table.to_pylist(), strict=True):
            yield Neighbour(number, values["key"], float(similarities[row]), values["URL"])


def told(found: Sequence[Neighbour]) -> str:
    """What a person is to look at."""
    lines = [
        "",
        (
            "pictures that look like an example; look at them, and give --confirm KEY for those "
            "that show the same:"
        ),
    ]
    lines += [f"{n.request + 1:<10}{n.similarity:<8.3f}{n.key}  {n.url}" for n in found]
    return "\n".join(lines) + "\n" if found else "\nno picture looks like an example\n"
