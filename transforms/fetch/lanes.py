"""Which worker asks which hosts: lanes of parts, about equally long, each host in one of them.

A bucket of hosts that is longer than a lane should be is divided among several, each with its share
of the hosts' allowance, so that one very large host does not make one worker the tail of the run.
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
    """Parts that one worker fetches at the same time, and among how many lanes each of their
    buckets is divided.

    Hosts of other buckets, to which a redirect leads, may be asked by all `lanes`.
    """

    names: tuple[str, ...]
    shares: Mapping[int, int]
    lanes: int

    def share_of(self, buckets: int) -> ShareOf:
        """Host -> among how many lanes its allowance is divided."""
        return lambda host: self.shares.get(bucket_of_url(f"http://{host}/", buckets), self.lanes)


@dataclass(frozen=True)
class Piece:
    """Parts of one bucket for one lane."""

    bucket: int
    share: int
    names: tuple[str, ...]


def make_lanes(names: Sequence[str], lanes: int, most_shares: int) -> list[Lane]:
    """At most `lanes` lanes of these parts. A bucket is divided into `most_shares` pieces at most.

    Parts count as equally long. The longest pieces are given out first, each to the shortest lane
    without its bucket.
    """
    fair = ceil(len(names) / lanes) if names else 0
    pieces = [
        piece
        for _, bucket in groupby(sorted(names), key=parts.bucket_of)
        for piece in _pieces(list(bucket), fair, min(lanes, most_shares))
    ]
    given: list[dict[int, Piece]] = [{} for _ in range(lanes)]
    for piece in sorted(pieces, key=lambda p: (-len(p.names), p.names)):
        shortest = min((lane for lane in given if piece.bucket not in lane), key=_length)
        shortest[piece.bucket] = piece
    return [_lane(lane.values(), lanes) for lane in given if lane]


def _pieces(names: Sequence[str], fair: int, most: int) -> list[Piece]:
    share = min(ceil(len(names) / fair), most)
    return [Piece(parts.bucket_of(names[0]), share, tuple(names[n::share])) for n in range(share)]


def _length(lane: Mapping[int, Piece]) -> int:
    return sum(len(piece.names) for piece in lane.values())


def _lane(pieces: Collection[Piece], lanes: int) -> Lane:
    """The buckets of a lane go forward side by side: first the first part of each."""
    names = sorted(
        (name for piece in pieces for name in piece.names),
        key=lambda name: (parts.chunk_of(name), name),
    )
    return Lane(tuple(names), {piece.bucket: piece.share for piece in pieces}, lanes)
