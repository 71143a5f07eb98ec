"""Reads WordNet's database: definitions of medical nouns, and example sentences of all else.

Format: WordNet's manual page wndb(5WN).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

QUOTED = re.compile(r'"([^"]{15,90})"')
# Noun -> words of its definition that tell this meaning from others.
MEDICAL_ROOTS = {
    "disease": "an impairment of health",
    "surgery": "branch",
    "medical procedure": "",
    "symptom": "(medicine)",
    "injury": "physical damage",
}
HYPERNYMS = ("@", "@i")  # pointers to a broader meaning, for a class and for an instance
POINTER_FIELDS = 4


@dataclass(frozen=True)
class Synset:
    """A meaning: its words, its definition with examples, and the offsets of broader meanings."""

    words: tuple[str, ...]
    gloss: str
    broader: tuple[str, ...]

    @property
    def definition(self) -> str:
        return self.gloss.partition(";")[0]

    @property
    def examples(self) -> list[str]:
        return QUOTED.findall(self.gloss)


def wordnet_sets(folder: Path) -> dict[str, list[str]]:
    """Return definitions of medical nouns, and example sentences of everything else."""
    nouns = dict(_synsets(folder / "data.noun"))
    medical = _medical_offsets(nouns)
    examples: list[str] = []
    for offset, synset in nouns.items():
        if offset not in medical:
            examples += synset.examples
    for part_of_speech in ("verb", "adj", "adv"):
        for _, synset in _synsets(folder / f"data.{part_of_speech}"):
            examples += synset.examples
    return {
        "wordnet_medical": [nouns[offset].definition for offset in sorted(medical)],
        "everyday_wordnet": examples,
    }


def _medical_offsets(nouns: Mapping[str, Synset]) -> set[str]:
    """Return the offsets of the medical roots and of all meanings below them."""
    narrower: dict[str, list[str]] = defaultdict(list)
    for offset, synset in nouns.items():
        for broader in synset.broader:
            narrower[broader].append(offset)
    waiting = [offset for offset, synset in nouns.items() if _is_medical_root(synset)]
    medical: set[str] = set()
    while waiting:
        offset = waiting.pop()
        if offset not in medical:
            medical.add(offset)
            waiting += narrower[offset]
    return medical


def _is_medical_root(synset: Synset) -> bool:
    return any(
        word in synset.words and hint in synset.gloss for word, hint in MEDICAL_ROOTS.items()
    )


def _synsets(path: Path) -> Iterator[tuple[str, Synset]]:
    """Yield (offset, synset) of each line of a data file."""
    for line in path.read_text("utf-8").splitlines():
        # The licence at the front of the file is indented.
        if line.startswith("  "):
            continue
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        # Offset, file, part of speech, number of words in hex; then word and number of each.
        words_end = 4 + 2 * int(fields[3], 16)
        words = tuple(word.replace("_", " ") for word in fields[4:words_end:2])
        # The number of pointers, and then kind, offset and two more fields of each.
        pointers_at = words_end + 1
        pointers_end = pointers_at + POINTER_FIELDS * int(fields[words_end])
        pointers = range(pointers_at, pointers_end, POINTER_FIELDS)
        broader = tuple(fields[at + 1] for at in pointers if fields[at] in HYPERNYMS)
        yield fields[0], Synset(words, gloss.strip(), broader)
