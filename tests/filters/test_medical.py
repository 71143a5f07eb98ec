from __future__ import annotations

import math

import numpy as np
import pytest

from filters.medical.caption import MedicalCaption, shipped_terms, term_pattern
from filters.medical.picture import MedicalPicture, shipped_prompts
from filters.medical.rule import Medical
from filters.page_types import PageTypes
from filters.subjects import Embedding
from records.page import Origin, Page
from records.pair import Pair
from web.html import parse_page


def pair(caption: str) -> Pair:
    return Pair(b"k" * 16, "https://a.example/p.jpg", caption, "en", "en", "", "", 0, "", "", 0, {})


POSITIVE = [
    "X-ray of a broken wrist", "chest radiograph, lateral", "before and after surgery of the jaw", "MRI scan of the knee",
    "Patient with psoriasis", "facelift result", "Röntgenbild der Hand", "une radiographie du thorax", "cirugía de nariz",
    "risonanza magnetica del ginocchio", "antes e depois da cirurgia", "mammogram showing a mass", "rhinoplasty, side view",
]  # fmt: skip
TRAPS = [
    "Cancer the zodiac sign", "tropical depression over Florida", "a stroke of luck", "computer virus warning", "a mole in the garden",
    "rash guard for surfing", "kidney beans and rice", "kid with a kite", "heart shaped box", "economic recovery chart", "a patiently waiting dog",
]  # fmt: skip


@pytest.mark.parametrize("caption", POSITIVE)
def test_medical_captions_are_found(caption):
    assert MedicalCaption().load()(pair(caption))["medical_terms"]


@pytest.mark.parametrize("caption", TRAPS)
def test_traps_are_left_alone(caption):
    assert MedicalCaption().load()(pair(caption))["medical_terms"] == ()


def test_terms_are_whole_words():
    pattern = term_pattern(["mri", "biops*"])
    assert pattern.findall("MRI and biopsies, mritx, xbiopsy") == ["MRI", "biopsies"]


def test_extra_terms():
    assert MedicalCaption(extra_terms=("acme syndrome",)).load()(pair("ACME Syndrome!"))["medical_terms"] == ("acme syndrome",)


def test_shipped_lists_are_sane():
    assert len(shipped_terms()) > 150
    assert all(len(term.rstrip("*")) >= 3 for term in shipped_terms())
    assert len(shipped_prompts("medical")) > 5
    assert len(shipped_prompts("everyday")) > 5


@pytest.mark.parametrize(
    ("body", "types"),
    [
        ('<script type="application/ld+json">{"@type": "MedicalWebPage"}</script>', ("MedicalWebPage",)),
        ('<script type="Application/LD+JSON">{"@graph": [{"@type": ["Physician", "Person"]}]}</script>', ("Person", "Physician")),
        ('<script type="application/ld+json">{"@type": "http://schema.org/Hospital"}</script>', ("Hospital",)),
        ('<div itemscope itemtype="https://schema.org/MedicalCondition">', ("MedicalCondition",)),
        ('<script type="application/ld+json">{broken</script>', ()),
        ('<script type="application/ld+json">' + "[" * 5000 + "</script>", ()),
        ('<script type="application/json">{"@type": "Hospital"}</script>', ()),
        ('<script type="application/ld+json">{"@type": 3, "x": null}</script>', ()),
    ],
)
def test_page_types(body, types):
    page = parse_page(Page("https://a.example/", (), body.encode(), Origin("", 0, "", "")))
    assert PageTypes().load()(page)["page_types"] == types


def test_picture_score_is_the_softmax_share_of_medical_prompts():
    vectors = {"scan": [1.0, 0.0], "wound": [0.6, 0.8], "cat": [0.0, 1.0]}
    embedding = Embedding(np.array([1, 0], np.float32), lambda texts: np.array([vectors[t] for t in texts], np.float32), 10.0)
    score = MedicalPicture(medical=("scan", "wound"), everyday=("cat",)).load()(embedding)["medical_picture_score"]
    expected = (math.exp(10) + math.exp(6)) / (math.exp(10) + math.exp(6) + 1)
    assert score == pytest.approx(expected, abs=1e-6)


RULE = Medical(picture_alone=0.9, picture_with_other=0.5)


@pytest.mark.parametrize(
    ("terms", "types", "score", "expected"),
    [
        ((), (), 0.1, []),
        ((), (), 0.6, []),
        ((), (), 0.9, [("drop", "medical_picture")]),
        (("x-ray",), (), 0.5, [("drop", "medical_picture_with_text_or_page")]),
        ((), ("Hospital",), 0.6, [("drop", "medical_picture_with_text_or_page")]),
        (("x-ray",), ("Hospital",), 0.1, [("drop", "medical_text_on_medical_page")]),
        (("x-ray",), ("Recipe",), 0.1, [("tag", "medical_text")]),
        ((), ("Physician",), 0.1, [("tag", "medical_page")]),
        ((), (), math.nan, [("drop", "medical_picture")]),
    ],
)
def test_rule(terms, types, score, expected):
    evidence = {"medical_terms": terms, "page_types": types, "medical_picture_score": score}
    assert [(d.action, d.reason) for d in RULE.judge(evidence)] == expected


def test_missing_score_cannot_be_judged():
    with pytest.raises(TypeError):
        list(RULE.judge({"medical_terms": (), "page_types": (), "medical_picture_score": None}))
