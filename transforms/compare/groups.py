"""From pictures and roots to what each part is told: copies, representative, and first pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from filters.duplicates.rules import MOST_CAPTIONS
from pairsieve.images.forest import NAME, Names
from transforms.compare.bands import ROOTS, Batches, by_bucket
from transforms.compare.pictures import KEY, PICTURE, first_pairs
from transforms.compare.settings import GROUPS, PART, Key
from transforms.plumbing.spill import read_batch

MEMBER = np.dtype([("root", NAME), ("picture", PICTURE)])
"""A pair that may represent its group."""

TOLD = np.dtype(
    [("name", NAME), ("copies", "<i8"), ("firsts", "u1"), ("first_keys", KEY, (MOST_CAPTIONS,))]
)
"""What a part is told of a picture; `firsts` of the keys count, the representative's first."""

TOLD_OF = b"t"
"""The letter of rows of TOLD."""


def with_roots(group: tuple[Key, Batches], buckets: int) -> Iterator[tuple[Key, bytes]]:
    """Yield the pictures of a bucket for the bucket of their group's root."""
    _, batches = group
    pictures, forests = [np.empty(0, PICTURE)], [np.empty((0, 2), NAME)]
    for batch in batches:
        content = read_batch(batch)
        if content[:1] == ROOTS:
            forests.append(np.frombuffer(content, NAME, offset=1).reshape(-1, 2))
        else:
            pictures.append(np.frombuffer(content, PICTURE, offset=1))
    forest = np.concatenate(forests)
    forest = forest[np.argsort(forest[:, 0])]
    shown = np.concatenate(pictures)
    members = np.zeros(len(shown), MEMBER)
    members["picture"] = shown
    members["root"] = _roots(shown["name"], forest)
    yield from by_bucket(GROUPS, members, members["root"], buckets)


def _roots(names: Names, forest: NDArray[np.void]) -> Names:
    """The root of each name; a name without a row is its own root."""
    roots = names.copy()
    if len(forest):
        place = np.minimum(np.searchsorted(forest[:, 0], names), len(forest) - 1)
        is_there = forest[place, 0] == names
        roots[is_there] = forest[place[is_there], 1]
    return roots


def tell_parts(group: tuple[Key, Batches]) -> Iterator[tuple[Key, bytes]]:
    """Yield for each part what it is told of its pictures."""
    _, batches = group
    members = np.concatenate([np.frombuffer(read_batch(batch), MEMBER) for batch in batches])
    pictures, roots = members["picture"], members["root"]
    distinct_roots, number_of = np.unique(roots, return_inverse=True)
    of_groups = np.zeros(len(distinct_roots), TOLD)
    np.add.at(of_groups["copies"], number_of, pictures["urls"])
    first = first_pairs(pictures, roots)
    chosen = first.rank < MOST_CAPTIONS
    rows, ranks = first.order[chosen], first.rank[chosen]
    of_groups["first_keys"][number_of[rows], ranks] = pictures["key"][rows]
    of_groups["firsts"] = np.bincount(number_of[rows], minlength=len(distinct_roots))
    # A part may have several rows of a picture, and is told once.
    shown = np.zeros(len(pictures), [("part", "<u4"), ("name", NAME), ("group", "<i8")])
    shown["part"], shown["name"], shown["group"] = pictures["part"], pictures["name"], number_of
    shown = np.unique(shown)
    told = of_groups[shown["group"]]
    told["name"] = shown["name"]
    starts = np.flatnonzero(np.append(True, shown["part"][1:] != shown["part"][:-1]))
    for start, end in zip(starts, np.append(starts[1:], len(shown)), strict=True):
        yield (PART, int(shown["part"][start])), TOLD_OF + told[start:end].tobytes()
