"""A link with its caption, from a dataset that somebody else made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """One row: `file` and `row` (from 0) say where it stands, `row_id` is the row's own identifier
    there, if it has one.
    """

    url: str
    caption: str
    file: str
    row: int
    row_id: str
