"""What is known of a pair's picture once the pictures of all pairs have been compared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from filters.detector import Columns, MissingModel, Needs, Observe
from filters.subjects import ComparedPart
from pairsieve.images.hash_file import UnreadableHashes, read_hashes
from pairsieve.images.near_hashes import MOST_BITS, HashIndex
from pairsieve.images.pdq import ALIKE, Hashes
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public

MostBits = Annotated[int, Field(ge=0, le=MOST_BITS)]
_SET_NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True)
class NearCopies:
    """Which pairs show the same picture: the stage `compare` looks for them among all pairs.

    `copies`: how many distinct image URLs show it, whether or not their pairs are published.
    `kept_of`: the key (hex) of the pair that represents it. That is, among the pairs that no rule
    drops, the one with most pixels, then with the highest similarity, then with the least key.
    `caption_rank`: the pair's place, from 0, among those of its picture that have different
    captions, in the same order; None where an earlier one has the same caption, and beyond 9.

    Two pictures are the same where their PDQ hashes, or those without borders, differ in at most
    `most_bits` bits; groups are what such pairs connect. PDQ's authors advise 31. Every pair up to
    this distance is found (pairsieve/images/near_hashes.py). Pictures with too little detail for a
    hash are the same where their bytes are.

    `orientations`: turned and mirrored pictures are the same too; the search takes about 8 times
    as long.

    `cosine`: pictures whose vectors have at least this cosine are the same too, as crops have that
    no hash finds. Needs `score.keep_embeddings`. SemDeDup (Abbas et al., 2023) keeps pairs below
    0.95 or so; the value belongs to the model, and lower ones join pictures that merely look alike.
    Vectors are compared within the cells of a coarse quantiser: what is told is near, and a pair at
    a border may be missed (transforms/compare/vectors.py).
    """

    name: ClassVar[str] = "near_copies"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.SAMPLES
    reads: ClassVar[tuple[str, ...]] = ("pdq", "pdq_quality", "pdq_trimmed")
    columns: ClassVar[Columns] = {
        "copies": pa.int64(),
        "kept_of": pa.string(),
        "caption_rank": pa.int32(),
    }

    most_bits: Public[MostBits] = ALIKE
    orientations: Public[bool] = False
    cosine: Public[Annotated[float, Field(gt=0, le=1)] | None] = None

    def load(self) -> Observe:
        def observe(part: ComparedPart) -> Evidence:
            return {
                "copies": part.copies,
                "kept_of": part.kept_of,
                "caption_rank": part.caption_rank,
            }

        return observe


@dataclass(frozen=True)
class BenchmarkPictures:
    """`near_benchmark`: the evaluation set that has a picture near this one; None for none.

    `sets`: name -> parquet file of PDQ hashes. `pairsieve hashes` makes one of a folder of
    pictures; any table with a column `pdq` will do. The name becomes part of a reason, so it holds
    small letters, digits and _ alone. Of several sets the first by name counts.

    Near are hashes that differ in at most `most_bits` bits, with or without borders.
    """

    name: ClassVar[str] = "benchmark_pictures"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.SAMPLES
    reads: ClassVar[tuple[str, ...]] = ("pdq", "pdq_quality", "pdq_trimmed")
    columns: ClassVar[Columns] = {"near_benchmark": pa.string()}

    sets: Mapping[str, str]
    most_bits: MostBits = ALIKE

    @cached_property
    def _hashes(self) -> dict[str, Hashes]:
        """The hashes of each set, by name. Raises MissingModel."""
        hashes = {}
        for name, path in sorted(self.sets.items()):
            if not _SET_NAME.fullmatch(name):
                raise MissingModel(
                    f"sets: {name!r} is no name of a set; use small letters, digits and _"
                )
            try:
                hashes[name] = read_hashes(path)
            except UnreadableHashes as error:
                raise MissingModel(f"sets.{name}: {error}") from None
        return hashes

    def prepare(self) -> str:
        """Read the sets; returns a digest of names, hashes and settings in hex.

        Raises MissingModel when one cannot be read.
        """
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.most_bits}\n".encode())
        for name, hashes in self._hashes.items():
            digest.update(f"{name} {len(hashes)}\n".encode())
            digest.update(hashes.tobytes())
        return digest.hexdigest()

    def load(self) -> Observe:
        names = list(self._hashes)
        of_sets = list(self._hashes.values())
        sizes = [len(hashes) for hashes in of_sets]
        # One index for all sets: a hash tells its set by its row.
        set_of = np.repeat(np.arange(len(names)), sizes)
        index = HashIndex.of(np.concatenate([np.empty((0, 32), np.uint8), *of_sets]))

        def observe(part: ComparedPart) -> Evidence:
            near = index.near(part.hashes, self.most_bits)
            # Sets are sorted by name, so the least number is the first name.
            first_set = np.full(part.rows, len(names))
            np.minimum.at(first_set, part.rows_of_hashes[near.left], set_of[near.right])
            named = [*names, None]
            return {"near_benchmark": [named[number] for number in first_set.tolist()]}

        return observe
