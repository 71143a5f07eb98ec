"""Group results that show the same picture, so that a visitor sees each picture once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pairsieve.images.pdq import ALIKE, BYTES, as_hashes, nearest, orientations
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.search.find import Hit


def group_copies(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Return groups of hits that show the same picture, in the order of their first hits.

    A hit is a copy of the first of a group if both have the same sha256, or PDQ hashes that differ
    in ALIKE bits at most, also turned or mirrored: as a request about the first finds it. It is
    compared with the first alone. Of neighbours' neighbours a chain could join pictures that have
    nothing in common.
    """
    hashes_of = [_hashes(hit.row) for hit in hits]
    groups = []
    rest = list(range(len(hits)))
    while rest:
        first, *others = rest
        copies = _copies_of(first, others, hits, hashes_of)
        groups.append([hits[place] for place in (first, *copies)])
        taken = {first, *copies}
        rest = [place for place in rest if place not in taken]
    return groups


def _copies_of(
    first: int, others: Sequence[int], hits: Sequence[Hit], hashes_of: Sequence[list[bytes]]
) -> list[int]:
    """Return the places of the hits among `others` that are copies of the first."""
    sha256 = hits[first].row.get("sha256")
    copies = {place for place in others if sha256 and hits[place].row.get("sha256") == sha256}
    turned = [turn for bits in hashes_of[first] for turn in orientations(bits)]
    places = [place for place in others for _ in hashes_of[place]]
    if turned and places:
        compared = as_hashes(bits for place in others for bits in hashes_of[place])
        distances = nearest(compared, as_hashes(turned))
        copies |= {place for place, bits in zip(places, distances, strict=True) if bits <= ALIKE}
    return sorted(copies)


def _hashes(row: Mapping[str, Any]) -> list[bytes]:
    """Return the PDQ hashes of a row; what cannot be read is left out."""
    hashes = []
    for name in PDQ_COLUMNS:
        try:
            hashes.append(bytes.fromhex(row.get(name) or ""))
        except (TypeError, ValueError):
            continue  # a dataset of others may hold anything in this column
    return [bits for bits in hashes if len(bits) == BYTES]
