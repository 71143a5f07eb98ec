"""Draws a stratified sample: how many rows of each stratum, and which.

Within a stratum every row has the same probability to be drawn, and all sets of rows of one size
have too (simple random sampling without replacement).
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

NEAR_SHARE = 0.25
"""Share of the labels that strata near a decision get, beyond what their rows would get.

A label of any stratum then stands for at most 1 / (1 - NEAR_SHARE) times as many rows as one of a
plain sample. So the bound without a "yes" is at most a third larger than the plain one.
"""
Ids = Mapping[str, list[bytes]]
"""Stratum -> the ids of its drawn rows."""


def allocate(rows_of: Mapping[str, int], near: Collection[str], labels: int) -> dict[str, int]:
    """How many rows to draw of each stratum; `rows_of` is stratum -> its rows.

    The strata of `near` share NEAR_SHARE of the labels equally. All strata share the rest in
    proportion to their rows. A stratum is drawn whole where it has fewer rows than that, and the
    others get what is left. Every stratum that has rows gets at least one label where there are
    enough. The numbers add up to `labels`, or to all rows where there are fewer.
    """
    given = dict.fromkeys(rows_of, 0)
    left = min(labels, sum(rows_of.values()))
    first = {name: 1 for name, rows in rows_of.items() if rows}
    left -= _give(given, rows_of, first, min(left, len(first)))
    near_rows = {name: 1 for name in rows_of if name in near and rows_of[name]}
    left -= _give(given, rows_of, near_rows, min(left, int(NEAR_SHARE * labels)))
    _give(given, rows_of, rows_of, left)
    return given


def _give(
    given: dict[str, int], rows_of: Mapping[str, int], weight_of: Mapping[str, int], labels: int
) -> int:
    """Share labels by weight, no stratum above its rows; returns how many were given."""
    total = 0
    while total < labels:
        free = {
            name: weight
            for name, weight in weight_of.items()
            if weight and given[name] < rows_of[name]
        }
        if not free:
            break
        shares = _largest_remainders(free, labels - total)
        for name, share in shares.items():
            # A full stratum takes no more; the next round shares what it left.
            more = min(share, rows_of[name] - given[name])
            given[name] += more
            total += more
    return total


def _largest_remainders(weight_of: Mapping[str, int], labels: int) -> dict[str, int]:
    """Share a number by weight in whole numbers that add up to it (Hamilton's method)."""
    sum_of_weights = sum(weight_of.values())
    shares, remainders = {}, {}
    for name, weight in weight_of.items():
        # In whole numbers: the result is the same on every machine.
        shares[name], remainders[name] = divmod(labels * weight, sum_of_weights)
    left = labels - sum(shares.values())
    ordered = sorted(remainders, key=lambda name: (-remainders[name], name))
    for name in ordered[:left]:
        shares[name] += 1
    return shares


@dataclass
class Drawer:
    """Draws rows of strata while they are read, by the smallest hashes of their ids.

    The hash depends on `seed`. The order in which rows are read makes no difference, and neither
    does how they are divided among files. At most `max_rows` of a stratum are remembered.
    """

    seed: int
    max_rows: int
    rows_of: dict[str, int] = field(default_factory=dict)
    _smallest: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)

    def add(self, stratum: str, row_id: bytes) -> None:
        """Read one row. A row must be added once, under an id that no other row has."""
        self.rows_of[stratum] = self.rows_of.get(stratum, 0) + 1
        heap = self._smallest.setdefault(stratum, [])
        # A heap gives its smallest entry first: of negative numbers that is the largest hash.
        entry = (-_hash(self.seed, b"draw", row_id), row_id)
        if len(heap) < self.max_rows:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)

    def drawn(self, number_of: Mapping[str, int]) -> Ids:
        """Draw this number of rows of each stratum, at most `max_rows`."""
        ids = {}
        for stratum, number in number_of.items():
            ordered = sorted(self._smallest.get(stratum, []), reverse=True)
            ids[stratum] = [row_id for _, row_id in ordered[:number]]
        return ids


def shuffled(ids: Collection[bytes], seed: int) -> list[bytes]:
    """The order in which rows are shown.

    It says nothing of the strata, and the first rows of a stratum in it are a sample of their own:
    whoever stops early has labelled a smaller sample.
    """
    return sorted(ids, key=lambda row_id: _hash(seed, b"show", row_id))


def _hash(seed: int, purpose: bytes, row_id: bytes) -> int:
    """A number that nobody can tell from a random one without the seed."""
    digest = blake2b(row_id, digest_size=16, key=str(seed).encode(), person=purpose).digest()
    return int.from_bytes(digest, "big")
