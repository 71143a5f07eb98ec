"""The loaded models and detectors of the score step, and the pictures that they know."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from filters.detector import Observe
from pairsieve.images.decode import DecodeSettings
from pairsieve.images.prepare import Square
from pairsieve.images.processes import Processes
from pairsieve.records.pair import Evidence
from transforms.score.prospects import Prospects

if TYPE_CHECKING:
    from pairsieve.clip.encoder import Encoder

# Batches of pictures that are decoded while the model works on one batch.
BATCHES_AHEAD = 2

# Pictures whose vectors and evidence are cached between parts: 60 MB at 512 dimensions.
CACHED_PICTURES = 30_000

# Pixels of the longer side of the copy that detectors get. Faces are found from about 10 pixels on.
PICTURE_SIDE = 640

Vector = NDArray[np.float32]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """A picture's size, format, vectors and evidence, as cached.

    `width`, `height` and `format` are those of its file. `vectors` holds its unit vector by model.
    `evidence` is what picture detectors found; None if they have not looked.
    """

    width: int
    height: int
    format: str
    vectors: Mapping[str, Vector]
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Costly:
    """Detectors that look only at pictures of pairs that could still be published.

    `columns` are the names of what they observe.
    """

    observe: Observe
    columns: frozenset[str]
    prospects: Prospects


@dataclass(frozen=True)
class Scorer:
    """Loaded models and detectors.

    `routes` names the model of each subset. `detect_from` is the lowest similarity at which picture
    detectors run: a less similar pair cannot be published. `costly` are those of them that look
    last, and only where it can still matter.

    Pictures are decoded in `processes`. Picture detectors run on the threads of `executor` while
    the model has the next batch.
    """

    encoders: Mapping[str, Encoder]
    routes: Mapping[str, str]
    decode: DecodeSettings
    detect_from: float
    keep_embeddings: bool
    observe_picture: Observe | None
    observe_embedding: Observe
    executor: Executor
    processes: Processes
    costly: Costly | None = None
    detect_timeout_s: float = 120.0
    known: MutableMapping[str, KnownPicture] = field(
        default_factory=lambda: LRUCache(CACHED_PICTURES)
    )

    @property
    def squares(self) -> tuple[Square, ...]:
        """The distinct squares that the models need of each picture."""
        return tuple(dict.fromkeys(encoder.square for encoder in self.encoders.values()))

    @property
    def depth(self) -> int:
        """How many pictures are decoded ahead of the model."""
        return BATCHES_AHEAD * max(encoder.batch_size for encoder in self.encoders.values())

    @property
    def batches_under_way(self) -> int:
        """How many batches are in the models or wait for them: one of them waits."""
        return 1 + max(encoder.passes for encoder in self.encoders.values())
