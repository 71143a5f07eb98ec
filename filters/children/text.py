"""Judge whether a text is about children: the judge of captions, headlines and published rows.

Few words are about a child alone: "Kids bedroom", "Class A" and "12 years old" are not. So the
words of terms.yaml, given names and ages are put together (signs.py), within one language each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from filters.children.ages import find_ages
from filters.children.names import find_names
from filters.children.reading import (
    MAX_CHARS,
    SIGN_KINDS,
    Reading,
    folded_with_capitals,
    gap,
)
from filters.children.signs import Sign, find_signs
from filters.children.terms import LANGUAGES, extra_terms, vocabulary
from filters.medical.terms import Term

# What CLD3 finds in a shorter text is often wrong, except English.
MIN_CHARS_OF_LANGUAGE = 40
GOODS_CHARS = 30  # between a sign and what is sold: some five words


@dataclass(frozen=True, slots=True)
class ChildText:
    """What in a text is about children: kinds of clear signs, and of weak ones; both sorted.

    They are names of signs and never words of the text, which may name a child.
    """

    clear: tuple[str, ...]
    weak: tuple[str, ...]


@dataclass(frozen=True)
class ChildJudge:
    """Judges texts; made by `make_child_judge`. `extra`: terms of a config."""

    extra: tuple[Term, ...] = ()

    def judge(self, text: str, language: str) -> ChildText:
        """Judge a text. `language`: its code; one that is not shipped stands for unknown.

        A short text is read in every language, unless it is English. What one language defuses
        then counts in none.
        """
        text = text[:MAX_CHARS]
        clear: set[str] = set()
        weak: set[str] = set()
        for reading in self._readings(text, language):
            for sign in find_signs(reading):
                (clear if _is_clear(sign, reading) else weak).add(sign.what)
        return ChildText(tuple(sorted(clear)), tuple(sorted(weak - clear)))

    def _readings(self, text: str, language: str) -> Iterator[Reading]:
        lower, cased = folded_with_capitals(text)
        is_long = len(text) >= MIN_CHARS_OF_LANGUAGE
        is_sure = language == "en" or (language in LANGUAGES and is_long)
        languages = (language,) if is_sure else LANGUAGES
        words = vocabulary(languages, self.extra)
        matches = words.find(lower)
        names = find_names(cased)
        # As `Reading.may_have_signs`, in all languages at once: most texts have none of these.
        has_something = bool(names[0]) or any(match.term.kind in SIGN_KINDS for match in matches)
        for code in languages:
            ages = find_ages(lower, code)
            if not has_something and not ages:
                continue
            is_known = code == language
            terms = words.by_kind(matches, code, is_known)
            yield Reading(lower, cased, code, is_known, terms, *names, ages)


def _is_clear(sign: Sign, reading: Reading) -> bool:
    """Whether a sign is enough alone, with regard to what is sold, drawn or built beside it."""
    if sign.undone_by is None or not sign.clear:
        return sign.clear
    things = reading.places(*sign.undone_by)
    return not any(gap(sign.place, thing) <= GOODS_CHARS for thing in things)


@lru_cache(4)
def make_child_judge(terms: Iterable[str] = (), defused: Iterable[str] = ()) -> ChildJudge:
    """The judge with the shipped lists and these terms, which count in every language."""
    return ChildJudge(extra_terms(terms, defused))
