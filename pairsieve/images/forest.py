"""Connected groups of pictures, as forests of stars: each picture leads to the least of its group.

A forest is an array of shape (n, 2) of names of 32 bytes. Merging forests is associative and
commutative, and the result does not depend on how the edges were divided ("filtering", Lattanzi,
Moseley, Suri and Vassilvitskii, SPAA 2011). So workers reduce their own edges first, and what is
merged last has one row for each picture that has a copy: 64 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

NAME = np.dtype("V32")
"""The name of a picture: 32 bytes, compared as bytes."""

Names = NDArray[np.void]
Forest = NDArray[np.void]
"""(n, 2): a picture, and the root of its group. Roots have no row. Sorted by the first column."""


def names_of(rows: NDArray[np.uint8]) -> Names:
    """Return rows (n, 32) as names (n,)."""
    names: Names = np.ascontiguousarray(rows).view(NAME).reshape(-1)
    return names


def bytes_of(names: Names) -> NDArray[np.uint8]:
    """Return names (n,) as rows (n, 32)."""
    return np.ascontiguousarray(names).view(np.uint8).reshape(-1, NAME.itemsize)


def no_edges() -> Forest:
    """Return a forest without rows."""
    return np.empty((0, 2), NAME)


def forest_of(edges: NDArray[np.void]) -> Forest:
    """Return the forest of edges (n, 2): the root of a group is its least name."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(edges):
        return no_edges()
    names, numbers = np.unique(edges.reshape(-1), return_inverse=True)
    left, right = numbers.reshape(-1, 2).T
    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), (len(names), len(names)))
    _, group_of = connected_components(graph, directed=False)
    # Names are sorted, so the first of each group is its least.
    _, first_of_group = np.unique(group_of, return_index=True)
    roots = first_of_group[group_of]
    is_root = roots == np.arange(len(names))
    return np.stack([names[~is_root], names[roots[~is_root]]], axis=1)


def merge_forests(forests: Iterable[NDArray[np.void]]) -> Forest:
    """Return the forest of all edges of some forests."""
    return forest_of(np.concatenate([no_edges(), *forests]))
