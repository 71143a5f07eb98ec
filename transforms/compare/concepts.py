"""Counts languages and concepts of captions over all parts, and tells each part its own counts."""

from __future__ import annotations

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from filters.balance.concepts import Concepts, Match
from pairsieve.records.sample_table import SampleTable
from transforms.compare.bands import Batches
from transforms.compare.settings import CONCEPTS, PART, Key
from transforms.plumbing.spill import read_batch

COUNTED = b"c"
"""The letter of what a part is told of its concepts."""

Named = tuple[str, str]
"""(language, concept); the concept WHOLE for the language itself."""

WHOLE = ""
"""Stands for a language as a whole; no concept is empty (filters/balance/concepts.py)."""


def what_counts(concepts: Concepts | None, languages: bool) -> Match:
    """What of a caption is counted: its concepts, and its language. Raises MissingModel."""
    match: Match = concepts.matcher() if concepts else _nothing
    if not languages:
        return match
    return lambda caption, language: (WHOLE, *match(caption, language))


def _nothing(caption: str, language: str) -> tuple[str, ...]:
    return ()


def count_concepts(
    table: SampleTable, part: int, rows: Iterable[int], match: Match, buckets: int
) -> Iterator[tuple[Key, bytes]]:
    """Yield what the captions of some rows of a part name, for each bucket of concepts.

    Concepts that only other rows name come too, with 0: the part is told of all that it names.
    """
    captions, languages = table.cells["caption"], table.cells["language"]
    counted = set(rows)
    numbers: dict[int, Counter[Named]] = defaultdict(Counter)
    for row, (caption, language) in enumerate(zip(captions, languages, strict=True)):
        for concept in match(caption, language or ""):
            # Not `hash`, which differs from process to process.
            bucket = zlib.crc32(concept.encode()) % buckets
            numbers[bucket][language or "", concept] += row in counted
    for bucket, of_bucket in sorted(numbers.items()):
        listed = sorted([*named, number] for named, number in of_bucket.items())
        yield (CONCEPTS, bucket), json.dumps([part, listed]).encode()


def tell_concepts(group: tuple[Key, Batches]) -> Iterator[tuple[Key, bytes]]:
    """Yield for each part the counts, over all parts, of the concepts that it names."""
    _, batches = group
    of_parts: dict[int, list[Named]] = {}
    total: Counter[Named] = Counter()
    for batch in batches:
        part, listed = json.loads(read_batch(batch))
        of_parts[part] = [(language, concept) for language, concept, _ in listed]
        total.update({(language, concept): number for language, concept, number in listed})
    for part, all_named in sorted(of_parts.items()):
        told = [[*named, total[named]] for named in all_named]
        yield (PART, part), COUNTED + json.dumps(told).encode()


def read_counts(told: Iterable[bytes]) -> dict[Named, int]:
    """The counts among what a part is told."""
    counts: dict[Named, int] = {}
    for content in told:
        listed: list[Any] = json.loads(content[1:]) if content[:1] == COUNTED else []
        counts.update({(language, concept): number for language, concept, number in listed})
    return counts
