"""A quick look at many texts passes over no text in which a detector finds anything."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filters.children.text import make_child_judge
from filters.folding import folded
from filters.joined_texts import find_words, join_texts
from filters.medical.text import make_judge
from filters.medical.words import STRONG, load_words, reaches
from filters.privacy.spans import kinds_in_url, may_be_in_url, may_be_personal, personal_spans
from filters.text_batch import TextBatch
from tests.support.frozen_texts import frozen_texts

SCORE_FROM = 0.9
LANGUAGES = ["en", "de", "pl", "pt", "ja", ""]
# What is folded, split or counted in some way of its own.
PIECES = [
    "(arrow)", "stool", "showing", "Case 2", "operation", "repair", "paziente", "patella",
    "x-ray", "Röntgenbild", "knee", "swollen", "before and after", "Before–After", "KNEE",
    "carcinoma", "karcinoma", "adenokarzinom", "crash", "rash", "rash guard", "dermatitis",
    "Ann", "ANNA", "Tom Roe", "İpek", "our daughter", "kids playing", "girl", "class 3b", "4b",
    "7", "٧", "six", "year old", "-year-old", "6 years old", "trip to the zoo", "little", "baby",
    "school", "St. Martin", "Ann’s", "5 lb", "U15 team", "3 Jährige", "born",
    "anna@example.org", "(at)", "at", "dot", "com", "＠", "tel", "Tel.:", "(phone)", "call us",
    "030 901820", "+49 30 901820", "(212) 555-0123", "2019", "電話", "120.45.67.89", "ip",
    "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "card", "NIF", "12345678Z", "SSN",
    "536-90-4399", "born 3.5.1990", "12 Oak Street", "Hauptstraße 5", "calle Mayor 3", "\u0130",
    "ΟΔΟΣ", "[PHONE]", "\n", "\t", "_", "/", "-", " ", " ", " ", ",", ".", "'", "`", "²", "\x1f",
]  # fmt: skip
made_texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=9).map("".join)
texts_of_one_batch = st.lists(made_texts.map(lambda text: text.replace("\0", "")), min_size=1)
URL_PIECES = [
    "https://a.example/", "anna@example.org", "anna%40example.org", "+", " ", "%20", ".jpg",
    ".PHP", "?", "#", "/", "&", "tel=", "tel:", "whatsapp", "wa.me/", "030 901820", "4930901820",
    "DE89370400440532013000", "de89", ".html\n", "info", "@", "example.org", "x", "%", "(at)",
]  # fmt: skip
made_urls = st.lists(st.lists(st.sampled_from(URL_PIECES), max_size=7).map("".join), min_size=1)


def column(texts):
    return pa.chunked_array([[encodable(text) for text in texts]], pa.string())


def encodable(text):
    return text.encode("utf-8", "ignore").decode()


def is_medical(text, language):
    found = make_judge().judge(text, language)
    return bool(found.terms) or reaches(found.score, SCORE_FROM)


def is_clearly_about_children(text, language):
    return bool(make_child_judge().judge(text, language).clear)


def may_be_medical(texts, languages):
    return may_find(make_judge(), texts, languages)


def may_find(judge, texts, languages, score_from=SCORE_FROM):
    return judge.may_find(TextBatch(column(texts)), column(languages), score_from)


def may_be_about_children(texts, languages, terms=()):
    return make_child_judge(terms).may_be_clear(TextBatch(column(texts)), column(languages))


GATES = [
    (may_be_about_children, is_clearly_about_children),
    (may_be_medical, is_medical),
]


def passed_over(texts, languages, gate, finds):
    may = gate(texts, languages)
    assert may.shape == (len(texts),)
    rows = np.flatnonzero(~may)
    return [texts[row] for row in rows if finds(texts[row], languages[row])]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("gate", "finds"), GATES, ids=["children", "medical"])
def test_no_frozen_text_is_passed_over(gate, finds, language):
    texts = frozen_texts()
    assert not passed_over(texts, [language] * len(texts), gate, finds)


@pytest.mark.parametrize(("gate", "finds"), GATES, ids=["children", "medical"])
@given(texts_of_one_batch, st.data())
def test_no_made_text_is_passed_over(gate, finds, texts, data):
    languages = data.draw(
        st.lists(st.sampled_from(LANGUAGES), min_size=len(texts), max_size=len(texts))
    )
    assert not passed_over(texts, languages, gate, finds)


def test_most_texts_about_nothing_are_passed_over():
    texts = ["Sunset over the bay", "Grüner Tee aus Uji, 100 g", "Chaise en bois, 2019", "Logo 7"]
    for gate, _ in GATES:
        assert not gate(texts, ["en", "de", "fr", ""]).any()
    assert not may_be_personal(TextBatch(column(texts))).any()
    urls = ["https://a.example/deadbeef00112233445566.jpg", "https://a.example/p.php?id=20190503"]
    assert not may_be_in_url(column(urls)).any()


@pytest.mark.parametrize("length", [1_999, 2_000, 2_001])
def test_a_text_that_is_cut_off_where_it_is_read(length):
    # the judge reads 2,000 characters, so that "kidsfoo" is "kids"
    text = ("x " * 1_000)[: length - 4] + "kidsfoo playing"
    assert not passed_over([text], ["en"], *GATES[0])


def test_other_settings():
    texts = ["zorbs", "a quiet bay", "knee-high"]
    judge = make_judge(("zorb*",), ("knee high",))
    assert may_find(judge, texts, ["en"] * 3)[0]
    assert may_find(judge, texts, ["en"] * 3, 0.0).all()
    assert may_be_about_children(texts, ["de"] * 3, ("zorb*",))[0]


def test_what_a_defused_term_leaves_of_a_word():
    judge = make_judge(extra_defused=("foo*",))
    # medical by their weights alone
    strong = (word for word, weight in load_words("en").weights.items() if weight >= STRONG)
    words = [f"foo{word}" for word in strong if not make_judge().finder.hits(word, "en")]
    texts = [" ".join(words[:3])]
    assert reaches(judge.judge(texts[0], "en").score, SCORE_FROM)
    assert may_find(judge, texts, ["en"]).all()


@pytest.mark.parametrize(
    ("text", "language"), [("petite Anne", "fr"), ("pequeña María", "es"), ("mały Antek", "pl")]
)
def test_a_name_without_a_number(text, language):
    texts = [f"{text}, {'au bord de la mer ' * 3}"]
    assert is_clearly_about_children(texts[0], language)
    assert not passed_over(texts, [language], *GATES[0])


@pytest.mark.parametrize("text", ["Ann Roe, 7 ", " Ann Roe, 7\n", "Ann Roe, 7-"])
def test_a_text_that_ends_with_a_blank(text):
    texts = [text, "a quiet bay", text]
    assert is_clearly_about_children(text, "en")
    assert not passed_over(texts, ["en"] * 3, *GATES[0])


def test_personal_data_of_frozen_texts():
    texts = frozen_texts()
    may = may_be_personal(TextBatch(column(texts)))
    assert not [t for t, passes in zip(texts, may, strict=True) if not passes and personal_spans(t)]
    may = may_be_in_url(column(texts))
    assert not [t for t, passes in zip(texts, may, strict=True) if not passes and kinds_in_url(t)]


@given(texts_of_one_batch)
def test_personal_data_of_made_texts(texts):
    texts = list(map(encodable, texts))
    for text, may in zip(texts, may_be_personal(TextBatch(column(texts))), strict=True):
        assert may or not personal_spans(text)


@given(made_urls)
@example(["https://a.example/anna@example.org.jpg"])
@example(["https://a.example/whatsapp.jpg/ 03090182000"])
def test_personal_data_of_urls(urls):
    for url, may in zip(urls, may_be_in_url(column(urls)), strict=True):
        assert may or not kinds_in_url(url)


@given(texts_of_one_batch)
def test_joined_texts_are_folded_and_split_as_each_alone(texts):
    joined = join_texts(texts)
    assert joined.texts == texts
    # a blank beside a border ends no word and begins none
    alone = [folded(text) for text in texts]
    assert [text.strip() for text in joined.changed(folded).texts] == alone
    word = re.compile(r"[^\W\d_]{2,}")
    words = find_words(joined, word)
    for row, text in enumerate(texts):
        of_text = [words.distinct[n] for n in words.numbers[words.rows == row]]
        assert of_text == word.findall(text)


def test_folding_is_that_of_one_regular_expression():
    dashes = re.compile(r"[\s\-‐‑–—_/]+")
    for text in frozen_texts():
        letters = text.lower().translate(str.maketrans("’‘`ăőŕ", "'''ãõà"))
        assert folded(text) == dashes.sub(" ", letters).strip()
