"""Find ages up to 17 years in a text, as each language writes them (ages.yaml).

An age alone says nothing about a child: whisky has one too. text.py looks whose age it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import yaml

from filters.medical.automaton import Automaton, Term, make_automaton

MAX_YEARS = 17  # United Nations, Convention on the Rights of the Child, article 1: below 18
MAX_SMALL_UNITS = 36  # months, weeks or days; ages of older children are said in years
# The kinds of forms in ages.yaml. BEFORE stands before its person; PEOPLE is a person itself.
YEARS, MONTHS, BEFORE, PEOPLE = "years", "months", "before", "people"
ORDINALS = r"\d{1,2} ?(?:st|nd|rd|th|º|ª|°|e|er|ème|ste|de|\.)"
_WORD_CHAR = r"(?:[^\W_])"


@dataclass(frozen=True, slots=True)
class Age:
    """Characters [start, end) of a text that are an age.

    `kind`: YEARS or MONTHS behind a person, BEFORE ("the six-year-old Ann"), or PEOPLE.
    """

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class AgeForms:
    """How one language writes ages: kind -> pattern, and the value of each number word.

    `ordinals` matches "first" to "seventeenth", and "7th".
    """

    patterns: Mapping[str, re.Pattern[str]]
    values: Mapping[str, int]
    ordinals: re.Pattern[str]

    def find(self, text: str) -> Iterator[Age]:
        """The ages of children in a text in lower case, where "-" and " " are the same."""
        for kind, pattern in self.patterns.items():
            limit = MAX_SMALL_UNITS if kind == MONTHS else MAX_YEARS
            for match in pattern.finditer(text):
                number = next(group for group in match.groups() if group)
                value = int(number) if number.isdecimal() else self.values[number]
                if 0 < value <= limit:
                    yield Age(match.start(), match.end(), kind)

    def has_young_ordinal(self, text: str) -> bool:
        """Whether a text has an ordinal or a number of a birthday up to the seventeenth."""
        for match in self.ordinals.finditer(text):
            digits = re.match(r"\d+", match[0])
            if digits is None or 0 < int(digits[0]) <= MAX_YEARS:
                return True
        return False


@lru_cache(1)
def _lists() -> Mapping[str, Mapping[str, str]]:
    """Language -> kind of forms -> entries separated by commas."""
    text = files("filters.children").joinpath("ages.yaml").read_text("utf-8")
    lists: Mapping[str, Mapping[str, str]] = yaml.safe_load(text)
    return lists


def _kinds_of_ages(language: str) -> list[str]:
    return [kind for kind in (YEARS, MONTHS, BEFORE, PEOPLE) if kind in _lists()[language]]


@lru_cache(16)  # one entry a language
def age_forms(language: str) -> AgeForms:
    """The forms of a language that ages.yaml has. Raises KeyError for another one."""
    lists = _lists()[language]
    values: dict[str, int] = {}
    for value, words in enumerate(_entries(lists["numbers"]), start=1):
        values.update(dict.fromkeys(words.split("/"), value))
    # the longest first: "sixteen" begins with "six"
    words = "|".join(sorted(map(re.escape, values), key=len, reverse=True))
    number = rf"(\d{{1,2}}|{words})"
    patterns: dict[str, re.Pattern[str]] = {}
    for kind in _kinds_of_ages(language):
        forms = (_pattern(form, number) for form in _entries(lists[kind]))
        patterns[kind] = _whole_words("|".join(forms))
    ordinals = [_pattern(word, number) for word in _words(lists["ordinals"])]
    return AgeForms(
        patterns,
        values,
        ordinals=_whole_words("|".join([*ordinals, ORDINALS, r"\d{1,2}"])),
    )


def find_ages(text: str, languages: tuple[str, ...]) -> dict[str, tuple[Age, ...]]:
    """Language -> the ages of children in a folded text, as the language writes them.

    A language is missing where the text has none of the words that it writes beside a number, as
    most texts have.
    """
    having_word = {hit.term.language for hit in _automaton(languages).hits(text)}
    return {code: tuple(age_forms(code).find(text)) for code in having_word}


@lru_cache(16)  # one language each, or all of them
def _automaton(languages: tuple[str, ...]) -> Automaton:
    return make_automaton(words_beside_numbers(languages))


def words_beside_numbers(languages: tuple[str, ...]) -> list[Term]:
    """The longest part of each form of an age that is no number: "years old" of "# years old"."""
    return [
        _longest_part(form, code)
        for code in languages
        for kind in _kinds_of_ages(code)
        for form in _entries(_lists()[code][kind])
    ]


def _longest_part(form: str, language: str) -> Term:
    parts = re.split("([#*])", form)
    part = max(parts, key=len)
    return Term(
        part,
        open_before=not form.startswith(part),
        open_behind=not form.endswith(part),
        kind="age",
        language=language,
    )


def _entries(listed: str) -> list[str]:
    return [entry.strip() for entry in listed.split(",")]


def _words(listed: str) -> list[str]:
    return [word for entry in _entries(listed) for word in entry.split("/")]


def _pattern(form: str, number: str) -> str:
    """The regular expression of a form; `#` is a number and `*` any letters."""
    escaped = re.escape(form).replace(r"\#", number).replace("#", number)
    return escaped.replace(r"\ ", " ").replace(r"\*", rf"{_WORD_CHAR}*")


def _whole_words(pattern: str) -> re.Pattern[str]:
    # a comma or point between digits belongs to one number: "1.5 years old"
    return re.compile(rf"(?<![\w])(?<!\d[.,])(?:{pattern})(?!\w)")
