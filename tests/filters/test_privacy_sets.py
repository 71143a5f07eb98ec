"""The frozen sets of personal data; benchmarks/personal_data.py reports on them in full."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest

from filters.privacy.identity import is_valid
from filters.privacy.national_numbers import MOST_CHANCE, behind_word, without_word
from filters.privacy.spans import kinds_in_url, personal_spans
from tests.support.marked_captions import found_and_missed
from tests.support.privacy_sets import (
    announced_cards,
    announced_phones,
    lookalikes,
    marked_texts,
    urls,
)
from tests.support.random_text import marks, random_text, scrambled

SETS = {
    # Of each large set some texts, with a step that meets every line.
    "phones behind a word": lambda: announced_phones(True, 1009),
    "cards behind a word": lambda: islice(announced_cards(), 0, None, 7),
    "phones without a word": lambda: marked_texts("phone_plain.tsv"),
    "whole phones": lambda: marked_texts("phone_spans.tsv"),
    "ibans": lambda: marked_texts("ibans.tsv"),
    "national ids": lambda: marked_texts("national_ids.tsv"),
    "others": lambda: marked_texts("others.tsv"),
}


@pytest.mark.parametrize("name", SETS)
def test_recall_and_precision(name):
    found, missed, false = 0, 0, 0
    for text in SETS[name]():
        hits, misses, more = found_and_missed(personal_spans(text.text), list(text.marks))
        found, missed, false = found + len(hits), missed + len(misses), false + len(more)
    assert found >= 0.95 * (found + missed)
    assert found >= 0.98 * (found + false)
    assert found >= 18


def test_what_looks_alike_is_left():
    texts = [text.text for text in lookalikes()]
    marked = [text for text in texts if personal_spans(text)]
    assert len(marked) <= 0.03 * len(texts), marked


@pytest.mark.parametrize(("half", "kind", "url"), urls())
def test_urls(half, kind, url):
    assert kinds_in_url(url) == ({kind} if kind else set())


@pytest.mark.parametrize("number", without_word(), ids=lambda number: str(number.checked_by))
def test_random_numbers_hardly_pass(number):
    chance = random.Random(1)
    drawn = [scrambled(random_text(number.form, chance), chance) for _ in range(1000)]
    passed = [text for text in drawn if re.fullmatch(number.form, text) and is_valid(number, text)]
    # twice the limit, since a thousand draws measure no better
    assert sum(0.25 ** marks(text) for text in passed) <= 2 * MOST_CHANCE * len(drawn)


def test_a_table_of_stdnum_with_a_hole_ends_no_run():
    resident = next(number for number in behind_word() if number.checked_by == "cn.ric")
    assert not is_valid(resident, "426653797908228428")


def test_numbers_that_chance_writes_need_a_word():
    assert all(number.chance <= MOST_CHANCE for number in without_word())
    assert not any(number.words for number in without_word())
    assert all(number.words for number in behind_word())
    countries = {(number.checked_by or "gb").partition(".")[0] for number in behind_word()}
    assert len(countries) >= 40
