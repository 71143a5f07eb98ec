"""The subjects that detectors are called with, other than pages, pairs and evidence.

`filters.detector.Needs` says which detector gets which subject.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pairsieve.records.page import Headers


@dataclass(frozen=True, slots=True)
class Response:
    """The HTTP response that carried an image.

    `url` is the final URL, after redirects.
    """

    url: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a response as served.

    They are not decoded and may be anything: a broken picture, or no picture at all.
    """

    body: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: upright RGB pixels, at most 640 pixels on the longer side.

    transforms/score/scorer.py says why 640.
    """

    image: Image.Image


@dataclass(frozen=True, slots=True)
class Embedding:
    """The CLIP embedding of a picture, with what is needed to compare it with texts.

    - `vector`: unit vector of the picture, float32, shape (d,).
    - `text_vectors`: function that maps n texts to unit vectors of shape (n, d). It caches results.
    - `logit_scale`: factor by which the model multiplies cosine similarities before a softmax.
    - `model`: identity of the model, `ARCHITECTURE@first 16 hex digits of its weights' sha256`.
    """

    vector: NDArray[np.float32]
    text_vectors: Callable[[tuple[str, ...]], NDArray[np.float32]]
    logit_scale: float
    model: str = ""


VectorsOfRows = Mapping[str, tuple[NDArray[np.int64], NDArray[np.float32]]]


@dataclass(frozen=True)
class ComparedPart:
    """The samples of one part, after the pictures of all parts were compared.

    - `rows`: how many samples.
    - `copies`, `kept_of`, `caption_rank`: one entry a row (filters/duplicates/detectors.py says
      what they mean); None where there is no picture, or where copies were not looked for.
    - `hashes`: PDQ hashes of pictures with enough detail, (m, 32), with and without borders.
    - `rows_of_hashes`: the row of each hash, (m,).
    - `captions`, `languages`: of each row.
    - `concept_pairs`: (language, concept) -> how many pairs of all parts name it.
    - `language_pairs`: language -> how many pairs of all parts are in it.
    - `make_vectors`: makes `vectors`.
    """

    rows: int
    copies: Sequence[int | None]
    kept_of: Sequence[str | None]
    caption_rank: Sequence[int | None]
    hashes: NDArray[np.uint8]
    rows_of_hashes: NDArray[np.int64]
    captions: Sequence[str]
    languages: Sequence[str]
    concept_pairs: Mapping[tuple[str, str], int]
    language_pairs: Mapping[str, int] = field(default_factory=dict)
    make_vectors: Callable[[], VectorsOfRows] = dict

    @cached_property
    def vectors(self) -> VectorsOfRows:
        """Identity of a model -> rows with a vector by it, (k,), and their unit vectors, (k, d).

        Empty where vectors are not kept. They are made when a detector asks for them: those of a
        part may take 200 MB.
        """
        return self.make_vectors()
