"""One pair for each (URL, caption), with what every page said of its picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from records.pair import Evidence, Pair


def deduplicate(pairs: Iterable[Pair]) -> list[Pair]:
    """The first pair in crawl order for each (URL, caption), sorted by key.

    List evidence is united over all pages that show the URL: what one page reserves is reserved for the picture.
    The result does not depend on the order of its input, and doing it again changes nothing.
    """
    first: dict[tuple[str, str], Pair] = {}
    said: dict[str, dict[str, set[str]]] = {}
    for pair in pairs:
        identity = (pair.url, pair.caption)
        if identity not in first or _crawl_order(pair) < _crawl_order(first[identity]):
            first[identity] = pair
        _unite(said.setdefault(pair.url, {}), pair.evidence)
    return sorted((_with_evidence(pair, said[pair.url]) for pair in first.values()), key=lambda pair: pair.key)


def _crawl_order(pair: Pair) -> tuple[str, int, int]:
    return pair.warc_file, pair.record_offset, pair.position


def _unite(said: dict[str, set[str]], evidence: Evidence) -> None:
    for name, value in evidence.items():
        if isinstance(value, tuple):
            said.setdefault(name, set()).update(value)


def _with_evidence(pair: Pair, said: dict[str, set[str]]) -> Pair:
    return replace(pair, evidence={**pair.evidence, **{name: tuple(sorted(values)) for name, values in said.items()}})
