"""From pictures and roots to the groups of each part: copies, representative, and first pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from filters.duplicates.rules import MOST_CAPTIONS
from pairsieve.images.forest import NAME, Names
from transforms.compare.bands import ROOTS, Batches, by_bucket
from transforms.compare.pictures import KEY, PICTURE, Pictures, first_pairs
from transforms.compare.settings import GROUPS, PART, Key
from transforms.plumbing.spill import read_batches

MEMBER = np.dtype([("root", NAME), ("picture", PICTURE)])
"""A pair that may represent its group."""

GROUP_OF_PICTURE = np.dtype(
    [("name", NAME), ("copies", "<i8"), ("firsts", "u1"), ("first_keys", KEY, (MOST_CAPTIONS,))]
)
"""A picture of a part, and the group of pictures that show the same.

Only the first `firsts` of the keys are set. The first of all is that of the pair that represents
the group.
"""

SHOWN_IN = np.dtype([("part", "<u4"), ("name", NAME), ("group", "<i8")])
"""A part that shows a picture, and the number of the picture's group."""

GROUPS_LETTER = b"t"
"""The first byte of a batch of GROUP_OF_PICTURE."""


def with_roots(group: tuple[Key, Batches], buckets: int) -> Iterator[tuple[Key, bytes]]:
    """Yield the pictures of a bucket for the bucket of their group's root."""
    _, batches = group
    pictures, forests = [np.empty(0, PICTURE)], [np.empty((0, 2), NAME)]
    for content in read_batches(batches):
        if content[:1] == ROOTS:
            forests.append(np.frombuffer(content, NAME, offset=1).reshape(-1, 2))
        else:
            pictures.append(np.frombuffer(content, PICTURE, offset=1))
    forest = np.concatenate(forests)
    # Sorted for the binary search in `_roots`.
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
        # A name behind all others would get a place behind the last row.
        place = np.minimum(np.searchsorted(forest[:, 0], names), len(forest) - 1)
        is_there = forest[place, 0] == names
        roots[is_there] = forest[place[is_there], 1]
    return roots


def groups_by_part(group: tuple[Key, Batches]) -> Iterator[tuple[Key, bytes]]:
    """Yield for each part the groups of its pictures."""
    _, batches = group
    members = np.concatenate([np.frombuffer(content, MEMBER) for content in read_batches(batches)])
    pictures, roots = members["picture"], members["root"]
    distinct_roots, group_of = np.unique(roots, return_inverse=True)
    of_groups = _describe_groups(pictures, roots, group_of, len(distinct_roots))

    # A part may have several rows of a picture. It gets the group once.
    shown = np.zeros(len(pictures), SHOWN_IN)
    shown["part"] = pictures["part"]
    shown["name"] = pictures["name"]
    shown["group"] = group_of
    shown = np.unique(shown)
    group_of_picture = of_groups[shown["group"]]
    group_of_picture["name"] = shown["name"]

    # Rows of a part lie one behind the other.
    begins = np.flatnonzero(np.append(True, shown["part"][1:] != shown["part"][:-1]))
    ends = np.append(begins[1:], len(shown))
    for begin, end in zip(begins, ends, strict=True):
        part = int(shown["part"][begin])
        yield (PART, part), GROUPS_LETTER + group_of_picture[begin:end].tobytes()


def _describe_groups(
    pictures: Pictures, roots: Names, group_of: NDArray[np.int64], groups: int
) -> NDArray[np.void]:
    """Each group: its number of distinct URLs, and the keys of its first pairs."""
    of_groups = np.zeros(groups, GROUP_OF_PICTURE)
    # Not `+=`, which adds only once where a group occurs several times.
    np.add.at(of_groups["copies"], group_of, pictures["urls"])
    first = first_pairs(pictures, roots)
    is_listed = first.rank < MOST_CAPTIONS
    rows, ranks = first.order[is_listed], first.rank[is_listed]
    of_groups["first_keys"][group_of[rows], ranks] = pictures["key"][rows]
    of_groups["firsts"] = np.bincount(group_of[rows], minlength=groups)
    return of_groups
