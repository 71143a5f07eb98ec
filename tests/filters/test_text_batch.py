"""What is told of many texts at once is what is told of each alone."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filters.folding import folded, folded_words
from filters.joined_texts import BORDER, LETTERS, join_texts
from filters.medical.automaton import DEFUSED, Term, make_automaton
from filters.medical.term_words import DEFUSED_IN_WORD, make_term_words
from filters.medical.terms import shipped_phrases, shipped_terms
from filters.places import Places, both, in_order, no_places
from filters.text_batch import TextBatch, rows_by_key

PIECES = [
    "knee", "Knie", "swollen", "ray", "X-ray", "before", "ΟΔΟΣ", "οδος", "’", "ă", "Ă", "İ", "\u212a",
    "7", "٧", "²", "_", "–", "\xa0", " ", " ", " ", ",", "(", "@", "＠", "é", "日本", "\n", "a",
]  # fmt: skip
TERMS = [
    "knee",
    "x ray",
    "before",
    "οδος",
    "ray",
    "swollen knee",
    "knee's",
    "a",
    "7",
    "ã",
    "k",
    "日",
]
texts_of_one_batch = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join), min_size=1
)
terms = st.builds(
    Term,
    st.sampled_from(TERMS),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["words", "anatomy", DEFUSED]),
    st.just(""),
)


def batch_of(texts):
    return TextBatch(pa.chunked_array([texts], pa.string()))


@given(texts_of_one_batch)
def test_words_are_those_of_each_text(texts):
    words = batch_of(texts).words
    mask = np.arange(len(texts)) % 2 == 0
    for some, rows in ((words, range(len(texts))), (words.among(mask), np.flatnonzero(mask))):
        found = some.only(np.ones(len(some.distinct), np.bool_))
        for row in rows:
            of_text = [found.distinct[number] for number in found.numbers[found.rows == row]]
            assert of_text == LETTERS.findall(folded_words(texts[row]))
        assert some.times.tolist() == [
            int((found.numbers == number).sum()) for number in range(len(some.distinct))
        ]


@given(texts_of_one_batch)
def test_characters_are_those_of_each_text(texts):
    batch = batch_of(texts)
    assert batch.chars.tolist() == list(map(len, texts))
    assert batch.with_digits.tolist() == [bool(re.search(r"\d", text)) for text in texts]
    assert batch.with_ascii("(@").tolist() == ["(" in text or "@" in text for text in texts]
    with_at = batch.with_any("@", re.compile("＠"))
    assert with_at.tolist() == ["@" in text or "＠" in text for text in texts]
    assert batch.with_words({"knee", "日本"}).tolist() == [
        not {"knee", "日本"}.isdisjoint(LETTERS.findall(folded_words(text))) for text in texts
    ]
    longer = [len(text.lower()) > len(text) for text in texts]
    assert batch.longer_in_lower_case.tolist() == longer


def test_a_border_is_read_as_a_blank():
    batch = batch_of([f"a{BORDER}b", "c", None])
    assert batch.with_border.tolist() == [True, False, False]
    assert batch_of(["c", None]).with_border.tolist() == [False, False]
    assert batch.joined(np.array([0, 2])).texts == ["a b", ""]
    assert batch.with_words({"b"}).tolist() == [True, False, False]


def test_rows_by_language_and_length():
    languages = pa.chunked_array([["en", None], ["de", "en"]], pa.string())
    is_long = np.array([True, False, True, False])
    masks = rows_by_key(languages, is_long, lambda language, is_long: (language or "?", is_long))
    assert {key: np.flatnonzero(mask).tolist() for key, mask in masks.items()} == {
        ("en", True): [0], ("en", False): [3], ("de", True): [2], ("?", False): [1],
    }  # fmt: skip
    assert rows_by_key(languages, is_long, lambda *_: 0)[0].all()


@given(st.lists(terms, max_size=5), texts_of_one_batch)
@example([Term(text, False, False, "words", "") for text in ("knee", "7")], ["7"])
def test_no_term_is_passed_over_by_words(some_terms, texts):
    masks = make_term_words(some_terms).rows_by_kind(batch_of(texts).words)
    automaton = make_automaton(some_terms)
    for row, text in enumerate(map(folded, texts)):
        for hit in automaton.hits(text):
            assert masks[hit.term.kind][row]
            if hit.term.kind == DEFUSED and hit.term.is_open:
                assert masks[DEFUSED_IN_WORD][row]


def test_a_term_is_told_by_its_rarest_word():
    words = make_term_words([Term("lump of the knee", False, False, "words", "en")])
    texts = ["of the knee", "the knee", "a lump", "lump of the knee"]
    # in this batch "lump" and "of" stand twice
    (found,) = words.rows_by_kind(batch_of(texts).words).values()
    assert found[3]
    assert found.sum() == 2


def test_every_shipped_term_has_a_letter():
    words = make_term_words([*shipped_terms(), *shipped_phrases()])
    assert not words.kinds_without
    everywhere = make_term_words([Term("911", False, False, "words", "en")])
    assert everywhere.rows_by_kind(batch_of(["a", "b"]).words)["words"].all()


@given(st.lists(terms, max_size=5), texts_of_one_batch)
def test_places_are_the_terms_that_nothing_defuses(some_terms, texts):
    joined = join_texts(list(map(folded, texts)))
    automaton = make_automaton(some_terms)
    places = automaton.places_by_kind(joined)
    start = 0
    for row, text in enumerate(joined.texts):
        hits = list(automaton.hits(text))
        defused = [hit for hit in hits if hit.term.kind == DEFUSED]
        for hit in hits:
            is_hidden = any(
                hit.start < other.end and other.start < hit.end
                for other in defused
                if other is not hit
            )
            if hit.term.kind == DEFUSED or not is_hidden:
                found = places[hit.term.kind]
                at = (found.starts == start + hit.start) & (found.ends == start + hit.end)
                assert found.rows[at].tolist() == [row]
        start += len(text) + 1


@st.composite
def places_of_two_kinds(draw):
    """Two lists of places in the same texts."""
    texts = join_texts(draw(st.lists(st.text("ab", max_size=6), min_size=1, max_size=3)))
    spans = [
        (start, end)
        for start in range(len(texts.joined))
        for end in range(start + 1, len(texts.joined) + 1)
        if BORDER not in texts.joined[start:end]
    ]
    made = []
    for _ in range(2):
        chosen = draw(st.lists(st.sampled_from(spans), max_size=5)) if spans else []
        array = np.array(chosen, np.int64).reshape(-1, 2)
        made.append(in_order(texts, array[:, 0], array[:, 1]))
    return made


def spans_of(places: Places):
    return list(zip(places.starts.tolist(), places.ends.tolist(), strict=True))


@given(places_of_two_kinds(), st.integers(0, 2), st.integers(0, 4))
def test_places_near_each_other(two, least, most):
    places, others = two
    texts = places.texts
    followed = {
        texts.joined[:start].count(BORDER)
        for start, end in spans_of(places)
        for next_start, _ in spans_of(others)
        if least <= next_start - end <= most and BORDER not in texts.joined[end:next_start]
    }
    assert set(np.flatnonzero(places.followed_by(others, least, most)).tolist()) == followed
    assert places.overlapping(others).tolist() == [
        any(start < other_end and other_start < end for other_start, other_end in spans_of(others))
        for start, end in spans_of(places)
    ]
    assert spans_of(both(places, others)) == sorted(
        spans_of(places) + spans_of(others), key=lambda span: span[0]
    )


def test_no_places():
    texts = join_texts(["ab"])
    assert not no_places(texts).mask.any()
    one = Places(texts, np.array([0]), np.array([1]))
    assert not one.followed_by(no_places(texts), 0, 9).any()
    assert not one.overlapping(no_places(texts)).any()


@pytest.mark.parametrize(
    ("start", "end", "around"), [(1, 2, (0, 4)), (5, 6, (5, 6)), (8, 9, (7, 9))]
)
def test_the_words_around_a_place(start, end, around):
    texts = join_texts(["knée a", "b1"])
    starts, ends = texts.words_around(np.array([start]), np.array([end]))
    assert (starts[0], ends[0]) == around
