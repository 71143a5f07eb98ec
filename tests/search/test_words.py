from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.search.forms import JOINERS, compounds
from pairsieve.search.letters import fold, lower
from pairsieve.search.rows import entry
from pairsieve.search.words import (
    HEAP_BYTES,
    MAX_WORDS,
    WordQuery,
    document,
    open_words,
    row_id,
    split,
)
from pairsieve.web.places import hosts_of

ROWS = [
    ("A red car", "https://cars.example/red.jpg", ["personal_data_email"]),
    ("東京タワー at night", "https://a.example/tokyo-tower.jpg", []),
    ("an X-Ray of a hand", "https://b.example/1.jpg", []),
    ("Ein rotes Auto, STRASSE", "https://cars.example/rot.jpg", []),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("words"))
    writer = open_words(folder, make=True).writer(HEAP_BYTES)
    for number, (caption, url, tags) in enumerate(ROWS):
        row = {
            "URL": url,
            "TEXT": caption,
            "similarity": 0.3 + number / 100,
            "tags": tags,
            "page_url": "https://page.example/x",
        }
        writer.add_document(document(row_id(1, number), 1, entry(row, "en")))
    writer.commit()
    writer.wait_merging_threads()
    return open_words(folder)


def found(index, words="", **exact):
    searcher = index.searcher()
    hits = searcher.search(WordQuery(words, exact).build(index), 10).hits
    return {json.loads(bytes(searcher.doc(address)["row"][0]))["TEXT"] for _, address in hits}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("red", {0}),
        ("RED car", {0}),
        ("red -car", set()),
        ("-red", {1, 2, 3}),
        ("東京", {1}),
        ("京東", set()),  # a phrase, in this order
        ("x-ray", {2}),
        ('"of a hand"', {2}),
        ('"hand of"', set()),
        ('"red car', {0}),  # a quote that is not closed
        ("cars", {0, 3}),  # in the address
        ("tokyo-tower.jpg", {1}),
        ("strasse", {3}),
        ("", {0, 1, 2, 3}),
        ("!!! ()", set()),
        ("nothing", set()),
        ("id:0 OR caption:red", set()),  # no language of its own: words
    ],
)
def test_words(index, words, expected):
    assert found(index, words) == {ROWS[n][0] for n in expected}


def test_values_narrow_down(index):
    assert found(index, "", domain=["cars.example"]) == {ROWS[0][0], ROWS[3][0]}
    assert found(index, "red", domain=["a.example"]) == set()
    assert found(index, "", domain=["a.example", "b.example"]) == {ROWS[1][0], ROWS[2][0]}
    assert found(index, "", host=["page.example"]) == {caption for caption, _, _ in ROWS}
    assert found(index, "", tag=["personal_data_email"]) == {ROWS[0][0]}


@given(st.text(max_size=200))
def test_any_words_can_be_asked_for(index, words):
    assert found(index, words) <= {caption for caption, _, _ in ROWS}


def test_a_query_has_a_bounded_number_of_words(index):
    assert found(index, "red " * MAX_WORDS + "nothing") == {ROWS[0][0]}, (
        "the words behind the last one that is read are not asked for"
    )
    assert found(index, '"' + "red " * 10_000 + '"') == set()


@given(st.sampled_from(ROWS), st.data())
def test_a_row_is_found_by_each_of_its_words(index, row, data):
    word = data.draw(st.sampled_from(split(row[0])))
    assert row[0] in found(index, word)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("https://a.b.example/x", {"a.b.example", "b.example"}),
        ("http://user@A.example:80/x", {"a.example"}),
        ("https://localhost/x", {"localhost"}),
    ],
)
def test_hosts(url, hosts):
    assert set(hosts_of(url)) == hosts


@pytest.mark.parametrize(
    ("row", "subset", "marks"),
    [
        ({}, "en", ["not_judged"]),
        ({"face_count": 0}, "en", []),
        ({"face_count": 2}, "en", ["face"]),
        ({"tags": ["medical_words"]}, "en", ["medical"]),
        ({"tags": ["children_text"]}, "en", ["children"]),
        ({"medical_picture_score": 0.9, "face_count": 0}, "en", ["medical"]),
        ({}, "medical", ["medical"]),
        ({"NSFW": "UNSURE"}, "en", ["nudity"]),
        ({"punsafe": 0.1, "NSFW": "UNLIKELY"}, "en", ["not_judged"]),
    ],
)
def test_marks(row, subset, marks):
    assert entry({"URL": "https://a.example/1", **row}, subset)["mark"] == marks


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("münchen", {0}),
        ("M%C3%BCnchen.jpg", {0}),
        ("Muenchen", set()),
        ("100%", {1}),
        ("“red car”", {1}),
        ("«car red»", set()),
        ('"red cars"', set()),  # a phrase is meant as it is typed
        ("red cars", {1}),
        ("-cars", {0}),  # what is left out is left out in all its forms
    ],
)
def test_addresses_and_quotes(tmp_path, words, expected):
    rows = [
        ("a town", "https://a.example/M%C3%BCnchen.jpg"),
        ("100% red car", "https://a.example/1"),
    ]
    writer = open_words(str(tmp_path), make=True).writer(HEAP_BYTES)
    for number, (caption, url) in enumerate(rows):
        writer.add_document(document(number, 0, entry({"URL": url, "TEXT": caption}, "")))
    writer.commit()
    writer.wait_merging_threads()
    assert found(open_words(str(tmp_path)), words) == {rows[n][0] for n in expected}


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (100, 900, ["<256"]),
        (256, 300, ["256–1023"]),
        (1024, 2000, ["≥1024"]),
        (None, 300, []),
        (0, 0, []),
    ],
)
def test_sizes(width, height, size):
    assert (
        entry({"URL": "https://a.example/1", "WIDTH": width, "HEIGHT": height}, "")["size"] == size
    )


def test_no_more_marks_than_unicode_allows_in_a_stream():
    """Stream-Safe Text Format (UAX 15): at most 30 marks behind a letter."""
    marks = "\u0316\u0301" * 5000
    assert fold(f"a{marks}b") == "ab"
    assert len(lower(f"a{marks}")) <= 1 + 30


@given(st.text("ab_-'’.· ", max_size=30))
def test_compounds_are_those_of_the_plain_pattern(text):
    """The pattern that gives nothing back finds what one does that tries every beginning."""
    plain = re.compile(rf"[^\W_]+(?:[{JOINERS}][^\W_]+)+")
    expected = [re.sub(rf"[{JOINERS}.]", "", match[0]) for match in plain.finditer(text)]
    found = list(compounds(text))
    assert found[: len(expected)] == expected
