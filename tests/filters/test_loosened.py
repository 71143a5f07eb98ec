"""Whatever Python finds in a text, the loosened pattern finds in it."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.children.ages import age_forms
from filters.children.signs import (
    CLASS_LETTER,
    CLASS_NUMBER,
    GERMAN_PERSON,
    NUMBER_BEHIND_NAME,
    WEIGHT,
    YOUTH_TEAM,
)
from filters.children.terms import LANGUAGES
from filters.loosened import CannotLoosen, loosened, rows_with
from filters.privacy.accounts import CARD_FORM, IBAN_FORM
from filters.privacy.email import EMAIL_FORMS
from filters.privacy.identity import BIRTH_FORM
from filters.privacy.places import ADDRESS_FORM, IP_FORM
from tests.support.frozen_texts import frozen_texts

# Behind these come ideographs, marks and what is private.
CHARACTERS = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
ONE_CHARACTER = [
    r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r".", r"[^\W\d_]", r"[^\W\d_a-z]", r"[\w.+%-]", "[@＠]",
    r"[\[({]", r"[^\d]", "é", "[а-я]", "ß", "[^x]", "ﬀ",
    *"aiksz",
]  # fmt: skip
FLAGS = [re.NOFLAG, re.IGNORECASE, re.ASCII, re.IGNORECASE | re.ASCII, re.DOTALL]
PATTERNS = [
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?![A-Za-z0-9])",
    r"(?<!\w)(?<!\d[.,])a(?:b|c(?=d))*?(?P<sign>[-.])e(?P=sign)(?!\w|\.[A-Z]\b)",
    r"^tel:|(?<![a-z])fax=|\bx\b$",
    r"(?i:straße|[k-m]{1,3}) ?İ?",
    r"a{1001}|b{0,1002}c",
    r"[^\W\d_]{2,}\s+\S",
    r"a(?=b|$)|(?:c(?=d?$)(?=d)|f\Z|g^|h)",
    r"(?m:a$)|a(?:b(?=c(?=[de]$)))",
    r"a(?=b)(?!c)",
    r"(a)?(?(1)b|c)|(?>d+)e++",
]


def column(texts):
    return pa.chunked_array([texts], pa.string())


@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_every_character_that_a_class_matches(flags):
    characters, whole = column(CHARACTERS), "".join(CHARACTERS)
    for written in ONE_CHARACTER:
        pattern = re.compile(written, flags)
        may = np.flatnonzero(rows_with(characters, pattern))
        missed = set(pattern.findall(whole)) - {CHARACTERS[number] for number in may}
        assert not missed, written


def test_it_is_not_looser_than_it_must_be():
    assert rows_with(column(["٣", "é", "-"]), re.compile(r"\d")).tolist() == [True, False, False]
    hexes = re.compile(r"(?<![0-9a-f])ab\d(?![0-9a-f])")
    assert rows_with(column(["xab1x", "fab1", "ab12", None]), hexes).tolist() == [
        True,
        False,
        False,
        False,
    ]
    behind = re.compile(r"a(?=[,;]|[.]?$)")
    texts = ["a,", "a", "a.", "a.\n", "ab", "a. b"]
    assert rows_with(column(texts), behind).tolist() == [True, True, True, True, False, False]
    assert rows_with(column(["STRASSE", "ﬆraße"]), re.compile("s", re.I)).tolist() == [True, False]


@pytest.mark.parametrize("written", PATTERNS[:-1])
@given(st.data())
def test_whatever_python_finds(written, data):
    for flags in (re.NOFLAG, re.IGNORECASE):
        pattern = re.compile(written, flags)
        core = data.draw(st.from_regex(pattern))
        text = data.draw(st.text(max_size=3)) + core + data.draw(st.text(max_size=3))
        texts = [text.encode("utf-8", "ignore").decode(), core.encode("utf-8", "ignore").decode()]
        for one, found in zip(texts, rows_with(column(texts), pattern), strict=True):
            assert found or pattern.search(one) is None


def test_what_is_not_known_is_refused():
    with pytest.raises(CannotLoosen):
        loosened(re.compile(PATTERNS[-1]))


def test_the_patterns_of_detectors_on_all_frozen_texts():
    ages = [form for language in LANGUAGES for form in age_forms(language).patterns.values()]
    signs = (CLASS_LETTER, CLASS_NUMBER, GERMAN_PERSON, NUMBER_BEHIND_NAME, WEIGHT, YOUTH_TEAM)
    forms = (*EMAIL_FORMS, CARD_FORM, IBAN_FORM, BIRTH_FORM, ADDRESS_FORM, IP_FORM, *ages, *signs)
    texts = frozen_texts()
    for form in forms:
        found = rows_with(column(texts), form)
        missed = [t for t, may in zip(texts, found, strict=True) if not may and form.search(t)]
        assert not missed, form.pattern


def test_only_some_rows_are_looked_at():
    among = np.array([False, True, True])
    found = rows_with(column(["a1", "a", "a2"]), re.compile(r"\d"), among=among)
    assert found.tolist() == [False, False, True]


def test_some_patterns_in_one_pass():
    a, upper, b = re.compile("a"), re.compile("a", re.IGNORECASE), re.compile("b|c(?!c)")
    texts = column(["A", "a", "b", "c", "d"])
    assert rows_with(texts, (a, b)).tolist() == [False, True, True, True, False]
    assert rows_with(texts, (b, upper)).tolist() == [True, True, True, True, False]
