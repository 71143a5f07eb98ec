"""Finds near pictures: each distinct hash goes to a group for each of its bands.

Shuffles carry bytes: the rows of an array, behind a letter that says of which kind they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from filters.duplicates.detectors import NearCopies
from pairsieve.images.forest import (
    NAME,
    Forest,
    Names,
    bytes_of,
    forest_of,
    merge_forests,
    names_of,
)
from pairsieve.images.near_hashes import (
    BAND_BITS,
    BANDS,
    SINGLE_BITS,
    BandSettings,
    band_values,
    near_in_band,
)
from pairsieve.images.pdq import Hashes, orientations_of_all
from transforms.compare.pictures import PICTURE, Pictures
from transforms.compare.settings import BAND, PICTURES, Division, Key
from transforms.plumbing.spill import Spilled, read_batches

HASHES, VIEWS, ROOTS, SHOWN = b"h", b"v", b"r", b"p"
"""The letters: hashes and views of a band, roots and shown pictures of a bucket."""
VIEW = np.dtype([("hash", NAME), ("name", NAME), ("turned", "?")])
"""A further hash of a picture: without borders, turned or mirrored."""
MOST_EDGES = 1_000_000
"""Edges that a worker holds before it reduces them to a forest: 64 bytes each."""

Batches = Iterable[bytes | Spilled]


def bucket_of(names: Names, buckets: int) -> NDArray[np.int64]:
    """The bucket of each name (n,).

    The bits of a perceptual hash are not spread evenly, so they are mixed before they are divided.
    """
    words = bytes_of(names).view("<u8")
    mixed = np.zeros(len(words), np.uint64)
    for word in words.T:
        # The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
        mixed = (mixed ^ word) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
    return (mixed % np.uint64(buckets)).astype(np.int64)


def by_bucket(
    kind: str, rows: NDArray[np.void], names: Names, buckets: int
) -> Iterator[tuple[Key, bytes]]:
    """Yield the rows of each bucket; `names` has the picture of each row."""
    bucket = bucket_of(names, buckets)
    for number in np.unique(bucket).tolist():
        yield (kind, number), rows[bucket == number].tobytes()


@dataclass(frozen=True)
class NearPictures:
    """Pairs of near pictures, as the bytes of a forest; and how many pairs were left out."""

    forest: bytes
    left_out: int = 0

    @classmethod
    def of(cls, forest: Forest, left_out: int = 0) -> NearPictures:
        return cls(forest.tobytes(), left_out)

    def read(self) -> Forest:
        forest: Forest = np.frombuffer(self.forest, NAME).reshape(-1, 2)
        return forest


def merge_near(several: Iterable[NearPictures]) -> NearPictures:
    """One forest of all pairs; it does not depend on their order and grouping."""
    forests, left_out = [], 0
    for near in several:
        forests.append(near.read())
        left_out += near.left_out
    return NearPictures.of(merge_forests(forests), left_out)


def to_bands(
    group: tuple[Key, Batches], copies: NearCopies, division: Division
) -> Iterator[tuple[Key, bytes]]:
    """Yield the distinct hashes of a bucket of pictures for each part of each band."""
    _, batches = group
    # A million pairs with one hash are one from here on.
    hashes, views = _distinct(batches)
    if copies.orientations:
        # The plain hashes stay too: of two pictures it is enough to turn one.
        views = np.concatenate([views, *_turned(hashes, views)])
    for band in range(BANDS):
        yield from _to_parts(HASHES, hashes, hashes, band, division)
        yield from _to_parts(VIEWS, views, bytes_of(views["hash"]), band, division)


def _distinct(batches: Batches) -> tuple[Hashes, NDArray[np.void]]:
    """The distinct hashes of pictures, and their distinct views without borders."""
    hashes = [np.empty(0, NAME)]
    views = [np.empty(0, VIEW)]
    for content in read_batches(batches):
        pictures: Pictures = np.frombuffer(content, PICTURE, offset=1)
        hashes.append(np.unique(pictures["name"][pictures["has_hash"]]))
        inner = np.zeros(len(pictures), VIEW)
        inner["hash"] = pictures["inner"]
        inner["name"] = pictures["name"]
        views.append(distinct_rows(inner[pictures["has_inner"]]))
    names = np.unique(np.concatenate(hashes))
    return bytes_of(names), distinct_rows(np.concatenate(views))


def distinct_rows(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Rows of an array with fields, each once, sorted by their bytes."""
    as_bytes = np.ascontiguousarray(rows).view(f"V{rows.dtype.itemsize}")
    distinct: NDArray[np.void] = np.unique(as_bytes).view(rows.dtype)
    return distinct


def _turned(hashes: Hashes, views: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
    """Yield the views of pictures, with and without borders, in their other orientations."""
    all_hashes = np.concatenate([hashes, bytes_of(views["hash"])])
    names = np.concatenate([names_of(hashes), views["name"]])
    for turned_hashes in orientations_of_all(all_hashes)[1:]:
        turned = np.zeros(len(names), VIEW)
        turned["hash"] = names_of(turned_hashes)
        turned["name"] = names
        turned["turned"] = True
        yield turned


def _to_parts(
    letter: bytes, rows: NDArray[np.generic], hashes: Hashes, band: int, division: Division
) -> Iterator[tuple[Key, bytes]]:
    """Yield rows for the part of a band that their value lies in, and for those that it visits.

    The neighbour of a value has one bit more. Where that bit is one of those that select the part,
    the neighbour lies in another part.
    """
    shift = BAND_BITS - division.band_bits
    part_of = band_values(hashes, band).astype(np.int64) >> shift
    for part in range(1 << division.band_bits):
        less_one_bit = [part ^ bit for bit in SINGLE_BITS if part & bit]
        chosen = rows[np.isin(part_of, [part, *less_one_bit])]
        if len(chosen):
            yield (BAND, band << division.band_bits | part), letter + chosen.tobytes()


def near_pictures(
    group: tuple[Key, Batches], copies: NearCopies, division: Division
) -> Iterator[NearPictures]:
    """Yield the near pictures of a part of a band."""
    (_, number), batches = group
    band, part = divmod(number, 1 << division.band_bits)
    hashes, names, turned = _read_band(batches)
    shift = BAND_BITS - division.band_bits
    # The part with the larger value of the band yields a pair, so that no two parts yield it.
    values = range(part << shift, part + 1 << shift)
    forest = forest_of(np.empty((0, 2), NAME))
    edges: list[NDArray[np.void]] = []
    held_edges = left_out = 0
    for pairs in near_in_band(hashes, BandSettings(band, copies.most_bits, values), turned):
        left_out += pairs.left_out
        edges.append(np.stack([names[pairs.left], names[pairs.right]], axis=1))
        held_edges += len(pairs.left)
        if held_edges >= MOST_EDGES:
            # Many copies of a picture have many pairs, and a forest has one row for each of them.
            forest = merge_forests([forest, *edges])
            edges, held_edges = [], 0
    yield NearPictures.of(merge_forests([forest, *edges]), left_out)


def _read_band(batches: Batches) -> tuple[Hashes, Names, NDArray[np.bool_]]:
    """The hashes of a part of a band, the picture of each, and whether it was turned."""
    plain, views = [np.empty(0, NAME)], [np.empty(0, VIEW)]
    for content in read_batches(batches):
        if content[:1] == HASHES:
            plain.append(np.frombuffer(content, NAME, offset=1))
        else:
            views.append(np.frombuffer(content, VIEW, offset=1))
    view = distinct_rows(np.concatenate(views))
    hashes = np.concatenate([*plain, view["hash"]])
    names = np.concatenate([*plain, view["name"]])
    turned = np.zeros(len(names), np.bool_)
    turned[len(names) - len(view) :] = view["turned"]
    return bytes_of(hashes), names, turned


def roots_by_bucket(near: NearPictures, buckets: int) -> Iterator[tuple[Key, bytes]]:
    """Yield the forest's rows for the buckets of their pictures, behind the letter ROOTS."""
    forest = near.read()
    bucket = bucket_of(forest[:, 0], buckets)
    for number in np.unique(bucket).tolist():
        yield (PICTURES, number), ROOTS + forest[bucket == number].tobytes()
