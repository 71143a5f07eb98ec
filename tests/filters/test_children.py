from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.children import place
from filters.children.ages import age_forms, find_ages
from filters.children.caption import ChildrenCaption
from filters.children.names import find_names
from filters.children.page import ChildrenPage
from filters.children.place import find_cues
from filters.children.rule import Children
from filters.children.terms import LANGUAGES
from filters.children.text import make_child_judge
from pairsieve.records.page import Origin, Page
from pairsieve.web.html import parse_page
from tests.support.child_rows import OUTSIDE, child_rows, decided, language_code
from tests.support.medical_captions import pair

ROWS = [row for language in LANGUAGES for row in child_rows(language)]
NOTHING = {
    "caption": "", "child_signs": (), "child_signs_weak": (), "page_types": (),
    "page_child_headlines": (), "child_urls": (), "child_urls_weak": (), "face_count": 0,
}  # fmt: skip
FACE, WORDS, URL = {"face_count": 2}, {"child_signs": ("age",)}, {"child_urls": ("kita",)}
SCHOOL = {"page_types": ("Preschool", "WebPage")}
TITLED = {"page_child_headlines": ({"text": "Year 3 at the zoo", "clear": True},)}
WEAK_WORDS, WEAK_URL = {"child_signs_weak": ("child",)}, {"child_urls_weak": ("class",)}
HOUSE = {"page_types": ("ElementarySchool", "SingleFamilyResidence")}


def test_the_frozen_set_has_as_many_rows_as_it_should():
    assert sum(row.is_about_a_child for row in ROWS) == 200
    assert len(ROWS) == 400


def test_recall_and_false_rate_on_the_frozen_set():
    children = [decided(row) != "publish" for row in ROWS if row.is_about_a_child]
    traps = [decided(row) != "publish" for row in ROWS if not row.is_about_a_child]
    assert sum(children) >= 0.9 * len(children)
    assert sum(traps) <= 0.01 * len(traps)


def test_sentences_of_others():
    rows = list(child_rows(OUTSIDE))
    found = [decided(row) != "publish" for row in rows if row.is_about_a_child]
    assert sum(found) >= 0.7 * len(found)
    assert not [row for row in rows if not row.is_about_a_child and decided(row) != "publish"]


@pytest.mark.parametrize(
    ("caption", "language", "sign"),
    [
        ("Ann Roe, 7, and her brother", "en", "name_with_number"),
        ("the six-year-old Ann Roe", "en", "age"),
        ("Ann is six years old", "en", "age"),
        ("four-year-olds at the pool", "en", "age"),
        ("our youngest daughter in the garden", "en", "own_child"),
        ("kids playing football", "en", "child_who_acts"),
        ("Mrs. Roe's class on the stage", "en", "class"),
        ("Year 2 trip to the zoo", "en", "class"),
        ("Tom's 7th birthday", "en", "birthday"),
        ("Anna born today, 3450 g", "en", "birth"),
        ("U11 team of the club", "en", "team"),
        ("at the kindergarten", "en", "school"),
        ("Die 12-Jährige aus Köln gewinnt das Turnier der Stadt", "de", "age"),
        ("Wnuczka Ania", "", "child_with_name"),
        ("Antek, 4 latka", "pl", "age"),
    ],
)
def test_signs(caption, language, sign):
    assert sign in make_child_judge().judge(caption, language).clear


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("12 year old whisky", "en"),
        ("Ann Roe, 37, and her brother", "en"),
        ("our dog Max, 5 years old", "en"),
        ("Ann sells a 10-year-old laptop", "en"),
        ("Ann worked here 5 years ago, 3 years after the war", "en"),
        ("Tom Roe (10) scores", "en"),  # the number of a shirt
        ("Tom's 57th birthday", "en"),
        ("shoes for kids in blue", "en"),
        ("kids running shoes", "en"),
        ("kindergarten worksheet", "en"),
        ("class 3b laser", "en"),
        ("one of a kind in gold", ""),  # "Kind" is a child in German
        ("San Mateo, 12", "es"),
        ("10 Jahre Garantie auf alle Möbel aus unserem Haus", "de"),
        ("", ""),
    ],
)
def test_what_is_no_sign(caption, language):
    assert make_child_judge().judge(caption, language).clear == ()


def test_signs_hold_no_words_of_the_caption():
    found = ChildrenCaption().load()(pair("Lily Hargreaves, 6, in the kindergarten", "en"))
    assert found == {"child_signs": ("name_with_number", "school"), "child_signs_weak": ()}


def test_extra_terms():
    observe = ChildrenCaption(extra_terms=("acme kids",), extra_defused=("lego school",)).load()
    assert observe(pair("the ACME-Kids!"))["child_signs"] == ("word",)
    assert observe(pair("children near the lego school", "en"))["child_signs"] == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_writes_ages_from_1_to_17(language):
    forms = age_forms(language)
    assert set(forms.values.values()) == set(range(1, 18))


@pytest.mark.parametrize(
    ("text", "ages"),
    [
        ("17 years old", 1),
        ("18 years old", 0),
        ("0 years old", 0),
        ("1.5 years old", 0),
        ("sixteen years old", 1),
        ("36 months old", 1),
        ("37 months old", 0),
        ("no number here", 0),
    ],
)
def test_ages_end_at_17_years(text, ages):
    assert len(find_ages(text, ("en",)).get("en", ())) == ages


def texts_like_ages():
    """Numbers, words that stand beside them, and other things, in any order."""
    patterns = [form for code in LANGUAGES for form in age_forms(code).patterns.values()]
    words = {word for form in patterns for word in re.findall(r"[^\W\d_]+", form.pattern)}
    pieces = st.sampled_from([*sorted(words), "7", "12", "40", " ", " ", " ", "'", ".", ",", "_"])
    return st.lists(pieces, max_size=12).map("".join)


@given(texts_like_ages())
def test_a_quick_look_at_all_languages_loses_no_age(text):
    found = find_ages(text, LANGUAGES)
    for code in LANGUAGES:
        assert found.get(code, ()) == tuple(age_forms(code).find(text))


NAMES = ["kita", "class", "3b", "3", "b", "2nd", "grade", "photos", "jpg", "mp4", "of", "the"]
MARKS = ["/", "/", "-", "_", ".", " ", "%20", "é"]


@given(st.lists(st.sampled_from([*NAMES, *MARKS]), max_size=12).map("".join))
def test_a_quick_look_at_a_path_loses_no_cue(path):
    url = f"https://a.example/{path}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "_may_have_cues", lambda path: True)
        with_a_close_look = find_cues([url])
    assert find_cues([url]) == with_a_close_look


def test_names_begin_with_a_capital_and_are_no_saints():
    text = "Anna, anna, ANNA, San Mateo and Sydney"
    sure, maybe = find_names(text)
    assert [text[start:end] for start, end in sure] == ["Anna", "ANNA"]
    assert len(maybe) == 3  # with Sydney


def test_headlines_of_pages():
    body = "<html lang=de-CH><title>Fotos</title><h1>Klassenfoto der 3b</h1><h1>Kinder</h1>"
    page = parse_page(Page("https://a.example/", (), body.encode(), Origin("", 0, "", "")))
    assert ChildrenPage().load()(page)["page_child_headlines"] == (
        {"text": "Klassenfoto der 3b", "clear": True},
        {"text": "Kinder", "clear": False},
    )


@pytest.mark.parametrize(
    ("url", "caption", "clear", "weak"),
    [
        ("https://a.example/kindergarten/1.jpg", "", ("kindergarten",), ()),
        ("https://a.example/Class-Photos/2015/3.jpg", "", ("class photos",), ()),
        ("https://a.example/gar%C3%A7ons/cr%C3%A8che/1.jpg", "", ("creche",), ()),
        ("https://a.example/class-3b/1.jpg", "", ("class",), ()),
        ("https://a.example/year-4/1.jpg", "", (), ("class",)),
        ("https://www.st-anne.essex.sch.uk/1.jpg", "", ("sch",), ()),
        ("https://oaktreeprimary.example/1.jpg", "", ("primary",), ()),
        ("https://www.kita-sonne.example/1.jpg", "", ("kita",), ()),
        # a file name that repeats the caption is the same evidence
        ("https://a.example/i/class-photo-1990.jpg", "Class photo", (), ()),
        ("https://a.example/i/class-photo-1990.jpg", "Anna", ("class photo",), ()),
        ("https://shop.example/kids/beds/toddler-bed", "", (), ()),
        ("https://a.example/kindergarten-worksheets/1.jpg", "", (), ()),
        ("https://primary.example/elementary/kita", "kita", (), ()),
        ("https://[broken", "", (), ()),
        ("", "", (), ()),
    ],
)
def test_cues_of_urls(url, caption, clear, weak):
    assert find_cues([url], caption) == (clear, weak)


def verdict(evidence, profile="default"):
    decisions = Children(profile).judge(NOTHING | evidence)
    return [f"{decision.action} {decision.reason}" for decision in decisions]


@pytest.mark.parametrize(
    ("evidence", "strict", "default", "lenient"),
    [
        ({}, "", "", ""),
        (FACE, "", "", ""),  # a face alone is no evidence of a child
        (WORDS, "drop children_text", "tag children_text", "tag children_text"),
        (SCHOOL, "drop children_page", "tag children_page", "tag children_page"),
        (TITLED, "drop children_page", "tag children_page", "tag children_page"),
        (URL, "drop children_url", "tag children_url", "tag children_url"),
        (WEAK_WORDS, "tag children_text", "", ""),
        (WEAK_WORDS | FACE, "drop children_text_with_face", "tag children_text_with_face", ""),
        (WEAK_WORDS | WEAK_URL, "drop children_text_and_url", "tag children_text_and_url", ""),
        (WORDS | FACE, "drop children_text_with_face", "drop children_text_with_face", "tag children_text_with_face"),
        (SCHOOL | FACE, "drop children_page_with_face", "drop children_page_with_face", "tag children_page_with_face"),
        (URL | FACE, "drop children_url_with_face", "drop children_url_with_face", "tag children_url_with_face"),
        (WORDS | SCHOOL, *["drop children_text_and_page"] * 3),
        (WORDS | URL, *["drop children_text_and_url"] * 3),
        (SCHOOL | URL, *["drop children_page_and_url"] * 3),
        (WEAK_WORDS | SCHOOL, "drop children_text_and_page", "drop children_text_and_page", "tag children_text_and_page"),
        (HOUSE, "tag children_page", "", ""),
        # a title that repeats the caption is the same evidence
        (WORDS | TITLED | {"caption": "Year 3 at the zoo"}, "drop children_text", "tag children_text", "tag children_text"),
        # no page was seen, and nobody looked for faces
        (WORDS | {"page_types": None, "page_child_headlines": None, "face_count": None}, "drop children_text", "tag children_text", "tag children_text"),
    ],
)  # fmt: skip
def test_rule(evidence, strict, default, lenient):
    assert verdict(evidence, "strict") == ([strict] if strict else [])
    assert verdict(evidence) == ([default] if default else [])
    assert verdict(evidence, "lenient") == ([lenient] if lenient else [])
    assert verdict(evidence, "audit") == ([default.replace("drop", "tag")] if default else [])


def test_missing_evidence_cannot_be_judged():
    with pytest.raises(KeyError):
        list(Children("default").judge({"caption": "x"}))


def test_figures_of_the_data_card_are_those_of_the_frozen_sets():
    from filters.measured import measured

    groups = {}
    for name, rows in (("set", ROWS), ("outside", list(child_rows(OUTSIDE)))):
        for is_child in (True, False):
            flagged = [decided(r) != "publish" for r in rows if r.is_about_a_child == is_child]
            groups[name, is_child] = sum(flagged) / len(flagged)
    text = measured("children_caption").measured
    assert f"{groups['set', True]:.3f} of 200 rows" in text
    assert f"{groups['set', False]:.3f} of 200 traps" in text
    assert f"{groups['outside', True]:.3f} of 15 sentences" in text


def test_rows_are_judged_in_the_language_that_extraction_finds():
    assert language_code("Students of the middle school at the science fair") == "en"
