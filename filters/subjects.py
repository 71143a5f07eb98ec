"""What detectors are called with, where it is no record of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pairsieve.records.page import Headers


@dataclass(frozen=True, slots=True)
class Response:
    """The answer that carried an image: its final URL and headers."""

    url: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Content:
    """A picture's bytes as served, not decoded: whatever they are."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: RGB pixels, upright, its longer side made at most 640 pixels
    (transforms/score/scorer.py says why).
    """

    image: Image.Image


@dataclass(frozen=True, slots=True)
class Embedding:
    """A picture's unit vector (float32, d), the text tower that goes with it, that model's logit
    scale and its identity.

    `text_vectors` maps n texts to unit vectors (n, d) and keeps what it has computed.
    """

    vector: NDArray[np.float32]
    text_vectors: Callable[[tuple[str, ...]], NDArray[np.float32]]
    logit_scale: float
    model: str = ""
