"""The pictures of a part as small rows: their names, and the pairs that could represent them.

A picture is named by its PDQ hash, so that equal hashes are one picture before anything is
compared. One with too little detail for a hash is named by the sha256 of its bytes. Both have 32
bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from filters.duplicates.rules import MOST_CAPTIONS
from pairsieve.images.forest import NAME, Names, names_of
from pairsieve.images.pdq import BYTES, GOOD_QUALITY, Hashes
from pairsieve.records.sample_table import SampleTable
from pairsieve.web.urls import canonical

KEY = np.dtype("V16")
PICTURE = np.dtype(
    [
        ("name", NAME),
        ("inner", NAME),  # the hash without borders
        ("has_hash", "?"),  # the name is a hash
        ("has_inner", "?"),
        ("part", "<u4"),  # its number
        ("urls", "<u4"),  # number of distinct ones; 0 but in the first row of a picture in a part
        ("passes", "?"),  # no rule drops the pair
        ("pixels", "<i8"),
        ("similarity", "<f8"),
        ("key", KEY),  # of the pair
        ("caption", "V8"),  # its hash
    ]
)
"""A pair that shows a picture."""

Pictures = NDArray[np.void]
"""(n,) of PICTURE."""

NO_INNER = "0" * 64
"""Stands for the missing hash of a picture without borders."""

NO_SIMILARITY = -2.0
"""Sorts behind every cosine."""
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class NamedRows:
    """The rows of a part that have a picture, and its names.

    `rows` are numbers in the part, (m,). `names` and `inner` are (m, 32); `inner` counts where
    `has_inner`. A name is a hash where `has_hash`.
    """

    rows: NDArray[np.int64]
    names: Hashes
    inner: Hashes
    has_hash: NDArray[np.bool_]
    has_inner: NDArray[np.bool_]

    @cached_property
    def hashes(self) -> Hashes:
        """All hashes, those without borders last."""
        return np.concatenate([self.names[self.has_hash], self.inner[self.has_inner]])

    @cached_property
    def rows_of_hashes(self) -> NDArray[np.int64]:
        """The row of each of `hashes`."""
        return np.concatenate([self.rows[self.has_hash], self.rows[self.has_inner]])


def name_rows(table: SampleTable) -> NamedRows:
    """Name the picture of each row that has one."""
    cells = table.cells
    empty: list[Any] = [None] * table.rows
    pdq = _cells(cells, table, "pdq") or empty
    quality = _cells(cells, table, "pdq_quality") or empty
    trimmed = _cells(cells, table, "pdq_trimmed") or empty
    rows: list[int] = []
    names: list[str] = []
    inners: list[str] = []
    name_is_hash: list[bool] = []
    has_inner: list[bool] = []
    for row, status in enumerate(cells["score_status"]):
        sha256 = cells["sha256"][row]
        if status != "ok" or not _is_hash(sha256):
            continue
        rows.append(row)
        # A picture with too little detail for a hash is named by its bytes.
        is_good = _is_hash(pdq[row]) and (quality[row] or 0) >= GOOD_QUALITY
        name = pdq[row] if is_good else sha256
        names.append(name)
        name_is_hash.append(is_good)
        is_trimmed = _is_hash(trimmed[row])
        inner = trimmed[row] if is_trimmed else NO_INNER
        inners.append(inner)
        has_inner.append(is_trimmed)
    return NamedRows(
        np.array(rows, np.int64),
        _hashes(names),
        _hashes(inners),
        np.array(name_is_hash, np.bool_),
        np.array(has_inner, np.bool_),
    )


def _cells(cells: dict[str, list[Any]], table: SampleTable, name: str) -> list[Any] | None:
    return cells[name] if name in table.columns else None


def _is_hash(cell: object) -> bool:
    """Whether a cell is a hash of 32 bytes in hex; what a plugin may have written is not."""
    return isinstance(cell, str) and bool(_HEX.fullmatch(cell))


def _hashes(digits: Sequence[str]) -> Hashes:
    return np.frombuffer(bytes.fromhex("".join(digits)), np.uint8).reshape(-1, BYTES)


def pictures_of(
    table: SampleTable, named: NamedRows, part: int, passing: NDArray[np.int64]
) -> Pictures:
    """The rows that may represent a picture of a part, which has a number.

    `passing` are the rows that no rule drops. Rows that cannot be among the first pairs of their
    picture are left out: an earlier row of this part has the same caption, or MOST_CAPTIONS rows go
    before them. A URL lies in one part alone, so its distinct URLs are counted here.
    """
    rows, cells = named.rows, table.cells
    pictures = np.zeros(len(rows), PICTURE)
    pictures["name"] = names_of(named.names)
    pictures["inner"] = names_of(named.inner)
    pictures["has_hash"] = named.has_hash
    pictures["has_inner"] = named.has_inner
    pictures["part"] = part
    pictures["passes"] = np.isin(rows, passing)
    pictures["pixels"] = [_pixels(cells, row) for row in rows.tolist()]
    pictures["similarity"] = [_similarity(cells["similarity"][row]) for row in rows.tolist()]
    keys = b"".join(cells["key"][row] for row in rows.tolist())
    pictures["key"] = np.frombuffer(keys, KEY)
    captions = b"".join(_short_hash(cells["caption"][row]) for row in rows.tolist())
    pictures["caption"] = np.frombuffer(captions, "V8")
    first = first_pairs(pictures, pictures["name"])
    chosen = pictures[first.order[first.rank < MOST_CAPTIONS]]
    # Where nothing was chosen, the slice takes the leading True away.
    is_first = np.append(True, chosen["name"][1:] != chosen["name"][:-1])[: len(chosen)]
    urls = [canonical(cells["url"][row]) for row in rows.tolist()]
    names, numbers = _distinct_urls(named, urls)
    urls_of_name = numbers[np.searchsorted(names, chosen["name"])]
    chosen["urls"] = np.where(is_first, urls_of_name, 0)
    return chosen


def _pixels(cells: dict[str, list[Any]], row: int) -> int:
    """The number of pixels of the picture as served, or of the one that was scored."""
    served = (cells["original_width"][row] or 0) * (cells["original_height"][row] or 0)
    return int(served or (cells["width"][row] or 0) * (cells["height"][row] or 0))


def _similarity(value: float | None) -> float:
    # Only NaN differs from itself.
    return NO_SIMILARITY if value is None or value != value else value


def _short_hash(caption: str) -> bytes:
    return hashlib.blake2b(caption.encode(), digest_size=8).digest()


def _distinct_urls(named: NamedRows, urls: Sequence[str]) -> tuple[Names, NDArray[np.int64]]:
    """The distinct names of a part, sorted, and how many distinct URLs show each."""
    names, number_of = np.unique(names_of(named.names), return_inverse=True)
    shown = set(zip(number_of.tolist(), urls, strict=True))
    numbers = np.bincount([number for number, _ in shown], minlength=len(names))
    return names, numbers


def _words(names: NDArray[np.void]) -> NDArray[np.uint64]:
    """Names as rows of numbers that sort as the bytes of the names do."""
    numbers = np.ascontiguousarray(names).view(">u8").astype(np.uint64)
    return numbers.reshape(-1, names.dtype.itemsize // 8)


@dataclass(frozen=True)
class FirstPairs:
    """The pairs of each group in their order, without those whose caption an earlier one has.

    `order` are row numbers: groups by name, then the best pairs first. `rank` is the place of each
    in its group.
    """

    order: NDArray[np.int64]
    rank: NDArray[np.int64]


def first_pairs(pictures: Pictures, groups: Names) -> FirstPairs:
    """Order the pairs of each group: a published one, most pixels, similarity, least key."""
    by_name, by_key = _words(groups), _words(pictures["key"])
    # lexsort takes the most important key last.
    best_first = (-pictures["similarity"], -pictures["pixels"], ~pictures["passes"])
    order = np.lexsort((*by_key.T[::-1], *best_first, *by_name.T[::-1]))
    group, caption = _numbers(groups[order]), _numbers(pictures["caption"][order])

    # Of the pairs of a group with one caption the first stays. A number for each such set of pairs:
    captions = len(order) + 1
    _, first_of_caption = np.unique(group * captions + caption, return_index=True)
    kept = np.sort(first_of_caption)
    order, group = order[kept], group[kept]

    # Groups lie one behind the other, so a pair's place in its group counts from where that begins.
    begin_of_group = np.searchsorted(group, np.arange(group.max(initial=-1) + 1))
    rank = np.arange(len(order)) - begin_of_group[group]
    return FirstPairs(order, rank)


def _numbers(values: NDArray[np.void]) -> NDArray[np.int64]:
    """A number for each value: the same for equal ones."""
    _, numbers = np.unique(values, return_inverse=True)
    return numbers.reshape(-1)
