from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.medical.caption import MedicalCaption
from filters.medical.dicom import Dicom, DicomContent
from filters.medical.make_words import Stops, load_stops, phrases, weigh
from filters.medical.page import MedicalPage, host_checker
from filters.medical.picture import MedicalPicture, shipped_prompts
from filters.medical.rule import Medical, equal_faces
from filters.medical.terms import (
    DEFUSED,
    WORDS,
    folded,
    make_finder,
    parse_term,
    shipped_phrases,
    shipped_terms,
)
from filters.medical.words import STRONG, WordWeights, load_words
from filters.pages.page_types import PageTypes
from filters.rule import Action
from filters.subjects import Content, Embedding
from pairsieve.records.page import Origin, Page
from pairsieve.web.html import parse_page
from tests.support.medical_captions import SET, WORDS_FROM, pair

POSITIVE = [
    "X-ray of a broken wrist", "chest radiograph, lateral", "before and after surgery of the jaw",
    "MRI scan of the knee",
    "Patient with psoriasis", "facelift result", "Röntgenbild der Hand",
    "une radiographie du thorax", "cirugía de nariz",
    "risonanza magnetica del ginocchio", "antes e depois da cirurgia", "mammogram showing a mass",
    "rhinoplasty, side view",
]  # fmt: skip
TRAPS = [
    "Cancer the zodiac sign", "tropical depression over Florida", "a stroke of luck",
    "computer virus warning", "a mole in the garden",
    "rash guard for surfing", "kidney beans and rice", "kid with a kite", "heart shaped box",
    "economic recovery chart", "a patiently waiting dog",
]  # fmt: skip


@pytest.fixture(scope="module")
def flagged():
    observe = MedicalCaption().load()

    def is_flagged(caption):
        found = observe(pair(caption))
        return bool(found["medical_terms"]) or found["medical_words"] >= WORDS_FROM

    return is_flagged


@pytest.mark.parametrize("caption", POSITIVE)
def test_medical_captions_are_found(caption, flagged):
    assert flagged(caption)


@pytest.mark.parametrize("caption", TRAPS)
def test_traps_are_left_alone(caption, flagged):
    assert not flagged(caption)


@pytest.mark.parametrize(
    "language", ["radiology", "biomedical", "clinical", "de", "es", "fr", "it", "nl", "pt", "pl"]
)
def test_recall_on_the_frozen_set(language, flagged):
    captions = [caption for group, caption in SET if group == language]
    assert sum(map(flagged, captions)) >= 0.95 * len(captions)


def test_traps_of_the_frozen_set(flagged):
    traps = [caption for group, caption in SET if group.startswith(("trap", "everyday"))]
    assert sum(map(flagged, traps)) <= 2 / 25 * len(traps)


FINDER = make_finder(
    [
        parse_term("mri", WORDS), parse_term("biops*", WORDS), parse_term("*ectomy", WORDS), parse_term("x-ray", WORDS), parse_term("knee", "anatomy", "en"),
        parse_term("swollen", "harm", "en"), parse_term("before and after", "change", "en"), parse_term("filler", "treatment", "en"), parse_term("knie", "anatomy", "de"),
        parse_term("knee pads*", DEFUSED), parse_term("x-ray fish", DEFUSED),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("MRI and biopsies, mritx, xbiopsy", ("biops", "mri")),
        ("Tonsillectomy", ("ectomy",)),
        ("an ectomystic", ()),
        ("X–RAY, x ray and X_ray/3", ("x ray",)),
        ("an X-ray fish", ()),
        ("an X-ray fish on an x-ray", ("x ray",)),
        ("a swollen river", ()),
        ("my swollen, painful knee", ("knee + swollen",)),
        ("ein swollen Knie", ()),
        ("my knee, and far away behind many other words, swollen", ()),
        ("swollen knee pads", ()),
        ("knee before and after", ("knee + before and after",)),
        ("filler, before & after and before and after", ("filler + before and after",)),
        ("before and after", ()),
    ],
)
def test_terms(caption, found):
    assert FINDER.find(caption).terms == found


@given(st.text(max_size=60))
def test_defusing_keeps_the_length_and_adds_nothing(text):
    found = FINDER.find(text)
    assert len(found.remaining_text) == len(folded(text))
    assert all(
        before in (after, " ") or after == " "
        for before, after in zip(folded(text), found.remaining_text, strict=True)
    )


def test_extra_terms():
    observe = MedicalCaption(extra_terms=("acme syndrome",), extra_defused=("mri band",)).load()
    assert observe(pair("ACME Syndrome!"))["medical_terms"] == ("acme syndrome",)
    assert observe(pair("the MRI Band live"))["medical_terms"] == ()


WEIGHTS = WordWeights({"femoral": 2.5, "anterior": 1.5, "beans": -0.5})


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("", 0.0),
        ("anterior", 0.0),  # one weak word
        ("femoral", 2.5 / 2),
        ("femoral anterior Femoral", 4.0 / 2),
        ("femoral a anterior, b with many other words around it", 4.0 / 8**0.5),
        ("femoral beans", 2.0 / 2),
    ],
)
def test_score_of_words(text, score):
    assert WEIGHTS.score(text) == pytest.approx(score)


def test_words_are_weighed_against_everyday_ones():
    texts = ["femoral vein of the leg", "femoral artery", "leg of the rare"]
    weights = weigh(
        texts, {"femoral": 1e-7, "leg": 0.18, "the": 0.15, "of": 0.15, "beach": 0.5, "artery": 1e-7}
    )
    assert weights["femoral"] == 3.0
    assert weights["beach"] == -0.5
    assert not {"leg", "the", "artery"} & weights.keys()  # as common as everywhere, or seen once


def test_shipped_table_is_sane():
    weights = load_words().weights
    assert 10_000 < len(weights) < 50_000
    assert weights["carcinoma"] >= STRONG
    assert weights["guitar"] < 0
    assert all(word == word.lower() and -0.5 <= weight <= 3 for word, weight in weights.items())


def test_shipped_lists_are_sane():
    terms = shipped_terms()
    assert len(terms) > 3000
    assert {t.language for t in terms} == {
        "en",
        "de",
        "fr",
        "es",
        "it",
        "nl",
        "pt",
        "pl",
        "defused",
    }
    assert {t.kind for t in terms} == {"words", "anatomy", "harm", "treatment", "change", "defused"}
    assert all(t.text for t in terms)
    assert not any("*" in t.text or "?" in t.text for t in terms)
    assert len(shipped_prompts("medical")) > 5
    assert len(shipped_prompts("everyday")) > 5


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        (
            (
                "A boy with osteogenesis imperfecta and his dog on the beach near the old harbour of "
                "the town"
            ),
            True,
        ),
        ("Living with Marfan-syndrome: our family on a walk", True),
        ("acute pain", True),  # "acute pain NOS" in ICD-10-CM
        ("Her high forehead, fair skin and long neck made her a model", False),
        ("Alarm triggered by cold", False),
        ("The food allergy menu of the restaurant", False),
    ],
)
def test_phrases_of_the_dictionaries(caption, found):
    assert bool(make_finder(shipped_phrases()).find(caption).terms) == found


STOPS = Stops(
    frozenset({"triggered by"}),
    frozenset({"of"}),
    frozenset({"flat", "high"}),
    frozenset({"feet", "brow"}),
    frozenset({"eye drop"}),
)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("Femoral hernia", ["femoral hernia"]),
        ("Femoral hernia, NOS", []),  # a list, no phrase
        ("Femoral hernia NOS", ["femoral hernia"]),
        ("Hernia", []),
        ("Femoral hernia type 2", []),
        ("Rare femoral hernia of the leg", []),  # six words
        ("triggered by hernia", []),
        ("hernia of", []),
        ("Flat feet", []),
        ("high hernia", ["high hernia"]),
        ("eye drop", []),
        ("warm hands", []),  # everyday words
        ("x-ray hernia", []),  # a list of terms.yaml has it
    ],
)
def test_phrases_that_are_taken(name, taken):
    weights = {"hernia": 2.0, "femoral": 1.5, "feet": 1.2, "eye": 1.1}
    assert phrases([name], weights, STOPS, make_finder([parse_term("x-ray*", WORDS)])) == taken


def test_a_phrase_that_holds_another_is_left_out():
    weights = {"hernia": 2.0}
    assert phrases(["femoral hernia", "left femoral hernia"], weights, STOPS, make_finder([])) == [
        "femoral hernia"
    ]


def test_shipped_phrases_are_what_the_script_would_take():
    shipped, stops = [one.text for one in shipped_phrases()], load_stops()
    assert 15_000 < len(shipped) < 40_000
    assert phrases(shipped, load_words().weights, stops, make_finder(shipped_terms())) == shipped


@pytest.mark.parametrize(
    ("url", "body", "expected"),
    [
        ("https://a.example/", "<title>Garden</title><h1>Roses</h1>", ((), False)),
        (
            "https://a.example/",
            "<title>Dr. Roe</title><h1>Rhinoplasty</h1>",
            (("plasty", "rhinoplast"), False),
        ),
        ("https://a.example/", "<title>Facelift before and after</title>", (("facelift",), False)),
        ("https://images.radiopaedia.org/1", "", ((), True)),
        ("https://notradiopaedia.org/1", "", ((), False)),
    ],
)
def test_page(url, body, expected):
    page = parse_page(Page(url, (), body.encode(), Origin("", 0, "", "")))
    found = MedicalPage().load()(page)
    assert (found["page_medical_terms"], found["page_medical_host"]) == expected


def test_hosts_of_ones_own():
    is_medical = host_checker(["clinic.example"])
    assert [
        is_medical(url)
        for url in (
            "https://www.clinic.example/a",
            "https://clinic.example.org/",
            "no url",
            "https://[::1]/",
        )
    ] == [
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("url", "content_type", "body", "dropped"),
    [
        ("https://a.example/ct.DCM?x=1", None, None, True),
        ("https://a.example/ct", "application/dicom; charset=x", None, True),
        ("https://a.example/ct.jpg", "image/jpeg", b"\0" * 128 + b"DICM" + b"x" * 9, True),
        ("https://a.example/ct.jpg", "image/jpeg", b"\xff\xd8\xff" + b"DICM" * 40, False),
        ("https://a.example/dcm/a.jpg", None, None, False),
    ],
)
def test_dicom(url, content_type, body, dropped):
    seen = DicomContent().load()(Content(body)) if body is not None else {}
    decisions = list(Dicom().judge({"url": url, "content_type": content_type, **seen}))
    assert bool(decisions) == dropped


@pytest.mark.parametrize(
    ("body", "types"),
    [
        (
            '<script type="application/ld+json">{"@type": "MedicalWebPage"}</script>',
            ("MedicalWebPage",),
        ),
        (
            '<script type="Application/LD+JSON">{"@graph": [{"@type": ["Physician", "Person"]}]}</script>',
            ("Person", "Physician"),
        ),
        (
            '<script type="application/ld+json">{"@type": "http://schema.org/Hospital"}</script>',
            ("Hospital",),
        ),
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
    embedding = Embedding(
        np.array([1, 0], np.float32),
        lambda texts: np.array([vectors[t] for t in texts], np.float32),
        10.0,
    )
    score = MedicalPicture(medical=("scan", "wound"), everyday=("cat",)).load()(embedding)[
        "medical_picture_score"
    ]
    expected = (math.exp(10) + math.exp(6)) / (math.exp(10) + math.exp(6) + 1)
    assert score == pytest.approx(expected, abs=1e-6)


NOTHING = {
    "medical_terms": (), "medical_words": 0.0, "page_types": (), "page_medical_terms": (), "page_medical_words": 0.0, "page_medical_host": False,
    "medical_picture_score": 0.1, "faces": [], "face_count": 0, "radiograph_like": False, "halves_distance": 130,
}  # fmt: skip
WORDED, ON_PAGE, PERHAPS, FACE = (
    {"medical_terms": ("x-ray",)},
    {"page_types": ("Hospital",)},
    {"medical_picture_score": 0.5},
    {"face_count": 1},
)
RADIOGRAPH, HALVES = {"radiograph_like": True}, {"halves_distance": 80}


def box(left, top, size):
    return {"left": left, "top": top, "right": left + size, "bottom": top + size, "score": 0.9}


TWO_FACES = {"faces": [box(0.1, 0.2, 0.3), box(0.6, 0.22, 0.3)], "face_count": 2}


def decided(evidence, profile="default", allow_medical=False):
    rule = Medical(0.9, 0.5, 0.9, 90, profile, allow_medical)
    return [f"{d.action} {d.reason}" for d in rule.judge({**NOTHING, **evidence})]


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({}, []),
        (FACE, []),
        (RADIOGRAPH | HALVES, []),
        (PERHAPS, ["tag medical_picture_perhaps"]),
        ({"medical_picture_score": 0.9}, ["drop medical_picture"]),
        ({"medical_picture_score": math.nan}, ["drop medical_picture"]),
        (WORDED | PERHAPS, ["drop medical_picture_with_text_or_page"]),
        (ON_PAGE | PERHAPS, ["drop medical_picture_with_text_or_page"]),
        (WORDED | ON_PAGE, ["drop medical_text_on_medical_page"]),
        (WORDED | FACE, ["drop medical_with_face"]),
        (ON_PAGE | FACE, ["drop medical_with_face"]),
        (PERHAPS | FACE, ["drop medical_with_face"]),
        (WORDED | RADIOGRAPH, ["drop medical_radiograph"]),
        (ON_PAGE | HALVES, ["drop medical_before_after"]),
        (PERHAPS | {"faces": TWO_FACES["faces"]}, ["drop medical_before_after"]),
        (WORDED, ["tag medical_text"]),
        ({"medical_words": 0.9}, ["tag medical_text"]),
        ({"medical_words": 0.89}, []),
        (WORDED | {"page_types": ("Recipe",)}, ["tag medical_text"]),
        ({"page_types": ("Physician",)}, ["tag medical_page"]),
        ({"page_medical_host": True}, ["tag medical_page"]),
        ({"page_medical_terms": ("rhinoplasty",)}, ["tag medical_page"]),
        ({"page_medical_words": 1.2}, ["tag medical_page"]),
        (
            WORDED
            | {
                "page_types": None,
                "page_medical_terms": None,
                "page_medical_words": None,
                "page_medical_host": None,
            },
            ["tag medical_text"],
        ),
        (
            WORDED
            | {"face_count": None, "faces": None, "radiograph_like": None, "halves_distance": None},
            ["tag medical_text"],
        ),
    ],
)
def test_rule(evidence, expected):
    assert decided(evidence) == expected


def test_strict_drops_by_any_evidence():
    assert [decided(e, "strict") for e in (WORDED, ON_PAGE, PERHAPS, FACE)] == [
        ["drop medical_text"], ["drop medical_page"], ["drop medical_picture_perhaps"], [],
    ]  # fmt: skip


def test_audit_drops_nothing():
    assert decided(WORDED | ON_PAGE | FACE, "audit") == ["tag medical_with_face"]


@pytest.mark.parametrize(
    ("evidence", "action"),
    [
        ({}, "move"),
        (FACE, "drop"),
        ({"face_count": None}, "drop"),  # nobody looked
        ({"personal_spans": ({"kind": "EMAIL"},)}, "drop"),
        ({"personal_in_urls": ("EMAIL",)}, "drop"),
        ({"burned_in_kinds": ("BIRTH_DATE",)}, "drop"),
    ],
)
def test_medical_subset_bears_no_face_and_no_personal_data(evidence, action):
    assert (
        decided({"medical_picture_score": 0.95} | evidence, allow_medical=True)[0].split()[0]
        == action
    )


def test_medical_subset_is_named():
    assert Medical(0.9, 0.5, 0.9, 90, "default", allow_medical=True).subsets == ("medical",)
    assert Medical(0.9, 0.5, 0.9, 90, "default").subsets == ()
    (decision,) = Medical(0.9, 0.5, 0.9, 90, "default", allow_medical=True).judge(
        {**NOTHING, "medical_picture_score": 1.0}
    )
    assert (decision.action, decision.subset) == (Action.MOVE, "medical")


@pytest.mark.parametrize(
    ("faces", "equal"),
    [
        ([], False),
        (TWO_FACES["faces"], True),
        ([box(0.1, 0.1, 0.3), box(0.12, 0.6, 0.28)], True),
        ([box(0.1, 0.1, 0.3), box(0.6, 0.1, 0.1)], False),
        ([box(0.1, 0.1, 0.3), box(0.6, 0.5, 0.3)], False),
        ([*TWO_FACES["faces"], box(0.4, 0.2, 0.3)], False),
    ],
)
def test_two_equal_faces(faces, equal):
    assert equal_faces(faces) is equal


def test_missing_score_cannot_be_judged():
    with pytest.raises(TypeError):
        decided({"medical_picture_score": None})
