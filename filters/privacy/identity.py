"""Find national identity and tax numbers, and dates of birth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

from filters.rule import Span

_CUE_WINDOW = 40  # characters before a number in which its cue word may stand


@dataclass(frozen=True, slots=True)
class Identifier:
    """One kind of national number.

    - `form`: regular expression of how it is written.
    - `checked_by`: module of python-stdnum that checks its check digits; empty where it has none.
    - `cue`: regular expression of words of which one must stand before it. Empty where the form
      together with the check digits is rare enough without such a word.
    """

    form: str
    checked_by: str
    cue: str = ""


IDENTIFIERS = (
    Identifier(r"\d{3}-\d{2}-\d{4}", "stdnum.us.ssn", r"ssn|social security"),
    Identifier(
        r"[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]", "", r"national insurance|\bni\b|nino"
    ),
    Identifier(r"\d{3}[ -]?\d{3}[ -]?\d{4}", "stdnum.gb.nhs", r"\bnhs\b"),
    Identifier(r"\d{8}-?[A-Z]", "stdnum.es.dni"),
    Identifier(r"[XYZ]-?\d{7}-?[A-Z]", "stdnum.es.nie"),
    Identifier(
        r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}",
        "stdnum.fr.nir",
    ),
    Identifier(r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", "stdnum.it.codicefiscale"),
    Identifier(
        r"\d{2} ?\d{3} ?\d{3} ?\d{3}",
        "stdnum.de.idnr",
        r"steuer|\bidnr|identifikationsnummer|tax id",
    ),
    Identifier(r"\d{11}", "stdnum.pl.pesel", r"pesel"),
    Identifier(r"\d{3}\.\d{3}\.\d{3}-\d{2}", "stdnum.br.cpf"),
    Identifier(r"\d{11}", "stdnum.br.cpf", r"\bcpf\b"),
    Identifier(
        r"\d{4}\.?\d{2}\.?\d{3}", "stdnum.nl.bsn", r"\bbsn\b|burgerservicenummer|sofinummer"
    ),
    Identifier(r"\d{3} ?\d{3} ?\d{3}", "stdnum.pt.nif", r"\bnif\b|contribuinte"),
    Identifier(r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", "stdnum.be.nn"),
    Identifier(r"\d{11}", "stdnum.be.nn", r"rijksregister|registre national"),
    Identifier(
        r"(?:\d{2})?\d{6}[-+]?\d{4}",
        "stdnum.se.personnummer",
        r"person(?:al )?n(?:umme)?r|personal identity",
    ),
    Identifier(r"\d{6}[-+A-F]\d{3}[0-9A-Y]", "stdnum.fi.hetu"),
    Identifier(r"756\.\d{4}\.\d{4}\.\d{2}", "stdnum.ch.ssn"),
    Identifier(r"\d{13}", "stdnum.ch.ssn", r"\b(?:ahv|avs)\b"),
    Identifier(r"\d{17}[\dX]", "stdnum.cn.ric"),
    Identifier(r"\d{4} ?\d{4} ?\d{4}", "stdnum.in_.aadhaar", r"aadha+r"),
)

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
_BIRTH_DATE = re.compile(rf"{_BORN}[^\d]{{0,20}}?(?<!\d)(?P<date>{_DATE})(?!\d)", re.IGNORECASE)


def identity_spans(text: str) -> Iterator[Span]:
    """National numbers with correct check digits.

    A number whose form is common counts only after a word that announces it.
    """
    # one search for all forms, because most texts hold none of them
    if not _any_form().search(text):
        return
    for matcher in _matchers():
        for match in matcher.form.finditer(text):
            if matcher.is_announced(text, match.start()) and matcher.is_valid(match[0]):
                yield Span("NATIONAL_ID", match.start(), match.end())


@dataclass(frozen=True, slots=True)
class _Matcher:
    """An Identifier with compiled patterns and its check function."""

    form: re.Pattern[str]
    is_valid: Callable[[str], bool]
    cue: re.Pattern[str] | None

    def is_announced(self, text: str, start: int) -> bool:
        """Whether a cue word stands before `start`; always True where no cue is needed."""
        if self.cue is None:
            return True
        return self.cue.search(text, max(0, start - _CUE_WINDOW), start) is not None


@lru_cache(1)
def _any_form() -> re.Pattern[str]:
    return _whole_number("|".join(identifier.form for identifier in IDENTIFIERS))


@lru_cache(1)
def _matchers() -> tuple[_Matcher, ...]:
    return tuple(_matcher(identifier) for identifier in IDENTIFIERS)


def _matcher(identifier: Identifier) -> _Matcher:
    is_valid: Callable[[str], bool] = bool  # without check digits, every match is valid
    if identifier.checked_by:
        is_valid = import_module(identifier.checked_by).is_valid
    cue = re.compile(identifier.cue, re.IGNORECASE) if identifier.cue else None
    return _Matcher(_whole_number(identifier.form), is_valid, cue)


def _whole_number(form: str) -> re.Pattern[str]:
    """The form where it is not part of a longer word or number."""
    return re.compile(rf"(?<![\w.-])(?:{form})(?![\w-])", re.ASCII)


def birth_spans(text: str) -> Iterator[Span]:
    """Full dates since 1900 after a word for birth, in the shipped languages."""
    for match in _BIRTH_DATE.finditer(text):
        yield Span("BIRTH_DATE", match.start("date"), match.end("date"))
