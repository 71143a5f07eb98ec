"""Words are found as people write them. The right answers are of ICU and Snowball.

tests/support/judge_words.py says how they came about.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tantivy")

from pairsieve.search.letters import fold
from pairsieve.search.rows import entry
from pairsieve.search.words import WordQuery, document, open_words, row_id, says_nothing

HEAP_BYTES = 50_000_000
PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parent / "sets" / "words.jsonl").read_text("utf-8").splitlines()
]
WIDER = {
    ("hu", "kutya", "kutyák"): "a dog and dogs: Snowball's stems meet once the accents are off",
    (
        "ca",
        "colleccio",
        "col·lecció",
    ): "ICU takes the dot in col·lecció for a symbol; it joins two l",
}
"""What is found although the oracle says no, and why that is right."""


class Captions:
    """An index in which row n has the n-th caption."""

    def __init__(self, folder, captions):
        writer = open_words(folder, make=True).writer(HEAP_BYTES)
        for number, (language, caption) in enumerate(captions):
            row = {"URL": f"https://a.example/{number}", "TEXT": caption, "LANGUAGE": language}
            writer.add_document(document(row_id(0, number), 0, entry(row, "")))
        writer.commit()
        writer.wait_merging_threads()
        self.index = open_words(folder)
        self.searcher = self.index.searcher()

    def found(self, words):
        hits = self.searcher.search(WordQuery(words).build(self.index), 1_000).hits
        addresses = [address for _, address in hits]
        return set(self.searcher.fast_field_values("id", addresses)) if addresses else set()


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("languages"))
    return Captions(folder, [(language, text) for _, language, _, _, text in PAIRS])


@pytest.fixture(scope="module")
def decomposed(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("decomposed"))
    rows = [(language, unicodedata.normalize("NFD", text)) for _, language, _, _, text in PAIRS]
    return Captions(folder, rows)


def test_the_set_is_large_enough():
    assert len(PAIRS) >= 400
    assert len({language for _, language, _, _, _ in PAIRS}) >= 70
    assert min(Counter(expected for _, _, expected, _, _ in PAIRS).values()) >= 50


@pytest.mark.parametrize("number", range(len(PAIRS)))
def test_a_query_finds_what_it_should(captions, decomposed, number):
    _, language, expected, query, text = PAIRS[number]
    wanted = expected == "yes" or (language, query, text) in WIDER
    assert (number in captions.found(query)) == wanted
    assert (number in captions.found(unicodedata.normalize("NFD", query))) == wanted
    assert (number in decomposed.found(query)) == wanted


ANY_WORDS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([text for *_, text in PAIRS]), max_size=3).map(" ".join),
    st.text(alphabet='*"!?-+()[]{}:^~\\/&|<>=#@ \u200b\u00ad\ufe0f\u0301aß🎉한', max_size=30),
)


@given(ANY_WORDS)
def test_no_query_raises_and_an_empty_one_finds_nothing(captions, words):
    found = captions.found(words)
    if says_nothing(words):
        assert found == set()
    if not words.strip():
        assert len(found) == len(PAIRS)


@pytest.mark.parametrize(
    "words",
    [
        "*",
        '"',
        "!!!",
        "-",
        '""',
        '"*"',
        "-!",
        "?",
        "...",
        "\u00ad",
        "\u200d",
        "\ufe0f",
        "©",
        "™",
        "€",
        "¡",
        "—",
        "( )",
        '-"',
        "\u0301 !",
        "\ud800",
    ],
)
def test_a_query_without_words_says_so_and_finds_nothing(captions, words):
    assert says_nothing(words)
    assert captions.found(words) == set()
    assert captions.found(f"cafe {words}") == captions.found("cafe"), "the other words still count"


@pytest.mark.parametrize("words", ["", " ", "cat", "🎉", "1", "-cat", "é"])
def test_a_query_with_words(words):
    assert not says_nothing(words)


@given(st.text(max_size=40))
def test_folding_is_done_once(text):
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=40), st.sampled_from(["NFC", "NFD"]))
def test_folding_knows_no_normalisation_form(text, form):
    assert fold(unicodedata.normalize(form, text)) == fold(text)


@given(st.text(st.characters(categories=["L", "N"]), max_size=40))
def test_folding_knows_no_case(text):
    assert fold(text.casefold()) == fold(text)


@pytest.mark.parametrize("is_phrase", [False, True])
@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC"])
def test_a_row_is_found_by_its_whole_caption(captions, form, is_phrase):
    missed = []
    for number, (*_, caption) in enumerate(PAIRS):
        text = unicodedata.normalize(form, caption)
        if number not in captions.found(f'"{text}"' if is_phrase else text):
            missed.append(caption)
    # NFKC makes letters of a sign that is no part of a word: `NikeTM` is another word than `Nike`.
    assert missed == [caption for *_, caption in PAIRS if form == "NFKC" and "™" in caption]


@given(st.integers(41, 1_500), st.sampled_from("aß東서ก"))
def test_words_of_any_length(tmp_path_factory, length, letter):
    word = letter * length
    index = Captions(
        str(tmp_path_factory.mktemp("long")), [("", f"one {word} word"), ("", "short")]
    )
    assert index.found(word) == {0}
    assert index.found(f"{word}{letter}") == (set() if letter in "aß" else index.found(word))
