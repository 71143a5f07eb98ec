"""Weigh the words of the languages without ontologies: German, French, Spanish and others.

The medical share of a word is the highest of

- that of its English cognate (cognates.py);
- that among the words of the entries that the German Wiktionary labels as medical, for German;
- that of a medical word which it translates;
- that of the same word in another form, with another ending.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from filters.medical.cognates import skeleton
from filters.medical.ontology_names import MIN_CLEAR_CHARS
from filters.medical.terms import LANGUAGES
from filters.medical.vocabularies import german_medical_entries, translations
from filters.medical.weighing import (
    MIN_TELLING_WEIGHT,
    WORD,
    all_frequencies,
    is_rare,
    shares,
    weigh_shares,
    weight_of,
)
from filters.medical.words import STRONG

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


@dataclass(frozen=True)
class LanguageShares:
    """The shares of the words of a language: word -> share among all words.

    `everyday` and `medical` are those in everyday and in medical texts. `rare` are medical shares
    that only rare words have learned, from a second round of dictionaries.
    """

    everyday: dict[str, float]
    medical: dict[str, float]
    rare: dict[str, float]

    def add(self, found: Mapping[str, float]) -> None:
        """Take over medical shares where they are higher."""
        self.everyday.update(shares_with_sharp_s(found, self.everyday))
        for word, share in found.items():
            self.medical[word] = max(share, self.medical.get(word, 0.0))

    def add_rare(self, found: Mapping[str, float]) -> None:
        """Take over medical shares of rare words that have none yet."""
        for word, share in found.items():
            if word not in self.medical and is_rare(word, self.everyday):
                self.rare[word] = max(share, self.rare.get(word, 0.0))

    def telling(self, weight: float = MIN_TELLING_WEIGHT) -> dict[str, float]:
        """The medical shares of the words that have this weight or more."""
        return {
            word: share
            for word, share in (self.medical | self.rare).items()
            if weight_of(share, self.everyday.get(word, 0.0)) >= weight
        }

    def weights(self, neutral: Collection[str]) -> dict[str, float]:
        """Word -> weight. A `neutral` word has no negative weight."""
        rare_words = [word for word in self.everyday if is_rare(word, self.everyday)]
        rare_forms = with_other_forms(self.rare, rare_words)
        forms = with_other_forms(self.telling(), self.everyday)
        completed = rare_forms | forms | self.medical
        return weigh_shares(completed, neutral, self.everyday)


def weights_by_language(
    dictd: Path, english: Mapping[str, float], strong_english: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Language -> word -> weight, for every language but English.

    `english`: the medical shares of English words that are more medical than everyday, and
    `strong_english` those whose translations are medical too: "initial" and "unilateral" stand in
    ontologies, and their translations in everyday texts.
    """
    by_language: dict[str, LanguageShares] = {}
    for language in LANGUAGES:
        if language != "en":
            everyday = all_frequencies(language)
            cognates = cognate_shares(english, language, everyday)
            by_language[language] = LanguageShares(everyday, cognates, rare={})

    entries = list(german_medical_entries())
    in_entries = shares(text for entry in entries for text in entry)
    by_language["de"].add(in_entries)
    by_language["de"].add(headword_shares(entries, in_entries))
    _hand_on(dictd, by_language)
    _hand_on_to_rare_words(dictd, by_language, strong_english)

    tables: dict[str, dict[str, float]] = {}
    for language, of_language in by_language.items():
        neutral = in_entries.keys() if language == "de" else frozenset[str]()
        tables[language] = of_language.weights(neutral)
    return tables


def headword_shares(
    entries: Iterable[tuple[str, str]], in_entries: Mapping[str, float]
) -> dict[str, float]:
    """The medical shares of the headwords of some entries, in lower case.

    A headword is medical itself, however often it stands in the other entries. `in_entries` has the
    share of each word in them.
    """
    found = {}
    for headword, _ in entries:
        word = headword.lower()
        found[word] = max(HEADWORD_SHARE, in_entries.get(word, 0.0))
    return found


def _hand_on(dictd: Path, by_language: Mapping[str, LanguageShares]) -> None:
    """Give the translations of medical words the medical shares of these words."""
    for source, target in TRANSLATED:
        known, learned = source, target
        if source == "nl":  # no dictionary translates into Dutch
            known, learned = target, source
        pairs = word_pairs(dictd, known, learned, headwords=source)
        by_language[learned].add(translated_shares(by_language[known].telling(), pairs))


def _hand_on_to_rare_words(
    dictd: Path, by_language: Mapping[str, LanguageShares], strong_english: Mapping[str, float]
) -> None:
    """Do the same with more dictionaries, from strong words to rare words."""
    for known, learned, explained in RARE_TRANSLATED:
        strong = strong_english if known == "en" else by_language[known].telling(STRONG)
        pairs = word_pairs(dictd, known, learned, explained)
        by_language[learned].add_rare(translated_shares(strong, pairs))


def cognate_shares(
    english: Mapping[str, float], language: str, words: Iterable[str]
) -> dict[str, float]:
    """Word -> the medical share of its English cognates, for the words of a language."""
    by_skeleton: dict[str, float] = defaultdict(float)
    for word, share in english.items():
        bones = skeleton(word, "en")
        if bones:
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


def clear_cognates(
    names: Iterable[str], language: str, frequency: Mapping[str, float]
) -> Iterator[str]:
    """The rare words of a language that are cognates of clear English names."""
    skeletons = {skeleton(name, "en") for name in names}
    skeletons.discard("")  # of a name that is too short to have one
    for word in frequency:
        may_be_clear = len(word) >= MIN_CLEAR_CHARS and is_rare(word, frequency)
        if may_be_clear and skeleton(word, language) in skeletons:
            yield word


def translated_shares(
    medical: Mapping[str, float], pairs: Iterable[tuple[str, str]]
) -> dict[str, float]:
    """Translation -> the share of the medical word that it translates.

    Of a translation of several words, each long word has the share.
    """
    translated: dict[str, float] = {}
    for source, target in pairs:
        if source not in medical:
            continue
        words = WORD.findall(target)
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


def shares_with_sharp_s(
    words: Iterable[str], frequency: Mapping[str, float]
) -> Mapping[str, float]:
    """The everyday shares of those of the words that are written with "ß".

    wordfreq folds case, and writes "grösse" for "größe". Without this every such word would seem to
    be one that nobody uses.
    """
    found = {}
    for word in words:
        known = word.replace("ß", "ss")
        if "ß" in word and known in frequency:
            found[word] = frequency[known]
    return found
