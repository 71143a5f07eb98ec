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
    ungrouped = list(range(len(hits)))
    while ungrouped:
        first, *others = ungrouped
        same_bytes = _same_bytes(first, others, hits)
        look_alikes = _look_alikes(first, others, hashes_of)
        group = [first, *sorted(same_bytes | look_alikes)]
        groups.append([hits[place] for place in group])
        ungrouped = [place for place in ungrouped if place not in group]
    return groups


def _same_bytes(first: int, others: Sequence[int], hits: Sequence[Hit]) -> set[int]:
    """Return the places of the hits among `others` with the sha256 of the first."""
    sha256 = hits[first].row.get("sha256")
    if not sha256:
        return set()
    return {place for place in others if hits[place].row.get("sha256") == sha256}


def _look_alikes(first: int, others: Sequence[int], hashes_of: Sequence[list[bytes]]) -> set[int]:
    """Return the places of the hits among `others` with a PDQ hash near to one of the first."""
    orientations_of_first: list[bytes] = []
    for pdq in hashes_of[first]:
        orientations_of_first += orientations(pdq)
    # A row has up to two hashes, so a place may come twice.
    places: list[int] = []
    compared: list[bytes] = []
    for place in others:
        for pdq in hashes_of[place]:
            places.append(place)
            compared.append(pdq)
    if not orientations_of_first or not compared:
        return set()
    distances = nearest(as_hashes(compared), as_hashes(orientations_of_first))
    return {place for place, distance in zip(places, distances, strict=True) if distance <= ALIKE}


def _hashes(row: Mapping[str, Any]) -> list[bytes]:
    """Return the PDQ hashes of a row; what cannot be read is left out."""
    hashes = []
    for name in PDQ_COLUMNS:
        try:
            hashes.append(bytes.fromhex(row.get(name) or ""))
        except (TypeError, ValueError):
            continue  # a dataset of others may hold anything in this column
    return [bits for bits in hashes if len(bits) == BYTES]
