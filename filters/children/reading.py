"""A text as one language reads it: its words about children, its names and its ages, with places.

A place is (start, end): the characters [start, end) of the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from filters.children.ages import Age
from filters.folding import with_blanks

MAX_CHARS = 2_000  # of a text that are read
# Each of these kinds of terms, and an age, may be a sign.
SIGN_KINDS = (
    "clear", "child", "youth", "school", "class", "pupil", "birthday", "born", "junior", "team",
)  # fmt: skip
Place = tuple[int, int]
# A name is part of a sign with a number beside it, or with a term of this kind before it.
BEFORE_NAME = "little_name"
DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Reading:
    """A text as one language reads it.

    - `text`: in lower case, with one blank for dashes and white space. `cased`: the same with its
      capitals, of the same length.
    - `is_known`: whether the text is known to be of this language.
    - `terms`: kind of terms.yaml -> places. `ages`: ages up to 17 years.
    - `names`: given names. `maybe_names`: these, and words that are also places or other things.
    """

    text: str
    cased: str
    language: str
    is_known: bool
    terms: Mapping[str, Sequence[Place]]
    names: Sequence[Place]
    maybe_names: Sequence[Place]
    ages: Sequence[Age]

    def places(self, *kinds: str) -> list[Place]:
        """The places of the terms of some kinds."""
        return [place for kind in kinds for place in self.terms[kind]]


def may_have_signs(kinds: Set[str], has_age: bool, has_name: bool, has_digit: bool) -> bool:
    """Whether there is anything in a text from which a sign could be put together.

    `kinds`: those of its terms.
    """
    of_name = has_name and (has_digit or BEFORE_NAME in kinds)
    return has_age or of_name or not kinds.isdisjoint(SIGN_KINDS)


def folded_with_capitals(text: str) -> tuple[str, str]:
    """A text in lower case and as it is, both with one blank for each run of dashes and blanks."""
    cased = with_blanks(text)
    lower = cased.lower()
    # a few letters, such as the capital dotted I, become two
    return lower, cased if len(lower) == len(cased) else lower


def gap(place: Place, other: Place) -> int:
    """Characters between two places; 0 where they touch or overlap."""
    return max(place[0] - other[1], other[0] - place[1], 0)


def is_near(place: Place, others: Sequence[Place], most: int) -> bool:
    """Whether another place is at most so many characters apart, and does not overlap."""
    return any(
        gap(place, other) <= most and not (place[0] < other[1] and other[0] < place[1])
        for other in others
    )


def follows(place: Place, others: Sequence[Place], most: int = 1) -> bool:
    """Whether a place stands at most so many characters behind one of the others."""
    return any(0 <= place[0] - end <= most for _, end in others)


def is_followed(place: Place, others: Sequence[Place], most: int = 1) -> bool:
    """Whether one of the others stands at most so many characters behind a place."""
    return any(0 <= start - place[1] <= most for start, _ in others)
