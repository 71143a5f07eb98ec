"""One pair for each (URL, caption), or for each URL, with what every page said of its picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pairsieve.records.choices import Identity
from pairsieve.records.pair import Evidence, Pair, key_of
from pairsieve.web.urls import canonical


def identity_of(url: str, caption: str, identity: Identity) -> bytes:
    """16 bytes, the same for what counts as the same; URLs are compared in canonical form."""
    return key_of(canonical(url), caption if identity == "pair" else "")


def deduplicate(pairs: Iterable[Pair], identity: Identity = "pair") -> list[Pair]:
    """The first pair in crawl order of those that are the same, sorted by key.

    List evidence is united over all pages that show the URL: what one page reserves is reserved for
    the picture. The result does not depend on the order of its input, and doing it again changes
    nothing.
    """
    first: dict[bytes, Pair] = {}
    said: dict[str, dict[str, set[str]]] = {}
    for pair in pairs:
        same = identity_of(pair.url, pair.caption, identity)
        if same not in first or _crawl_order(pair) < _crawl_order(first[same]):
            first[same] = pair
        _unite(said.setdefault(canonical(pair.url), {}), pair.evidence)
    return sorted(
        (_with_evidence(pair, said[canonical(pair.url)]) for pair in first.values()),
        key=lambda pair: pair.key,
    )


def _crawl_order(pair: Pair) -> tuple[str, int, int]:
    return pair.warc_file, pair.record_offset, pair.position


def _unite(said: dict[str, set[str]], evidence: Evidence) -> None:
    for name, value in evidence.items():
        if isinstance(value, tuple):
            said.setdefault(name, set()).update(value)


def _with_evidence(pair: Pair, said: dict[str, set[str]]) -> Pair:
    if all(len(values) == len(pair.evidence[name]) for name, values in said.items()):  # type: ignore[arg-type]
        return pair
    return replace(
        pair,
        evidence={
            **pair.evidence,
            **{name: tuple(sorted(values)) for name, values in said.items()},
        },
    )
