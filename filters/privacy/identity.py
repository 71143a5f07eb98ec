"""Find national identity and tax numbers, and dates of birth."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module

from filters.batch import RowMask
from filters.folding import folded_words
from filters.loosened import rows_with
from filters.privacy.national_numbers import Identifier, behind_word, without_word
from filters.rule import Span
from filters.text_batch import TextBatch

_WINDOW = 40  # characters behind a word in which its number may begin
_DEVANAGARI = "\u0900"  # the scripts of India and of East Asia begin here
_LONGEST = 40  # characters, more than any number with its separators has
_WORD = re.compile(r"[^\W\d_]+")

_MONTH = (
    r"(?:jan|ene|gen|sty|feb|fév|fev|lut|mar|mär|maa|mrt|abr|apr|avr|kwi|mai|may|maj|mei|mag|jun|juin|juni|giu|cze|jul|juil|lug|lip"
    r"|aug|aou|aoû|ago|sie|sep|set|wrz|oct|okt|ott|out|paź|nov|lis|dec|dez|déc|dic|gru)[^\W\d_]{0,9}\.?"
)
_YEAR = r"(?:19|20)\d{2}"
_DATE = (
    rf"(?:\d{{1,2}}[./-]\s?\d{{1,2}}[./-]\s?{_YEAR}|{_YEAR}[./-]\d{{1,2}}[./-]\d{{1,2}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|er|\.|º|°)?[ -](?:of |de )?{_MONTH},?[ -](?:de |del )?{_YEAR}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR})"
)
_BORN = (
    r"(?<!\w)(?:born|b\.|birth ?(?:date|day)|date of birth|d\.?o\.?b\.?"
    r"|geboren(?: am| op)?|geb\.|geburtsdatum|geburtstag|née?(?: le)?"
    r"|date de naissance|nacid[oa](?: el)?|(?:fecha|data) d[ei] na\w+"
    r"|nat[oa](?: il)?|nascid[oa](?: em)?|data de nascimento"
    r"|urodzon[ya]|ur\.|data urodzenia|geboortedatum)(?!\w)"
)
BIRTH_FORM = re.compile(rf"{_BORN}[^\d]{{0,20}}?(?<!\d)(?P<date>{_DATE})(?!\d)", re.IGNORECASE)


def identity_spans(text: str) -> Iterator[Span]:
    """National numbers that python-stdnum takes for valid.

    Most of them count only behind a word that announces them, because their check digits are weak
    or their form is common (`filters/privacy/national_numbers.py`).
    """
    if _any_form().search(text):
        for identifier in without_word():
            for match in _whole_number(identifier.form).finditer(text):
                if is_valid(identifier, match[0]):
                    yield Span("NATIONAL_ID", match.start(), match.end())
    for identifier, start in _announced(text):
        yield from _behind(text, identifier, start)


def may_have_identity(texts: TextBatch, among: RowMask) -> RowMask:
    """Which of many texts may have a national number; `identity_spans` finds none in others.

    Only texts of the mask `among` are looked at.
    """
    found = rows_with(texts.column, _any_form(), among=among)
    announced = rows_with(texts.column, _joined_words(), among=among & ~found)
    announced |= among & ~found & texts.with_words(_folded_words())
    # last, since these forms take longest
    return found | rows_with(texts.column, _any_announced_form(), among=announced)


def _identifiers_behind(word: str) -> Sequence[Identifier]:
    """The kinds of numbers that a word announces."""
    words = _identifiers_by_word()
    # a word of the table in capitals is one in capitals only
    return words.get(word) or words.get(word.lower(), ())


def _announced(text: str) -> Iterator[tuple[Identifier, int]]:
    """Each kind of number that a word announces, and where that word ends."""
    for word in _WORD.finditer(text):
        for identifier in _identifiers_behind(word[0]):
            yield identifier, word.end()
    words = _identifiers_by_word()
    for match in _joined_words().finditer(text):
        for identifier in words[match[0]]:
            yield identifier, match.end()


def _behind(text: str, identifier: Identifier, start: int) -> Iterator[Span]:
    """The first number of this kind that begins in the window behind a word."""
    last = start + _WINDOW
    for match in _whole_number(identifier.form).finditer(text, start, last + _LONGEST):
        if match.start() <= last and is_valid(identifier, match[0]):
            yield Span("NATIONAL_ID", match.start(), match.end())
            return


def is_valid(identifier: Identifier, number: str) -> bool:
    """Whether python-stdnum takes a number for one of this kind."""
    if not identifier.checked_by:
        return True
    try:
        return _check(identifier.checked_by)(number)
    except LookupError:
        # stdnum.cn.ric 2.2 does so where a region of its table has no counties
        return False


@lru_cache(None)
def _check(module: str) -> Callable[[str], bool]:
    check: Callable[[str], bool] = import_module(f"stdnum.{module}").is_valid
    return check


@lru_cache(1)
def _identifiers_by_word() -> Mapping[str, Sequence[Identifier]]:
    by_word = defaultdict(list)
    for identifier in behind_word():
        for word in identifier.words:
            by_word[word].append(identifier)
    return dict(by_word)


@lru_cache(1)
def _folded_words() -> frozenset[str]:
    """The words that announce numbers, folded; those in capitals announce none in lower case."""
    return frozenset(map(folded_words, _identifiers_by_word()))


@lru_cache(1)
def _joined_words() -> re.Pattern[str]:
    """Words of scripts that put no blanks between words, or marks inside them."""
    joined = [
        word for word in _identifiers_by_word() if not _WORD.fullmatch(word) or word > "\u0900"
    ]
    return re.compile("|".join(map(re.escape, joined)))


@lru_cache(1)
def _any_form() -> re.Pattern[str]:
    return _whole_number("|".join(identifier.form for identifier in without_word()))


@lru_cache(1)
def _any_announced_form() -> re.Pattern[str]:
    """What is in every text that has a national number behind a word."""
    forms = "|".join(f"(?:{identifier.form})" for identifier in behind_word())
    return re.compile(forms, re.ASCII)


@lru_cache(None)
def _whole_number(form: str) -> re.Pattern[str]:
    """The form where it is not part of a longer word or number."""
    return re.compile(rf"(?<![A-Za-z0-9_.-])(?:{form})(?![A-Za-z0-9_-])", re.ASCII)


def birth_spans(text: str) -> Iterator[Span]:
    """Full dates since 1900 after a word for birth, in the shipped languages."""
    for match in BIRTH_FORM.finditer(text):
        yield Span("BIRTH_DATE", match.start("date"), match.end("date"))
