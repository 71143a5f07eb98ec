"""Divides parts into lanes, one for each fetch worker.

Lanes are about equally long, and each host is in one of them, so that one worker keeps its limits
without asking the others. A bucket of hosts that is longer than a lane should be is divided among
several lanes. Each then has its share of the hosts' allowance. Otherwise one very large host would
hold up the whole run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from pairsieve.storage import parts
from pairsieve.web.requester import ShareOf
from pairsieve.web.urls import bucket_of_url


@dataclass(frozen=True)
class Lane:
    """The parts of one worker, which it fetches at the same time.

    `shares`: bucket -> among how many lanes it is divided. `lanes` is the number of all lanes.
    """

    names: tuple[str, ...]
    shares: Mapping[int, int]
    lanes: int

    def share_of(self, buckets: int) -> ShareOf:
        """The function from a host to the number of lanes that share its allowance.

        A redirect may lead to a host of another bucket. All lanes may request from such a host.
        """

        def share(host: str) -> int:
            bucket = bucket_of_url(f"http://{host}/", buckets)
            return self.shares.get(bucket, self.lanes)

        return share


@dataclass(frozen=True)
class Piece:
    """Parts of one bucket for one lane. The bucket is divided into `share` pieces."""

    bucket: int
    share: int
    names: tuple[str, ...]


def make_lanes(names: Sequence[str], lanes: int, max_shares: int) -> list[Lane]:
    """Divide parts into at most `lanes` lanes, and a bucket into at most `max_shares` pieces.

    `max_shares` is the number of connections that a host allows, since each piece needs one. Parts
    count as equally long. The longest pieces are given out first, each to the shortest lane
    that has none of its bucket.
    """
    if not names:
        return []
    max_length = ceil(len(names) / lanes)
    max_pieces = min(lanes, max_shares)
    pieces: list[Piece] = []
    for _, bucket_names in groupby(sorted(names), key=parts.bucket_of):
        pieces += _pieces(list(bucket_names), max_length, max_pieces)

    pieces_of_lanes: list[dict[int, Piece]] = [{} for _ in range(lanes)]
    for piece in sorted(pieces, key=lambda piece: (-len(piece.names), piece.names)):
        without_bucket = [lane for lane in pieces_of_lanes if piece.bucket not in lane]
        # There is always one: a bucket has no more pieces than there are lanes.
        shortest = min(without_bucket, key=_length)
        shortest[piece.bucket] = piece
    used = [lane for lane in pieces_of_lanes if lane]
    return [_lane(lane.values(), lanes) for lane in used]


def lane_of_each_part(names: Sequence[str]) -> list[Lane]:
    """A lane for each part, for a source that has no hosts to spare, such as an archive."""
    return [Lane((name,), {}, len(names)) for name in names]


def _pieces(names: Sequence[str], max_length: int, max_pieces: int) -> list[Piece]:
    """Divide the parts of one bucket."""
    bucket = parts.bucket_of(names[0])
    number = min(ceil(len(names) / max_length), max_pieces)
    shares = [tuple(names[first::number]) for first in range(number)]
    return [Piece(bucket, number, share) for share in shares]


def _length(lane: Mapping[int, Piece]) -> int:
    return sum(len(piece.names) for piece in lane.values())


def _lane(pieces: Collection[Piece], lanes: int) -> Lane:
    """A lane that begins with the first part of each bucket, so that hosts are mixed."""
    names: list[str] = []
    for piece in pieces:
        names += piece.names
    names.sort(key=lambda name: (parts.chunk_of(name), name))
    shares = {piece.bucket: piece.share for piece in pieces}
    return Lane(tuple(names), shares, lanes)
