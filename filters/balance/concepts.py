"""Which concepts a caption names, and how many pairs name each of them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, MissingModel, Needs, Observe
from filters.subjects import ComparedPart
from pairsieve.records.pair import Evidence
from pairsieve.storage import files

Match = Callable[[str, str], tuple[str, ...]]
"""Caption and its language -> the concepts of that language's list that it names, sorted."""

UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my", "bo"})
"""Languages that are written without spaces between words: a concept may stand anywhere."""
_NO_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Concepts:
    """The concepts that a caption names, and how many pairs name them.

    `concepts`: those of the list of the caption's language, each once. `concept_pairs`: for each of
    them, the pairs of this language that name it, among those that no other rule drops.

    `lists`: language, as the column LANGUAGE has it -> text file with one concept a line. MetaCLIP
    (Xu et al., "Demystifying CLIP Data", 2023) took 500,000: the synsets of WordNet, and the
    frequent words, word pairs and titles of Wikipedia. As there, a concept is found where its words
    stand one behind the other; case and punctuation do not matter. In languages that are written
    without spaces its letters may stand anywhere.
    """

    name: ClassVar[str] = "concepts"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.SAMPLES
    columns: ClassVar[Columns] = {
        "concepts": pa.list_(pa.string()),
        "concept_pairs": pa.list_(pa.int64()),
    }

    lists: Mapping[str, str]

    @cached_property
    def _concepts(self) -> dict[str, list[str]]:
        """Language -> its folded concepts, sorted. Raises MissingModel."""
        concepts = {}
        for language, path in sorted(self.lists.items()):
            try:
                lines = files.read_text(path).splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise MissingModel(
                    f"lists.{language}: {files.public_name(path)} cannot be read "
                    f"({type(error).__name__}); give a text file with one concept a line"
                ) from None
            concepts[language] = sorted({folded(line) for line in lines} - {""})
            if not concepts[language]:
                raise MissingModel(f"lists.{language}: {files.public_name(path)} names no concept")
        return concepts

    def prepare(self) -> str:
        """Read the lists; returns a digest of them in hex. Raises MissingModel."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for language, concepts in self._concepts.items():
            digest.update("\n".join([f"{language} {len(concepts)}", *concepts, ""]).encode())
        return digest.hexdigest()

    def matcher(self) -> Match:
        """Make the function that finds the concepts in a caption. Raises MissingModel."""
        import ahocorasick_rs

        of_language = {}
        for language, concepts in self._concepts.items():
            patterns = concepts
            # Where words stand apart, a concept is whole words.
            if language not in UNSPACED:
                patterns = [f" {concept} " for concept in concepts]
            of_language[language] = (ahocorasick_rs.AhoCorasick(patterns), concepts)

        def match(caption: str, language: str) -> tuple[str, ...]:
            if language not in of_language:
                return ()
            automaton, concepts = of_language[language]
            text = f" {folded(caption)} "
            # Overlapping: words share the space between them, and concepts may hold others.
            hits = automaton.find_matches_as_indexes(text, overlapping=True)
            return tuple(sorted({concepts[number] for number, _, _ in hits}))

        return match

    def load(self) -> Observe:
        match = self.matcher()

        def observe(part: ComparedPart) -> Evidence:
            concepts_of_rows = list(map(match, part.captions, part.languages))
            pairs_of_rows: list[list[int]] = []
            for language, concepts in zip(part.languages, concepts_of_rows, strict=True):
                pairs = [part.concept_pairs.get((language, concept), 0) for concept in concepts]
                pairs_of_rows.append(pairs)
            return {"concepts": concepts_of_rows, "concept_pairs": pairs_of_rows}

        return observe


def folded(text: str) -> str:
    """A text without case, marks of compatibility and punctuation; one space between words."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    return _NO_LETTERS.sub(" ", unicodedata.normalize("NFC", normal)).strip()
