"""Which of many texts may have a clear sign of a child, looked for by whole columns.

Most texts hold no word that a sign begins with, and `may_have_signs` passes over them. `Glance`
looks at the others: each of its looks stands for one of signs.py, and finds what every clear sign
of that kind is put together from, wherever that stands in the text. What is near what is left to
the judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from filters.batch import RowMask
from filters.children.ages import BEFORE, MONTHS, PEOPLE, YEARS, age_forms
from filters.children.names import WORD, folded_sure_names, is_name, is_sure_name
from filters.children.reading import BEFORE_NAME, DIGIT
from filters.children.signs import (
    CLASS_LETTER,
    CLASS_NUMBER,
    GERMAN_PERSON,
    NUMBER_BEHIND_COMMA,
    NUMBER_BEHIND_NAME,
    OWN_CHARS,
    WEIGHT,
    YOUTH_TEAM,
)
from filters.joined_texts import JoinedTexts, WordsByRuns, find_words
from filters.loosened import rows_with
from filters.medical.term_words import TermWords
from filters.places import Places, both, no_places

# In the same text, directly behind a place that ends with a word.
_WORD_BEHIND = re.compile(rf"(?:[^\w\0]|[\d_]){{0,2}}({WORD.pattern})")


def may_have_signs(words: WordsByRuns, with_digits: RowMask, of_signs: TermWords) -> RowMask:
    """Which of many texts have words from which a sign could be put together; see reading.py.

    - `words`: the runs of letters in the folded texts. `with_digits`: the texts that have a digit.
    - `of_signs`: what `sign_words` makes.
    """
    found = np.zeros(words.texts, np.bool_)
    beside_name = with_digits.copy()
    for kind, mask in of_signs.rows_by_kind(words).items():
        if kind == BEFORE_NAME:
            beside_name |= mask
        else:
            found |= mask
    names = folded_sure_names()
    return found | (beside_name & words.texts_with(names.__contains__))


def with_ages(lower: JoinedTexts, languages: Sequence[str], *kinds: str) -> RowMask:
    """Which of many texts may have an age; `find_ages` finds none in others.

    `kinds` of ages.yaml; all of them where none is given.
    """
    found = np.zeros(lower.number, np.bool_)
    for code in languages:
        forms = age_forms(code).patterns
        patterns = tuple(forms[kind] for kind in forms if kind in (kinds or forms))
        if patterns:
            found |= rows_with(lower.column, patterns)
    return found


def _with_pattern(texts: JoinedTexts, pattern: re.Pattern[str], among: RowMask) -> RowMask:
    """Those of some texts in which a pattern is found."""
    found = rows_with(texts.column, pattern, among=among)
    rows = np.flatnonzero(found)
    found[rows] = [pattern.search(texts.texts[row]) is not None for row in rows.tolist()]
    return found


@dataclass(frozen=True)
class Glance:
    """Many texts, as the judge reads them.

    - `lower`: in lower case, with one blank for dashes and white space. `cased`: the same with
      their capitals.
    - `places_by_kind`: kind of terms.yaml -> the places that may be terms of it, in whole words.
    - `languages`: those in which the texts are read.
    """

    lower: JoinedTexts
    cased: JoinedTexts
    places_by_kind: Mapping[str, Places]
    languages: Sequence[str]

    def may_be_clear(self) -> RowMask:
        """Which texts may have a clear sign; `find_signs` finds none in any other text."""
        return self.lower.any(
            [
                self._has("clear", "school"),
                self._children(),
                self._pupils(),
                self._classes(),
                self._ages_of_somebody(),
                self._names_with_numbers & self._sure_names,
                self._has("birthday") & (self._child | self._sure_names),
                self._births(),
                self._teams(),
            ]
        )

    def _children(self) -> RowMask:
        child = self._places("child")
        children = both(child, self._places("youth"))
        little_names = self._places("little_name")
        return self.lower.any(
            [
                self._places("own").followed_by(children, 0, OWN_CHARS),
                self._places("little").followed_by(child, 0, 1),
                self._followed_by_name(children, is_name),
                children.followed_by(self._places("doing"), 0, 1),
                child.followed_by(self._places("acts"), 0, 1),
                self._followed_by_name(little_names, is_sure_name),
            ]
        )

    def _followed_by_name(self, places: Places, is_such: Callable[[str], bool]) -> RowMask:
        """The texts with such a word directly behind a place."""
        found = (_WORD_BEHIND.match(self.cased.joined, end) for end in places.ends.tolist())
        chosen = [match is not None and is_such(match[1]) for match in found]
        return places.only(np.array(chosen, np.bool_)).mask

    def _pupils(self) -> RowMask:
        # a school is a sign by itself
        return (self._child | self._has("pupil")) & (self._has("class") | self._class_letters)

    def _classes(self) -> RowMask:
        classes = self._has("class")
        of_somebody = self._sure_names | self._has("outing")
        numbered = self._find(CLASS_NUMBER, among=classes)
        is_clear = classes & (self._has("teacher") | self._class_letters)
        return is_clear | ((numbered | self._class_letters) & of_somebody)

    def _ages_of_somebody(self) -> RowMask:
        owners = self._child | self._names | self._has("person", "pupil")
        is_clear = (self._ages & owners) | with_ages(self.lower, self.languages, PEOPLE)
        if "de" in self.languages:
            is_clear |= rows_with(self.cased.column, GERMAN_PERSON)
        return is_clear

    def _births(self) -> RowMask:
        births = self._has("born")
        return self._find(WEIGHT, among=births) | (births & self._child & self._sure_names)

    def _teams(self) -> RowMask:
        teams = self._child | self._has("team")
        return teams & (self._has("junior") | self._find(YOUTH_TEAM, among=teams))

    def _has(self, *kinds: str) -> RowMask:
        return self.lower.any(self._places(kind).mask for kind in kinds)

    def _places(self, kind: str) -> Places:
        return self.places_by_kind.get(kind) or no_places(self.lower)

    def _find(self, pattern: re.Pattern[str], among: RowMask) -> RowMask:
        return _with_pattern(self.lower, pattern, among)

    @cached_property
    def _child(self) -> RowMask:
        return self._has("child", "youth")

    @cached_property
    def _digits(self) -> RowMask:
        return rows_with(self.lower.column, DIGIT)

    @cached_property
    def _class_letters(self) -> RowMask:
        return self._find(CLASS_LETTER, among=self._digits)

    @cached_property
    def _names_with_numbers(self) -> RowMask:
        # English pages write the numbers of players' shirts in brackets
        is_english = tuple(self.languages) == ("en",)
        pattern = NUMBER_BEHIND_COMMA if is_english else NUMBER_BEHIND_NAME
        return _with_pattern(self.cased, pattern, self._digits)

    @cached_property
    def _ages(self) -> RowMask:
        return with_ages(self.lower, self.languages, YEARS, MONTHS, BEFORE)

    @cached_property
    def _names(self) -> RowMask:
        return self._names_and_sure_names[0]

    @cached_property
    def _sure_names(self) -> RowMask:
        return self._names_and_sure_names[1]

    @cached_property
    def _names_and_sure_names(self) -> tuple[RowMask, RowMask]:
        """Which texts may have a name, and one that is no other word, where a sign needs one."""
        among = self._child | self._has("little_name", "birthday", "class")
        among |= self._class_letters | self._names_with_numbers | self._ages
        rows = np.flatnonzero(among)
        names, sure_names = among.copy(), among.copy()
        if rows.size:
            words = find_words(self.cased.of(rows), WORD)
            names[rows] = words.texts_with(is_name)
            sure_names[rows] = words.texts_with(is_sure_name)
        return names, sure_names
