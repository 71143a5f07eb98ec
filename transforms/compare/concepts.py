"""Counts languages and concepts of captions over all parts; each part gets those that it names."""

from __future__ import annotations

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from filters.balance.concepts import Concepts, Match
from pairsieve.records.sample_table import SampleTable
from transforms.compare.bands import Batches
from transforms.compare.settings import CONCEPTS, PART, Key
from transforms.plumbing.spill import read_batches

COUNTED = b"c"
"""The first byte of a batch with the counts of a part."""

Named = tuple[str, str]
"""(language, concept); the concept WHOLE for the language itself."""

WHOLE = ""
"""Stands for a language as a whole; no concept is empty (filters/balance/concepts.py)."""


def matcher_of(concepts: Concepts | None, languages: bool) -> Match:
    """The function from a caption to what is counted of it: its concepts, and its language.

    Raises MissingModel.
    """
    match: Match = concepts.matcher() if concepts else _nothing
    if not languages:
        return match

    def match_with_language(caption: str, language: str) -> tuple[str, ...]:
        return (WHOLE, *match(caption, language))

    return match_with_language


def _nothing(caption: str, language: str) -> tuple[str, ...]:
    return ()


def count_concepts(
    table: SampleTable, part: int, rows: Iterable[int], match: Match, buckets: int
) -> Iterator[tuple[Key, bytes]]:
    """Yield what the captions of some rows of a part name, for each bucket of concepts.

    Concepts that only other rows name come too, with 0: the part gets the counts of all that it
    names.
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


def counts_by_part(group: tuple[Key, Batches]) -> Iterator[tuple[Key, bytes]]:
    """Yield for each part the counts, over all parts, of the concepts that it names."""
    _, batches = group
    of_parts: dict[int, list[Named]] = {}
    total: Counter[Named] = Counter()
    for content in read_batches(batches):
        part, listed = json.loads(content)
        of_parts[part] = [(language, concept) for language, concept, _ in listed]
        for language, concept, number in listed:
            total[language, concept] += number
    for part, all_named in sorted(of_parts.items()):
        counts = [[*named, total[named]] for named in all_named]
        yield (PART, part), COUNTED + json.dumps(counts).encode()


def read_counts(batches: Iterable[bytes]) -> dict[Named, int]:
    """The counts of a part; batches of other kinds are passed over."""
    counts: dict[Named, int] = {}
    for batch in batches:
        if batch[:1] != COUNTED:
            continue
        for language, concept, number in json.loads(batch[1:]):
            counts[language, concept] = number
    return counts
