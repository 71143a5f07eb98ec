"""Settings of the search page, and what it needs of the models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pairsieve.erasure.decisions import CountRows, FindCopies
from pairsieve.erasure.queue import Quota
from pairsieve.explore.limits import RateLimits
from pairsieve.explore.networks import LOOPBACK_NAMES
from pairsieve.images.prepare import Pixels, Square

PICTURE_S = 10.0  # a picture of 50 million pixels is decoded and hashed in some 2 s


class Encoder(Protocol):
    """Makes vectors of texts and pictures, as pairsieve/clip/encoder.py does."""

    @property
    def square(self) -> Square:
        """The model's input."""

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, (n, d)."""

    def pictures(self, pixels: Sequence[Pixels]) -> NDArray[np.float32]:
        """Return unit vectors, (n, d)."""


@dataclass(frozen=True)
class Settings:
    """Settings of the search page.

    `queue` is the private folder in which erasure requests wait, as many as `quota` allows.
    `secret` signs forms. A query takes at most `limit_s`, and the process that reads a picture at
    most `picture_s`. The page answers under the names in `hosts` only.
    """

    name: str
    dataset: str
    index: str
    queue: str
    secret: str
    limits: RateLimits = field(default_factory=RateLimits)
    limit_s: float = 10.0
    picture_s: float = PICTURE_S
    quota: Quota = field(default_factory=Quota)
    hosts: frozenset[str] = LOOPBACK_NAMES


@dataclass(frozen=True)
class Publisher:
    """What the publisher's side needs (pairsieve/explore/publisher.py).

    `key` lets a browser in. `count_rows` counts what requests take out of the dataset, and raises
    Refused while it cannot be read. All that is approved may take out `max_rows`. Besides this
    machine, /admin answers under the names in `hosts`, at which a proxy makes people log in. With
    `find_copies` rows that show the same picture are shown before a request is approved.
    """

    key: str = field(repr=False)
    count_rows: CountRows
    max_rows: int
    hosts: frozenset[str] = frozenset()
    find_copies: FindCopies | None = None
