"""What is known of a pair's picture once the pictures of all pairs have been compared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from filters.detector import Columns, MissingModel, Needs, Observe
from filters.subjects import ComparedPart
from pairsieve.images.cells import VectorIndex, Vectors
from pairsieve.images.hash_file import KnownPictures, UnreadableHashes, read_pictures
from pairsieve.images.near_hashes import MOST_BITS, HashIndex
from pairsieve.images.pdq import ALIKE
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
    Vectors are compared within the cells of a coarse quantiser: every pair found is near, and one
    at a border may be missed (transforms/compare/vectors.py).
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

    `sets`: name -> parquet file of PDQ hashes or of CLIP vectors. `pairsieve hashes` makes one of a
    folder of pictures (pairsieve/images/hash_file.py has its columns). The name becomes part of a
    reason, so it holds small letters, digits and _ alone. Of several sets the first by name counts.

    Near are hashes that differ in at most `most_bits` bits, with or without borders.

    `cosine`: near are also pictures whose vectors have at least this cosine, as crops have that no
    hash finds. Needs `score.keep_embeddings`, and sets that have vectors by each model of the run.
    A set without vectors is compared by its hashes. Vectors of large sets are compared within cells
    (pairsieve/images/cells.py): every pair found is near, and one at a border may be missed.
    """

    name: ClassVar[str] = "benchmark_pictures"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.SAMPLES
    reads: ClassVar[tuple[str, ...]] = ("pdq", "pdq_quality", "pdq_trimmed")
    columns: ClassVar[Columns] = {"near_benchmark": pa.string()}

    sets: Mapping[str, str]
    most_bits: MostBits = ALIKE
    cosine: Public[Annotated[float, Field(gt=0, le=1)] | None] = None

    @cached_property
    def _known(self) -> dict[str, KnownPictures]:
        """The pictures of each set, by its name. Raises MissingModel."""
        known = {}
        for name, path in sorted(self.sets.items()):
            if not _SET_NAME.fullmatch(name):
                raise MissingModel(
                    f"sets: {name!r} is no name of a set; use small letters, digits and _"
                )
            try:
                known[name] = read_pictures(path)
            except UnreadableHashes as error:
                raise MissingModel(f"sets.{name}: {error}") from None
            if self.cosine is None and not len(known[name].hashes):
                raise MissingModel(
                    f"sets.{name} has vectors and no hashes; set cosine to compare by vectors"
                )
        if self.cosine is not None and not any(pictures.vectors for pictures in known.values()):
            raise MissingModel(
                "cosine: no set has vectors; make its file with `pairsieve hashes --config FILE`"
            )
        return known

    def prepare(self) -> str:
        """Read the sets; returns a digest of names, hashes, vectors and settings in hex.

        Raises MissingModel when one cannot be read.
        """
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.most_bits}\n".encode())
        for name, known in self._known.items():
            digest.update(f"{name} {len(known.hashes)}\n".encode())
            digest.update(known.hashes.tobytes())
        if self.cosine is not None:
            digest.update(f"{self.cosine}\n".encode())
            for name, known in self._known.items():
                for model, vectors in known.vectors.items():
                    digest.update(f"{name} {model} {vectors.shape}\n".encode())
                    digest.update(vectors.tobytes())
        return digest.hexdigest()

    def check_models(self, models: Iterable[str]) -> None:
        """Raise MissingModel where the vectors of a set are not by each of these models.

        Vectors of two models cannot be compared: such a set would only seem to be looked for.
        """
        if self.cosine is None:
            return
        for name, known in self._known.items():
            lacking = sorted(set(models) - known.vectors.keys())
            if known.vectors and lacking:
                has = ", ".join(known.vectors)
                raise MissingModel(
                    f"sets.{name} has no vectors by the model {lacking[0]}, which this run uses "
                    f"(it has those by {has}, which cannot be compared); make the file again with "
                    "`pairsieve hashes --config FILE` and the config of this run"
                )

    def load(self) -> Observe:
        names = list(self._known)
        of_sets = [known.hashes for known in self._known.values()]
        sizes = [len(hashes) for hashes in of_sets]
        # One index for all sets: a hash tells its set by its row.
        set_of = np.repeat(np.arange(len(names)), sizes)
        index = HashIndex.of(np.concatenate([np.empty((0, 32), np.uint8), *of_sets]))
        of_vectors = {} if self.cosine is None else _vector_indices(self._known.values())

        def observe(part: ComparedPart) -> Evidence:
            near = index.near(part.hashes, self.most_bits)
            # Sets are sorted by name, so the least number is the first name.
            first_set = np.full(part.rows, len(names))
            np.minimum.at(first_set, part.rows_of_hashes[near.left], set_of[near.right])
            for model, (vectors, set_of_vector) in of_vectors.items():
                if model not in part.vectors:
                    continue
                rows, asked = part.vectors[model]
                for left, right in vectors.near(asked, self.cosine or 1):
                    np.minimum.at(first_set, rows[left], set_of_vector[right])
            named = [*names, None]
            return {"near_benchmark": [named[number] for number in first_set.tolist()]}

        return observe


def _vector_indices(
    sets: Iterable[KnownPictures],
) -> dict[str, tuple[VectorIndex, NDArray[np.int64]]]:
    """Model -> an index of the vectors of all sets, and the number of each vector's set."""
    vectors_of_models: dict[str, list[Vectors]] = {}
    set_numbers: dict[str, list[NDArray[np.int64]]] = {}
    for number, pictures in enumerate(sets):
        for model, vectors in pictures.vectors.items():
            vectors_of_models.setdefault(model, []).append(vectors)
            numbers = np.full(len(vectors), number, np.int64)
            set_numbers.setdefault(model, []).append(numbers)
    indices = {}
    for model, vectors_of_sets in vectors_of_models.items():
        index = VectorIndex.of(np.concatenate(vectors_of_sets))
        indices[model] = (index, np.concatenate(set_numbers[model]))
    return indices
