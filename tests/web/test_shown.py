"""What others wrote is shown without letters that change how the rest is seen; Unicode's own table
says which these are.
"""

from __future__ import annotations

import sys
import unicodedata

import pytest

from pairsieve.web.shown import INVISIBLE, JOINERS, plain


def test_of_every_letter_its_category_decides():
    for letter in map(chr, range(sys.maxunicode + 1)):
        is_shown = unicodedata.category(letter) not in INVISIBLE or letter in JOINERS
        assert plain(letter) == (letter if is_shown else "\ufffd"), hex(ord(letter))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\ufffdb"),
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("user\u202egnp.exe", "user\ufffdgnp.exe"),
        ("two\u2028lines\u2029", "two\ufffdlines\ufffd"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("a\u00a0b", "a\u00a0b"),
        ("\ud83d", "\ufffd"),
    ],
)
def test_what_is_shown(text, shown):
    assert plain(text) == shown


def test_long_texts_are_cut_off():
    assert plain("x" * 10, max_chars=4) == "xxxx…"
    assert plain("\n" * 10, max_chars=4) == "\ufffd" * 4 + "…"
