from __future__ import annotations

import gzip
import math
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.folding import folded
from filters.medical import frequent
from filters.medical.automaton import DEFUSED
from filters.medical.caption import MedicalCaption
from filters.medical.cognates import skeleton, skeletons
from filters.medical.cues import terms_together
from filters.medical.dicom import Dicom, DicomContent
from filters.medical.frequent import ambiguous_words, frequent_words, matches, open_hits
from filters.medical.ontology_names import Stops, clear_names, load_stops, phrases
from filters.medical.other_languages import (
    clear_cognates,
    cognate_shares,
    cognate_weights,
    shares_with_sharp_s,
    translated_shares,
    with_everyday_cognates,
    with_other_forms,
    word_pairs,
)
from filters.medical.page import MedicalPage, host_checker
from filters.medical.picture import MedicalPicture, shipped_prompts
from filters.medical.rule import Medical, equal_faces, repeats_caption
from filters.medical.terms import (
    AMBIGUOUS,
    LANGUAGES,
    WORDS,
    make_finder,
    parse_term,
    shipped_phrases,
    shipped_terms,
)
from filters.medical.text import make_judge
from filters.medical.weighing import CLEAR_WEIGHT, weigh, weigh_shares, with_least_weight
from filters.medical.words import (
    STRONG,
    RareWords,
    WordWeights,
    load_cognates,
    load_directions,
    load_words,
    words_of,
)
from filters.pages.page_types import PageTypes
from filters.rule import Action
from filters.subjects import Content, Embedding
from pairsieve.records.page import Origin, Page
from pairsieve.web.html import parse_page
from tests.support.medical_captions import SET, WORDS_FROM, language_of_group, pair

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

    def is_flagged(caption, language=""):
        found = observe(pair(caption, language))
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
    found = [flagged(caption, language_of_group(language)) for caption in captions]
    assert sum(found) >= 0.95 * len(captions)


def test_traps_of_the_frozen_set(flagged):
    traps = [
        flagged(caption, language_of_group(group))
        for group, caption in SET
        if group.startswith(("trap", "everyday"))
    ]
    assert sum(traps) <= 2 / 25 * len(traps)


FINDER = make_finder(
    (
        parse_term("mri", WORDS), parse_term("biops*", WORDS), parse_term("*ectomy", WORDS), parse_term("x-ray", WORDS), parse_term("knee", "anatomy", "en"),
        parse_term("swollen", "harm", "en"), parse_term("before and after", "change", "en"), parse_term("filler", "treatment", "en"), parse_term("knie", "anatomy", "de"),
        parse_term("knee pads*", DEFUSED), parse_term("x-ray fish", DEFUSED),
    )
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


CUES = make_finder(
    tuple(
        parse_term(text, kind, language)
        for language in ("en", "de")
        for text, kind in (
            ("(arrow)", "figure"), ("case 2", "figure"), ("swelling", "harm"),
            ("repair", "treatment"), ("road repair", DEFUSED), ("axial", "imaging"),
        )
    )
)  # fmt: skip
TABLE = {"stool": 1.1, "patella": 3.0, "posterior": 1.9, "swelling": 2.5, "axial": 2.0}
CUE_WORDS = WordWeights(TABLE, frozenset({"patella", "posterior"}))
TRANSLATED = WordWeights(TABLE | {"kniescheibe": 1.6}, rare_words=RareWords({}, "de"))


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("A stool (arrow)", ("(arrow) + stool",)),
        # anywhere in the caption
        ("(arrow) and far behind it, with many more words than belong together, a stool",
         ("(arrow) + stool",)),
        ("a stool, arrow", ()),
        ("a chair (arrow)", ()),
        # a word that is no evidence alone needs more weight
        ("the posterior wall of the house (arrow)", ()),
        ("the patella (arrow)", ("(arrow) + patella",)),
        ("stool repair", ("repair + stool",)),
        ("repair of my roof after the storm of last week, and then a stool", ()),
        ("stool road repair", ()),
        # the same word twice
        ("swelling of the swelling", ()),
        ("axial swelling", ("axial + swelling",)),
        # two cues, one of which is of figures
        ("Case 2, two months after the repair", ("case 2 + repair",)),
        ("Case 2, and far behind it, with many more words, the repair", ()),
        ("Case 2 (arrow)", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_two_weak_signs_are_clear_together(caption, found):
    matches = CUES.find(caption)
    assert terms_together(matches.cues, matches.remaining_text, CUE_WORDS) == found


@pytest.mark.parametrize(
    ("caption", "found"),
    [("stool (arrow)", ()), ("kniescheibe (arrow)", ("(arrow) + kniescheibe",))],
)
def test_words_of_translated_weights_need_more(caption, found):
    matches = CUES.find(caption, "de")
    assert terms_together(matches.cues, matches.remaining_text, TRANSLATED) == found


def test_a_text_of_an_unknown_language_has_no_cues():
    assert CUES.find("stool (arrow)", "unknown").cues == ()


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("Left knee showing a high-riding patella", "en"),
        ("Nine months follow-up of the same girl", "en"),
        ("Six weeks after excision of the tubercle", "en"),
        ("Absence de rein", "fr"),
        ("Ausencia de mama", "es"),
    ],
)
def test_figures_and_names_are_found_by_two_signs(caption, language, flagged):
    assert flagged(caption, language)


@pytest.mark.parametrize(
    "caption",
    [
        "A map showing the old town (arrow)", "Hand in hand: portrait of Mr Miller",
        "The patient fisherman", "Case 2: oak display case with brass handles",
        "Figure 1: plan of the garden shed", "Road repair in front of the town hall",
        "Woman showing her new shoes (left) and bag (right)",
    ],
)  # fmt: skip
def test_everyday_captions_with_the_language_of_figures(caption, flagged):
    assert not flagged(caption, "en")


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


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("upper left", 0.0),  # directions alone
        ("upper left femur", 4.5 / 2),
        ("upper left palm", 0.0),  # a word that weighs less than TELLING is no support
    ],
)
def test_directions_need_another_medical_word(text, score):
    table = {"upper": 1.5, "left": 1.5, "femur": 1.5, "palm": 0.8}
    weights = WordWeights(table, directions=frozenset({"upper", "left"}))
    assert weights.score(text) == pytest.approx(score)


RARE = RareWords({"macroglos": 2.5, "superior": 1.5}, "fr")


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("une macroglossie", 2.5 / 2),  # of the English "macroglossia"
        ("une supérieure macroglossie", 2.5 / 2),  # the table says that the word is an everyday one
        ("une glossie", 0.0),
        ("une macroglossie et guitare", 2.0 / 2),
    ],
)
def test_a_rare_word_weighs_what_its_english_cognate_weighs(text, score):
    weights = WordWeights({"supérieure": 0.0, "guitare": -0.5}, rare_words=RARE)
    assert weights.score(text) == pytest.approx(score)


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("Hypertrichose am rechten Unterarm", "de"),
        ("Enfant avec macroglossie congénitale", "fr"),
        ("Lesiones de coccidioidomicosis en la piel", "es"),
        ("Paciente com actinomicose cervicofacial", "pt"),
    ],
)
def test_rare_diseases_are_found_by_their_english_cognates(caption, language, flagged):
    assert flagged(caption, language)


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("Störungen der Netzhaut", "de"), ("Schmerz im linken Ohr", "de"), ("Tollwut", "de"), ("Lungensepsis nach Unfall", "de"),
        ("Affection du nerf optique", "fr"), ("Maladie de Lyme", "fr"), ("Syndrome de Potter", "fr"), ("Coqueluche du nourrisson", "fr"),
        ("Trastornos de las uñas", "es"), ("Esquizofrenia paranoide", "es"), ("Otras anomalías de la laringe", "es"),
        ("Malattie della ghiandola", "it"), ("Febbre gialla urbana", "it"), ("Disturbi del cristallino", "it"),
        ("Afwijkingen van het netvlies", "nl"), ("Ziekte van Crohn", "nl"), ("Chronische nierziekte", "nl"),
        ("Niewydolność nerek", "pl"), ("Zaburzenia snu u dzieci", "pl"), ("Niedokrwienie jelit", "pl"),
        ("Transtornos da córnea", "pt"), ("Esquizofrenia paranoide", "pt"), ("Outras anomalias da laringe", "pt"),
    ],
)  # fmt: skip
def test_names_of_diseases_are_found_in_each_language(caption, language, flagged):
    assert flagged(caption, language)


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("Rinoscopia", "es"), ("Uréthroscopie", "fr"), ("Faringoscopia", "it"), ("Pleurodesis", "es"), ("Netzhaut-OP", "de"),
        ("Kryotherapie", "de"), ("Terapia alvo", "pt"), ("Thérapie ciblée du cancer", "fr"), ("Retiro de puntos", "es"),
        ("Otros procedimientos diagnósticos sobre el timo", "es"), ("Incisión de vena, no clasificada bajo otro concepto", "es"),
        ("Troubles de l'odorat", "fr"), ("Kyste, sans précision", "fr"), ("Esame strumentale dell'orecchio", "it"),
        ("Two weeks after closure of the hernia with a mesh", "en"), ("Primary antibodies and the secondary one", "en"),
        ("Dolor torácico", "es"), ("Hiperplasia", ""), ("Déficit de l'attention", "fr"), ("Frühgeburt in der 30. Woche", "de"),
        ("Szczepienie przeciw grypie", "pl"), ("Acto prematuro: embarazo molar", "es"), ("ACL reconstruction", "en"),
        ("The osteoclast (white arrow) and its nucleus", "en"), ("PRISMA flow diagram", "en"), ("Fracture line between the condyles", "en"), ("Lead apron of the assistant", "en"),
    ],
)  # fmt: skip
def test_procedures_and_figures_of_articles_are_found(caption, language, flagged):
    assert flagged(caption, language)


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("Ankle boots with a zip closure and a block heel", "en"), ("Pocket flap on the chest of a jacket", "en"),
        ("Broken tree limb after the storm", "en"), ("Restoration of the head of a statue", "en"), ("Metaphysical painting, 1914", "en"),
        ("How to free disk space", "en"), ("Bearded iris before and after", "en"), ("Timber deck, post-treatment", "en"),
        ("Restauración de la columna del templo", "es"), ("Coche de segunda mano con tracción total", "es"),
        ("Reparación de discos duros", "es"), ("Otros procedimientos administrativos", "es"), ("Soins du visage à la rose", "fr"),
        ("Rénovation du palais et du bassin", "fr"), ("Retrait en main propre à Lyon", "fr"), ("Date sans précision", "fr"),
        ("Autre lieu, non précisé", "fr"), ("Ort nicht näher bezeichnet", "de"), ("Fotos der Mikroskopie", "de"),
        ("De hand op de knie", "nl"), ("Horoscopia e fotografia", "it"), ("Rotoscopia e animazione", "it"),
        ("Vestido de corte recto", "es"), ("Corrección de la órbita de un satélite", "es"), ("Il rate son examen", "fr"),
        ("Première main, traction avant", "fr"), ("Retina display, replacement of the battery", "en"),
        ("On the palate orange peel and oak", "en"), ("Trains operated on this line", "en"), ("Red arrows over the bay", "en"),
        ("Soldier in prone position at the range", "en"), ("Creme para coxas com celulite", "pt"), ("Same case, other colours", "en"),
        ("Measurements of chest and waist", "en"), ("Verödung im Herzen der Stadt", "de"), ("Frozen section of the shop", "en"),
    ],
)  # fmt: skip
def test_everyday_words_of_procedures_and_lists_are_left_alone(caption, language, flagged):
    assert not flagged(caption, language)


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("Prämien für Stammkunden", "de"), ("Zgorzelec, rynek", "pl"), ("Vestido de lunares rojos", "es"),
        ("Mapa de Corea de 1950", "es"), ("Les premières nevi sur les Alpes", "it"), ("Ernie e Bert", "it"),
        ("Inspuiting van een dieselmotor", "nl"), ("Jurk met open rug", "nl"), ("Bandeira da Coreia", "pt"),
        ("Zmiany w rozkładzie jazdy", "pl"), ("Świeca po zapaleniu", "pl"), ("Les cataractes du Nil", "fr"),
        ("Cataratas del Iguazú", "es"), ("Cataratas do Iguaçu, vista aérea", "pt"),
    ],
)  # fmt: skip
def test_everyday_words_that_look_like_names_of_diseases(caption, language, flagged):
    assert not flagged(caption, language)


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("upper right corner", "en"), ("left arrow curving right", "en"), ("Raise your right hand", "en"),
        ("cuadrante superior derecho", "es"), ("sac à dos bleu", "fr"), ("taglio di capelli corto per donna", "it"),
        ("ein gebrochenes Herz aus Papier", "de"), ("corazón roto dibujado a lápiz", "es"),
        ("a superficial mind", "en"), ("hand with index finger and thumb crossed", "en"), ("amorphous structure", "en"),
        ("the initial statement of the sonata", "en"), ("telefon komórkowy ze strzałką", "pl"), ("moteur à combustion", "fr"),
    ],
)  # fmt: skip
def test_everyday_directions_and_looks_are_left_alone(caption, language, flagged):
    assert not flagged(caption, language)


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        # a translation or a cognate gave these words a medical weight
        ("weiblicher Flaschengeist", "de"), ("Auftritte der Gruppe", "de"), ("preguntar a los camareros", "es"),
        ("Un globo terráqueo de madera", "es"), ("matières ordinaires du lycée", "fr"), ("chiffons et coutures", "fr"),
        ("colletto di camicia bianco", "it"), ("wereldbol met meridianen", "nl"), ("croissants op het stationsplein", "nl"),
        ("wodospady w górach jesienią", "pl"), ("krzyż łaciński na wieży", "pl"), ("poltronas de couro marrom", "pt"),
        # English words that are everyday, technical, or names of animals, plants and places, too
        ("Bursa, Turkey skyline", "en"), ("Phalanx of Greek soldiers", "en"), ("Fascia boards and gutters", "en"),
        ("Vitreous enamel pendant", "en"), ("Venomous snake in the grass", "en"), ("convulsions of laughter", "en"),
        ("Fossil tibia of a mammoth", "en"), ("Ambient occlusion render", "en"), ("Stamp perforation 14 by 15", "en"),
        ("Mayor presented with an award", "en"), ("Nitrocellulose lacquer guitar finish", "en"),
        ("A patient fisherman waits by the river", "en"), ("Forest plot for sale in Devon", "en"),
        # English words in a text of unknown language
        ("diamond squares 4 filled pattern", ""), ("spider web", "de"),
    ],
)  # fmt: skip
def test_everyday_words_need_another_medical_word(caption, language, flagged):
    assert not flagged(caption, language)


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        # they still count beside another one
        ("Gewebe eines Karzinoms", "de"), ("tela adhesiva sobre la herida infectada", "es"),
        ("fracture of the tibia with displacement", "en"), ("Venous phase of the angiography", "en"),
        # a word that is medical in every language is evidence in a text of an unknown one
        ("Ösophagitis", ""), ("Diverticulite", ""), ("Onicólisis", ""),
        # figures of articles, treatments
        ("Confocal image of transfected cells", "en"), ("Odds ratios of both groups with 95% CI", "en"),
        ("Hüftgelenk nach Ablation", "de"), ("Revisión de laringostomía", "es"), ("Bexiga hiperativa", "pt"),
        ("Autres troubles du mouvement", "fr"), ("Desarticulación de hombro", "es"),
    ],
)  # fmt: skip
def test_words_that_are_evidence_with_another_or_everywhere(caption, language, flagged):
    assert flagged(caption, language)


def test_everyday_words_that_look_like_medical_ones_weigh_nothing():
    cognates = {"superior": 1.5}
    completed = with_everyday_cognates({"mano": -0.5}, cognates, "es", ["superior", "mano", "casa"])
    assert completed == {"mano": -0.5, "superior": 0.0}
    assert load_words("es").weights["superior"] == 0.0


def test_cognates_are_those_of_clearly_medical_words():
    assert cognate_weights({"macroglossia": 2.5, "location": 0.9, "vein": 2.0}) == {
        "macroglos": 2.5
    }
    assert min(load_cognates().values()) >= 1.0


def test_directions_are_written_as_words_are_read():
    for words in load_directions().values():
        assert all(words_of(word) == {word} for word in words)
    assert set(load_directions()) == set(LANGUAGES)


def test_words_are_weighed_against_everyday_ones():
    texts = ["femoral vein of the leg", "femoral artery", "leg of the rare"]
    weights = weigh(
        texts, {"femoral": 1e-7, "leg": 0.18, "the": 0.15, "of": 0.15, "beach": 0.5, "artery": 1e-7}
    )
    assert weights["femoral"] == 3.0
    assert weights["beach"] == -0.5
    assert not {"leg", "the", "artery"} & weights.keys()  # as common as everywhere, or seen once


MEDICAL_AND_EVERYDAY = {
    "en": ("carcinoma", "guitar"),
    "de": ("karzinom", "gitarre"),
    "es": ("carcinoma", "guitarra"),
    "fr": ("carcinome", "guitare"),
    "it": ("carcinoma", "chitarra"),
    "nl": ("carcinoom", "gitaar"),
    "pl": ("retinopatia", "gitara"),
    "pt": ("carcinoma", "guitarra"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_shipped_tables_are_sane(language):
    weights = load_words(language).weights
    assert 5_000 < len(weights) < 50_000
    medical, everyday = MEDICAL_AND_EVERYDAY[language]
    assert weights[medical] >= STRONG
    assert weights[everyday] < 0
    assert all(word == word.lower() and -0.5 <= weight <= 3 for word, weight in weights.items())


def test_shipped_lists_are_sane():
    terms = shipped_terms()
    assert len(terms) > 3000
    assert {t.language for t in terms} == {*LANGUAGES, ""}
    kinds = {"words", "anatomy", "imaging", "harm", "treatment", "change", "figure", "defused"}
    assert {t.kind for t in terms} == kinds
    in_languages = {(t.language, t.kind) for t in terms if t.language}
    assert in_languages == {(lang, kind) for lang in LANGUAGES for kind in kinds - {"defused"}}
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
    assert phrases([name], weights, STOPS, make_finder((parse_term("x-ray*", WORDS),))) == taken


def test_a_phrase_that_holds_another_is_left_out():
    weights = {"hernia": 2.0}
    assert phrases(["femoral hernia", "left femoral hernia"], weights, STOPS, make_finder(())) == [
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
            (("plasty", "rhinopl", "rhinoplast"), False),
        ),
        (
            "https://a.example/",
            "<title>Facelift before and after</title>",
            (("facelift + before and after", "facelift before"), False),
        ),
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
    "medical_terms": (), "medical_terms_unsure": (), "medical_words": 0.0, "page_types": (), "page_medical_headlines": (), "page_medical_host": False,
    "caption": "Our garden in May",
    "medical_picture_score": 0.1, "faces": [], "face_count": 0, "radiograph_like": False, "halves_distance": 130,
}  # fmt: skip
WORDED, ON_PAGE, PERHAPS, FACE = (
    {"medical_terms": ("x-ray",)},
    {"page_types": ("Hospital",)},
    {"medical_picture_score": 0.5},
    {"face_count": 1},
)
RADIOGRAPH, HALVES = {"radiograph_like": True}, {"halves_distance": 80}
UNSURE, WEAK_WORDS = {"medical_terms_unsure": ("sarna",)}, {"medical_words": 0.6}


def headline(text, terms=(), score=0.0):
    return {"page_medical_headlines": ({"text": text, "terms": terms, "score": score},)}


TITLED = headline("Rhinoplasty results of our clinic", ("rhinoplasty",))
REPEATED = headline("Our garden in May | Clinic", ("clinic",))


def box(left, top, size):
    return {"left": left, "top": top, "right": left + size, "bottom": top + size, "score": 0.9}


TWO_FACES = {"faces": [box(0.1, 0.2, 0.3), box(0.6, 0.22, 0.3)], "face_count": 2}


def decided(evidence, profile="default", allow_medical=False):
    rule = Medical(0.9, 0.5, 0.9, 90, profile, allow_medical)
    return [f"{d.action} {d.reason}" for d in rule.judge({**NOTHING, **evidence})]


@pytest.mark.parametrize(
    ("evidence", "default", "lenient"),
    [
        ({}, [], []),
        (FACE, [], []),
        (RADIOGRAPH | HALVES, [], []),
        # one clear kind
        (WORDED, ["drop medical_text"], ["tag medical_text"]),
        ({"medical_words": 0.9}, ["drop medical_text"], ["tag medical_text"]),
        (WORDED | {"page_types": ("Recipe",)}, ["drop medical_text"], ["tag medical_text"]),
        ({"page_types": ("Physician",)}, ["drop medical_page"], ["tag medical_page"]),
        ({"page_medical_host": True}, ["drop medical_page"], ["tag medical_page"]),
        (TITLED, ["drop medical_page"], ["tag medical_page"]),
        (headline("x", score=1.2), ["drop medical_page"], ["tag medical_page"]),
        ({"medical_picture_score": 0.9}, ["drop medical_picture"], ["drop medical_picture"]),
        ({"medical_picture_score": math.nan}, ["drop medical_picture"], ["drop medical_picture"]),
        # one weak kind
        (PERHAPS, ["tag medical_picture_perhaps"], ["tag medical_picture_perhaps"]),
        (UNSURE, ["tag medical_text"], []),
        (WEAK_WORDS, ["tag medical_text"], []),
        ({"medical_words": 0.59}, [], []),
        (headline("x", score=0.6), ["tag medical_page"], []),
        # weak with another kind
        (UNSURE | FACE, ["drop medical_with_face"], []),
        (WEAK_WORDS | PERHAPS, ["drop medical_picture_with_text_or_page"], ["tag medical_picture_perhaps"]),
        (WEAK_WORDS | headline("x", score=0.6), ["drop medical_text_on_medical_page"], []),
        # two kinds
        (WORDED | PERHAPS, ["drop medical_picture_with_text_or_page"], ["drop medical_picture_with_text_or_page"]),
        (ON_PAGE | PERHAPS, ["drop medical_picture_with_text_or_page"], ["drop medical_picture_with_text_or_page"]),
        (WORDED | ON_PAGE, ["drop medical_text_on_medical_page"], ["drop medical_text_on_medical_page"]),
        (WORDED | FACE, ["drop medical_with_face"], ["drop medical_with_face"]),
        (ON_PAGE | FACE, ["drop medical_with_face"], ["drop medical_with_face"]),
        (PERHAPS | FACE, ["drop medical_with_face"], ["drop medical_with_face"]),
        (WORDED | RADIOGRAPH, ["drop medical_radiograph"], ["drop medical_radiograph"]),
        (ON_PAGE | HALVES, ["drop medical_before_after"], ["drop medical_before_after"]),
        (PERHAPS | {"faces": TWO_FACES["faces"]}, ["drop medical_before_after"], ["drop medical_before_after"]),
        # a title that repeats the caption is the same evidence
        (WORDED | REPEATED, ["drop medical_text"], ["tag medical_text"]),
        (WEAK_WORDS | headline("Our garden in May", score=0.7), ["tag medical_text"], []),
        # no page was seen, and no detector of pictures looked
        (
            WORDED | {"page_types": None, "page_medical_headlines": None, "page_medical_host": None},
            ["drop medical_text"], ["tag medical_text"],
        ),
        (
            WORDED | {"face_count": None, "faces": None, "radiograph_like": None, "halves_distance": None},
            ["drop medical_text"], ["tag medical_text"],
        ),
    ],
)  # fmt: skip
def test_rule(evidence, default, lenient):
    assert decided(evidence) == default
    assert decided(evidence, "lenient") == lenient


@pytest.mark.parametrize(
    ("headline", "caption", "repeats"),
    [
        ("Knee MRI", "Knee MRI", True),
        ("Knee MRI | Dr. Roe", "My knee MRI", True),
        ("KNEE MRI - photos", "knee mri", True),
        ("Knee surgery in Leeds", "A boy on a beach", False),
        ("", "Knee MRI", False),
        ("Knee MRI", "", False),
    ],
)
def test_a_headline_repeats_a_caption(headline, caption, repeats):
    assert repeats_caption(headline, caption) is repeats


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


@pytest.mark.parametrize(
    ("caption", "language", "clear"),
    [
        # a term counts in its own language
        ("Sarna na leśnej polanie o świcie", "pl", False),
        ("Sarna humana en la mano", "es", True),
        ("Zona arqueológica", "es", False),
        ("Zona thoracique", "fr", True),
        ("Gale Crater", "en", False),
        ("Egzemplarz z autografem", "pl", False),
        ("TAC de tórax", "es", True),
        ("TAC de tórax", "", True),
        ("RMN ginocchio", "", True),
        ("TDM thoracique", "fr", True),
        ("Erysipel", "", True),
        # where the language is unknown, a word that is frequent in another one needs support
        ("esguince", "", True),
        ("hernie", "", False),
        # terms of every language
        ("Echokardiographie", "zu", True),
        # a rare word, which no table holds, with a medical cognate in English
        ("Megalencefalia", "es", True),
        ("Opisthorchiase", "fr", True),
        ("Politriquia", "", True),
        ("Lucia Montanari, Bari", "it", False),
        ("Academia Colombiana", "es", False),
    ],
)
def test_judge_of_texts(caption, language, clear):
    found = make_judge().judge(caption, language)
    assert (bool(found.terms) or found.score >= WORDS_FROM) is clear


UNKNOWN = make_finder(
    (
        parse_term("sarna", WORDS, "es"), parse_term("escabiosis", WORDS, "es"), parse_term("piel", "anatomy", "es"),
        parse_term("picor", "harm", "es"), parse_term("*skopie", WORDS, ""),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "terms", "unsure"),
    [
        ("sarna", (), {"es": ("sarna",)}),
        ("sarna y escabiosis", ("escabiosis", "sarna"), {}),
        ("sarna, picor de piel", ("piel + picor", "sarna"), {}),
        ("Mikroskopie", ("skopie",), {}),
    ],
)
def test_terms_in_an_unknown_language(caption, terms, unsure):
    ambiguous = frozenset({("es", "sarna"), ("es", "escabiosis")})
    found = replace(UNKNOWN, ambiguous=ambiguous).find(caption, "")
    assert (found.terms, found.unsure) == (terms, unsure)


def test_the_finder_and_the_judge_are_made_once():
    assert make_judge() is make_judge()
    assert make_judge(("acme",)) is not make_judge()
    assert make_finder(UNKNOWN_TERMS) is make_finder(UNKNOWN_TERMS)


UNKNOWN_TERMS = (parse_term("acme", WORDS),)


@pytest.mark.parametrize(
    ("english", "others"),
    [
        ("carcinoma", ["de Karzinome", "fr carcinome", "nl carcinoom", "it carcinomi"]),
        ("arthritis", ["de Arthritis", "fr arthrite", "it artrite", "es artritis"]),
        ("nephrectomy", ["de Nephrektomie", "es nefrectomía", "pl nefrektomii"]),
        ("luxation", ["de Luxation", "es luxación", "nl luxatie", "pt luxação"]),
        ("haematoma", ["de Hämatom", "fr hématome", "es hematoma", "it ematoma"]),
    ],
)
def test_cognates_have_the_same_skeleton(english, others):
    bones = skeleton(english, "en")
    assert bones
    for other in others:
        language, word = other.split()
        assert skeleton(word, language) == bones


def test_the_skeletons_of_a_word_are_those_in_each_language():
    for word in ("Karzinome", "luxação", "opisthorchiase", "żółtaczka", "flu"):
        assert all(bones == skeleton(word, one) for one, bones in skeletons(word, LANGUAGES))


def test_short_words_are_cognates_by_chance():
    assert skeleton("venous", "en") == ""


def test_shares_of_cognates_translations_and_other_forms():
    english = {"carcinoma": 3e-5, "hand": 1e-4}
    assert cognate_shares(english, "it", ["carcinomi", "mano"]) == {"carcinomi": 3e-5}
    pairs = [("krebs", "cancer"), ("hund", "chien"), ("nierenkrebs", "cancer du rein")]
    medical = {"krebs": 2e-5, "nierenkrebs": 1e-5}
    assert translated_shares(medical, pairs) == {"cancer": 2e-5}
    forms = with_other_forms({"carcinoma": 3e-5}, ["carcinomas", "carcinomatous", "car"])
    assert forms == {"carcinoma": 3e-5, "carcinomas": 3e-5}


@pytest.mark.parametrize(
    ("name", "is_clear"),
    [
        ("Plagiocephaly", True),
        ("Dextrocardia NOS", True),
        ("Shyness", False),  # no ending of diseases
        ("Amnesia", False),  # frequent
        ("Coria", False),  # short
        ("Chronic osteomyelitis", False),  # two words
    ],
)
def test_names_that_are_clear_by_their_ending(name, is_clear):
    assert bool(clear_names([name], {"amnesia": 2e-6})) is is_clear


def test_clear_names_weigh_enough_to_be_found_alone():
    weights = with_least_weight(
        {"dextrocardia": 0.7, "melanoma": 3.0}, ["dextrocardia", "melanoma"]
    )
    assert weights == {"dextrocardia": CLEAR_WEIGHT, "melanoma": 3.0}
    assert CLEAR_WEIGHT > STRONG


def test_clear_names_are_found_in_other_languages_by_their_skeleton():
    frequency = {"dextrocardie": 1e-9, "mélancolie": 2e-6, "dextrose": 1e-9}
    names = ["dextrocardia", "melancholia"]
    assert list(clear_cognates(names, "fr", frequency)) == ["dextrocardie"]


def test_dictionaries_are_read_in_both_directions(tmp_path):
    entry = b"asthma\n  1. astma\n"
    (tmp_path / "freedict-deu-pol.dict.dz").write_bytes(gzip.compress(entry))
    # dictd's numbers are in base 64: A is 0, S is 18
    assert len(entry) == 18
    (tmp_path / "freedict-deu-pol.index").write_text("asthma\tA\tS\n", "utf-8")
    assert list(word_pairs(tmp_path, "de", "pl", "de")) == [("asthma", "astma")]
    assert list(word_pairs(tmp_path, "pl", "de", "de")) == [("astma", "asthma")]


def test_common_words_of_no_medical_share_are_everyday():
    frequency = {"haus": 1e-4, "der": 1e-2, "selten": 1e-7, "herz": 1e-4, "tumor": 1e-6}
    medical = {"tumor": 1e-4, "herz": 1e-4}
    assert weigh_shares(medical, {"knie"}, frequency) == {"haus": -0.5, "tumor": 2.0}


def test_a_word_with_a_sharp_s_is_as_common_as_wordfreq_says():
    frequency = {"grösse": 7e-5, "strasse": 1e-4}
    assert shares_with_sharp_s(["größe", "wasser", "fußwurzel"], frequency) == {"größe": 7e-5}


def test_no_word_of_daily_life_is_clearly_medical():
    wordfreq = pytest.importorskip("wordfreq", reason="needs the extra `vocabularies`")
    for language in LANGUAGES:
        known = load_words(language)
        strong = known.strong_words(known.weights.keys() - known.directions)
        assert not [word for word in strong if wordfreq.zipf_frequency(word, language) >= 4.3]


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("Villa exclusiva en venta", "es"),
        ("Wyłącznik światła", "pl"),
        ("Der Schieberegler »Größe«", "de"),
        ("Das Untermenü „Vergrößerung“", "de"),
        ("Außerhalb der Bildgrenzen scrollen", "de"),
        ("Beispiel für „Weiße Flächen herausarbeiten“", "de"),
    ],
)
def test_everyday_words_of_german_and_their_translations(caption, language):
    """The German ones are captions of the GIMP manual."""
    found = make_judge().judge(caption, language)
    assert (found.terms, found.unsure) == ((), ())
    assert found.score < 0.9


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("Kind am Tropf im Krankenhaus", "de"),
        ("Blutiger Verband am Kopf", "de"),
        ("Niño con suero en el hospital", "es"),
        ("Cirujanos en el quirófano", "es"),
        ("Enfant sous perfusion à l'hôpital", "fr"),
        ("Pansement ensanglanté à la tête", "fr"),
        ("Paziente in rianimazione", "it"),
        ("Kind aan het infuus in het ziekenhuis", "nl"),
        ("Pacjent na OIOM", "pl"),
        ("Paciente na UTI", "pt"),
        ("Braço engessado", "pt"),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_people_in_hospital(caption, language, is_known):
    found = make_judge().judge(caption, language if is_known else "")
    assert found.terms or found.score >= 0.9


def test_patterns_fit_no_frequent_word_that_was_not_looked_at():
    pytest.importorskip("wordfreq", reason="needs the extra `vocabularies`")
    words = frequent_words()
    assert table_rows(frequent.TABLE) == open_hits(words)
    assert table_rows(AMBIGUOUS) == ambiguous_words(words)


def table_rows(name):
    """The rows of a table in filters/medical."""
    lines = files("filters.medical").joinpath(name).read_text("utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines if not line.startswith("#")]


# Found by pattern, and not medical.
NOT_MEDICAL = {
    "egzemplarz", "graffitis", "grafitis", "verbrennungsmotor", "metastasio", "zaćmienie", "plastiek",
    "paraliż", "zator", "distorsione", "congelamento", "dichotomy", "zweren", "bezweren", "micos",
    "hartritme", "ledematen",
}  # fmt: skip


def test_words_that_were_flagged_by_pattern_are_not_any_more():
    assert NOT_MEDICAL.isdisjoint(word for _, _, word in table_rows(frequent.TABLE))
    finder = make_finder(shipped_terms())
    for word in NOT_MEDICAL:
        assert not [term for term in matches(finder, word) if term.kind == WORDS], word
