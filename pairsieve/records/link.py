"""A link: an image URL and a caption, from a dataset that somebody else made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A row of such a dataset.

    It is row number `row` (from 0) of `file`. `row_id` is its identifier in the dataset; empty if
    it has none.
    """

    url: str
    caption: str
    file: str
    row: int
    row_id: str
