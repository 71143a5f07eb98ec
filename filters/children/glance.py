"""Which of many texts may have a clear sign of a child, looked for by whole columns.

Most texts hold no word that a sign begins with, and `may_have_signs` passes over them. `Glance`
looks at the others: each of its looks stands for one of signs.py, and finds what every clear sign
of that kind is put together from, wherever that stands in the text. What is near what is left to
the judge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from filters.batch import RowMask
from filters.children.ages import BEFORE, MONTHS, PEOPLE, YEARS, age_forms
from filters.children.names import WORD, is_name, is_sure_name
from filters.children.reading import BEFORE_NAME, DIGIT
from filters.children.signs import (
    CLASS_LETTER,
    CLASS_NUMBER,
    GERMAN_PERSON,
    NUMBER_BEHIND_NAME,
    WEIGHT,
    YOUTH_TEAM,
)
from filters.joined_texts import JoinedTexts, Words, WordsByRuns, find_words, join_texts, words_in
from filters.loosened import rows_with
from filters.medical.terms import LETTERS, TermWords, with_blanks


def may_have_signs(runs: Words, with_digits: RowMask, words: TermWords) -> RowMask:
    """Which of many texts have words from which a sign could be put together; see reading.py.

    `runs` of the texts (filters/text_batch.py). `words`: what `sign_words` makes.
    """
    cased = join_texts(runs.distinct).changed(with_blanks)
    lower = cased.changed(str.lower)
    by_kind = words.rows_by_kind(WordsByRuns(words_in(lower, LETTERS), runs))
    none = np.zeros(runs.texts, np.bool_)
    with_part = with_digits | by_kind.get(BEFORE_NAME, none)
    found = none.copy()
    for kind in by_kind.keys() - {BEFORE_NAME}:
        found |= by_kind[kind]
    # Both forms of a text must be of one length, or nothing can be said of it.
    found |= runs.texts_with_any(lower.lengths != cased.lengths)
    return found | _with_sure_names(runs.of(with_part & ~found))


def _with_sure_names(runs: Words) -> RowMask:
    cased = join_texts(runs.distinct).changed(with_blanks)
    return runs.texts_with_any(words_in(cased, WORD).texts_with(is_sure_name))


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


@dataclass(frozen=True)
class Glance:
    """Many texts, as the judge reads them.

    - `lower`: in lower case, with one blank for dashes and white space. `cased`: the same with
      their capitals.
    - `rows_by_kind`: kind of terms.yaml -> the texts that may have a term of it.
    - `languages`: those in which the texts are read.
    """

    lower: JoinedTexts
    cased: JoinedTexts
    rows_by_kind: Mapping[str, RowMask]
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
        beside_child = self._has("own", "little", "doing", "acts") | self._names
        return (self._child & beside_child) | (self._has("little_name") & self._sure_names)

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
        return self.lower.any(self.rows_by_kind.get(kind) for kind in kinds)

    def _find(self, pattern: re.Pattern[str], among: RowMask) -> RowMask:
        return rows_with(self.lower.column, pattern, among=among)

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
        return rows_with(self.cased.column, NUMBER_BEHIND_NAME, among=self._digits)

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
