"""Keeps one pair for each URL and caption, or for each URL, with the evidence of all its pages.

A bucket holds every pair of its hosts, so duplicates are found bucket by bucket.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import apache_beam as beam

from pairsieve.records.choices import Identity
from pairsieve.records.outcome import Counted, Rejection, tally_of
from pairsieve.records.pair import Evidence, Pair, key_of, unpack_pairs
from pairsieve.storage.identities import found_among
from pairsieve.storage.job_end import Outcomes
from pairsieve.web.urls import canonical
from transforms.group import LOCATIONS, Batch, BucketKey
from transforms.plumbing.counting import Work, counting


@dataclass(frozen=True, slots=True)
class Bucket:
    """The distinct pairs of one bucket, and what was counted of them."""

    number: int
    pairs: list[Pair]
    outcomes: Outcomes


Group = tuple[BucketKey, Iterable[Batch]]
"""The batches of one bucket."""

UnitedLists = dict[str, dict[str, Any]]
"""Name of list evidence -> its values of all pages, by `_by_text`.

A value is a text or a record (a mapping).
"""


def identity_of(url: str, caption: str, identity: Identity) -> bytes:
    """16 bytes that are equal for pairs that count as the same.

    URLs are compared in canonical form.
    """
    same_caption = caption if identity == "pair" else ""
    return key_of(canonical(url), same_caption)


def deduplicate(pairs: Iterable[Pair], identity: Identity = "pair") -> list[Pair]:
    """The first pair in crawl order of those that are the same, sorted by key.

    List evidence is united over all pages that show the URL: a reservation of one page holds for
    the image. The result does not depend on the order of the input, and running it again on the
    result changes nothing.
    """
    first: dict[bytes, Pair] = {}
    lists_of_url: dict[str, UnitedLists] = {}
    for pair in pairs:
        same = identity_of(pair.url, pair.caption, identity)
        if same not in first or _crawl_order(pair) < _crawl_order(first[same]):
            first[same] = pair
        _unite(lists_of_url.setdefault(canonical(pair.url), {}), pair.evidence)
    united = [_with_lists(pair, lists_of_url[canonical(pair.url)]) for pair in first.values()]
    return sorted(united, key=lambda pair: pair.key)


def _crawl_order(pair: Pair) -> tuple[str, int, int]:
    return pair.warc_file, pair.record_offset, pair.position


def _unite(lists: UnitedLists, evidence: Evidence) -> None:
    """Add the list evidence of one pair to that of its URL."""
    for name, values in evidence.items():
        if isinstance(values, tuple):
            lists.setdefault(name, {}).update(_by_text(values))


def _by_text(values: tuple[Any, ...]) -> dict[str, Any]:
    """Text -> value. Equal values have the same text, by which they are compared and sorted."""
    by_text = {}
    for value in values:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        by_text[text] = value
    return by_text


def _with_lists(pair: Pair, lists: UnitedLists) -> Pair:
    """The pair with the united lists; the same object where they add nothing."""
    # The values of a pair are among the united ones, so equal lengths mean equal lists.
    nothing_new = all(_has_all(pair.evidence[name], values) for name, values in lists.items())
    if nothing_new:
        return pair
    united = {
        name: tuple(values[text] for text in sorted(values)) for name, values in lists.items()
    }
    return replace(pair, evidence={**pair.evidence, **united})


def _has_all(own: object, united: Mapping[str, Any]) -> bool:
    """Whether a pair's own list has every united value, each once."""
    if not isinstance(own, tuple) or len(own) != len(united):
        return False
    return _by_text(own).keys() == united.keys()


def distinct_pairs(
    group: Group, known_files: Sequence[str] = (), *, identity: Identity
) -> Iterator[Bucket | Group | Rejection | Counted]:
    """A bucket without duplicates, and without pairs that an earlier dataset has.

    `known_files` are the files of the identities that earlier datasets have. A bucket of locations
    passes as it is. Raises Damaged, OSError.
    """
    (kind, number), batches = group
    if kind == LOCATIONS:
        yield group
        return
    pairs = CountedPairs(batches)
    distinct = deduplicate(pairs, identity)
    new = _new_ones(distinct, known_files, number, identity)
    counted: list[Rejection | Counted] = [
        Rejection("image", "duplicate", number=pairs.number - len(distinct)),
        Rejection("image", "already_known", number=len(distinct) - len(new)),
        Counted("image", "kept", len(new)),
    ]
    yield from counted
    yield Bucket(number, new, dict(tally_of(counted)))


def _new_ones(
    distinct: list[Pair], known_files: Sequence[str], number: int, identity: Identity
) -> list[Pair]:
    """The pairs of a bucket that no earlier dataset has, in their order."""
    if not known_files or not distinct:
        return distinct
    own = [identity_of(pair.url, pair.caption, identity) for pair in distinct]
    known = found_among(own, known_files, number)
    return [pair for pair, same in zip(distinct, own, strict=True) if same not in known]


class CountedPairs:
    """The pairs of a bucket, unpacked batch by batch as they are read; `number` counts them."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = batches
        self.number = 0

    def __iter__(self) -> Iterator[Pair]:
        # One batch of each bucket is empty.
        for batch in filter(None, self._batches):
            for pair in unpack_pairs(batch):
                self.number += 1
                yield pair


def _make_work(identity: Identity) -> Work:
    return partial(distinct_pairs, identity=identity)


@dataclass
class Deduplicate(beam.PTransform):  # type: ignore[misc]
    """Batches of buckets -> Bucket, with its counts. Buckets of locations pass.

    `known_files` are the paths of the identities of earlier datasets (transforms/known.py). They
    are a side input: no bucket is looked at before all of these files are written.
    """

    identity: Identity = "pair"
    known_files: beam.PCollection | None = None

    def expand(self, groups: beam.PCollection) -> beam.PCollection:
        side = None if self.known_files is None else beam.pvalue.AsList(self.known_files)
        make = partial(_make_work, self.identity)
        return groups | "Find duplicates" >> counting(make, side=side, without_counts=True)
