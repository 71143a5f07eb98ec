"""Settings of the stage `compare`, and the names of its shuffles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from filters.balance.concepts import Concepts
from filters.detector import Detector
from filters.duplicates.detectors import NearCopies
from transforms.rules import RuleSettings
from transforms.samples import SampleFolders

PICTURES_PER_BUCKET = 1_000_000
"""A bucket's pictures take about 150 MB of a worker's memory."""
HASHES_PER_BAND = 2_500_000
"""Hashes of a part of a band: with what visits them they take about 600 MB of a worker's memory."""

Key = tuple[str, int]
"""(kind, number) of a group in a shuffle."""

PICTURES, BAND, CELL, GROUPS, PART = "pictures", "band", "cell", "groups", "part"
"""Kinds of groups: pictures by name, hashes by band, vectors by cell, groups by root, parts."""

CONCEPTS = "concepts"
"""The kind of a group of concepts."""


@dataclass(frozen=True)
class Division:
    """How the work is divided: buckets of pictures and of groups, and parts of each band.

    It depends on the number of samples alone, and the result does not depend on it. A band has
    2 ** `band_bits` parts.
    """

    buckets: int
    band_bits: int

    @classmethod
    def of(cls, samples: int) -> Division:
        """The division for so many samples at most."""
        # A band has a power of two of parts, so that the first bits of a value tell its part.
        parts = ceil(samples / HASHES_PER_BAND)
        return cls(max(1, ceil(samples / PICTURES_PER_BUCKET)), max(0, parts - 1).bit_length())


@dataclass(frozen=True)
class CompareSettings:
    """What the stage compares, and where its result goes.

    `names` are the parts, in their order: a part is known by its number. `copies` says when two
    pictures are the same; None where copies are not looked for. `concepts` has the lists of what
    captions name; None where that is not counted. `languages`: whether the pairs of each language
    are counted. `rules` are those that decide which pairs can represent a picture. There are at
    most `samples` pairs. `spill` is a folder for what crosses a shuffle; empty where workers share
    no disk.
    """

    names: Sequence[str]
    folders: SampleFolders
    output: str
    copies: NearCopies | None
    detectors: Sequence[Detector]
    rules: RuleSettings
    division: Division
    concepts: Concepts | None = None
    samples: int = 0
    spill: str = ""
    languages: bool = False
