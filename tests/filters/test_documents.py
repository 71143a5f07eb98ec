"""Pictures of documents, watermarks and captions that repeat what stands in a picture."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from filters.documents.rule import Documents, Parrot
from filters.documents.words import document_words, folded, is_machine_line
from filters.subjects import Picture
from pairsieve.records.pair import PerCaption, evidence_of_caption


@pytest.mark.parametrize(
    ("lines", "kind", "number"),
    [
        (["Dateofbirth", "NATIONALITY", "Signature of holder"], "form", 3),
        (["Prénom", "Date de naissance", "Nationalite"], "identity_document", 3),
        (["Geburtsdatus", "Staatsangehorigkeit"], "identity_document", 2),  # one letter misread
        (["Date and place of birth"], "identity_document", 1),  # not "place of birth" as well
        (["Passport to", "adventure"], "identity_document", 1),  # not "passaporto" as well
        (["Dear Mr Harris,", "Yours sincerely"], "letter", 2),
        (["Norwich, 14 June 2023", "Dear Mr Harris,"], "letter", 2),
        (["Kassel, den 3.5.2021", "Sehr geehrte Frau Weiss"], "letter", 2),
        (["Rechnung"], "invoice", 1),
        (["Rechnung bezahlt? Die App"], "invoice", 0),  # a title fills its line
        (["Norwich, 14 June 2023"], "letter", 0),  # posters have a place and a date too
        (["a cat on a mat"], "form", 0),
    ],
)
def test_words_of_documents(lines, kind, number):
    assert document_words().found(lines).get(kind, 0) == number


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["alamy stock photo"], True),
        (["Shutterstock"], True),
        (["PREVIEW"], True),
        (["a preview of the film"], False),
        (["salamy"], False),
        ([], False),
    ],
)
def test_watermarks(lines, found):
    assert document_words().has_watermark(lines) is found


def test_lines_that_machines_read():
    assert is_machine_line("P<GBRWHITFIELD<<THOMAS<<<<<<<<<<<<<<<<<<<<<<")
    assert not is_machine_line("<<< back")
    assert folded("Łódź: Straße, Œuvre") == "lodzstrasseoeuvre"


def evidence(words=0, machine_lines=0, kinds=(), page_like=False):
    counted = [{"kind": "letter", "words": words}] if words else []
    return {
        "document_words": counted,
        "document_machine_lines": machine_lines,
        "text_kinds": kinds,
        "text_page_like": page_like,
    }


@pytest.mark.parametrize(
    ("given", "strict", "default", "lenient", "audit"),
    [
        (evidence(), "", "", "", ""),
        (evidence(words=3), "drop", "drop", "drop", "tag"),
        (evidence(machine_lines=1), "drop", "drop", "drop", "tag"),
        (evidence(words=2), "", "", "", ""),
        (evidence(words=2, page_like=True), "drop", "drop", "tag", "tag"),
        (evidence(words=2, kinds=["PHONE"]), "drop", "drop", "tag", "tag"),
        (evidence(kinds=["PHONE"]), "drop", "tag", "tag", "tag"),
        ({**evidence(), "document_words": None}, "", "", "", ""),  # nobody looked
    ],
)
def test_profiles(given, strict, default, lenient, audit):
    actions = {}
    for profile in ("strict", "default", "lenient", "audit"):
        decisions = list(Documents(profile, 3, 2).judge(given))
        assert len(decisions) <= 1
        actions[profile] = str(decisions[0].action) if decisions else ""
    assert actions == {"strict": strict, "default": default, "lenient": lenient, "audit": audit}


def test_reasons_name_the_kind():
    decisions = [next(iter(Documents("default", 3, 2).judge(evidence(words=3))))]
    decisions += Documents("audit", 3, 2).judge(evidence(machine_lines=2))
    decisions += Documents("default", 3, 2).judge(evidence(kinds=["PHONE"]))
    assert [decision.reason for decision in decisions] == [
        "document_letter",
        "document_identity_document",
        "personal_data_in_picture",
    ]


@pytest.mark.parametrize(("share", "tagged"), [(None, 0), (0.79, 0), (0.8, 1), (1.0, 1)])
def test_parrots(share, tagged):
    assert len(list(Parrot(0.8).judge({"caption_in_picture": share}))) == tagged


def test_only_the_value_of_a_caption_is_kept():
    given = {"a": 1, "b": PerCaption(len)}
    assert evidence_of_caption(given, "four") == {"a": 1, "b": 4}
    assert evidence_of_caption({"a": 1}, "four") == {"a": 1}


LETTERHEAD = (
    "APPLICATION FORM", "Surname", "First name", "Date of birth", "Nationality", "Signature",
)  # fmt: skip


@pytest.fixture(scope="module")
def observe():
    pytest.importorskip("rapidocr_onnxruntime", reason="the extra `ocr` reads")
    from filters.documents.detector import TextInPicture

    return TextInPicture().load()


def page(lines, ground="white", ink="black"):
    image = Image.new("RGB", (560, 480), ground)
    for place, line in enumerate(lines):
        ImageDraw.Draw(image).text((50, 40 + 62 * place), line, fill=ink, font_size=30)
    return Picture(image)


def test_a_form_is_recognised_and_its_text_is_not_kept(observe):
    found = observe(page((*LETTERHEAD, "jane@mail.example")))
    (decision,) = Documents("default", 3, 2).judge(found)
    assert decision.reason in ("document_form", "document_identity_document")
    assert found["text_page_like"] is True
    assert "jane" not in repr(found).lower()
    assert "surname" not in repr(found).lower()


def test_a_caption_that_stands_in_the_picture(observe):
    found = observe(page(["Fresh bread", "every morning"]))
    assert evidence_of_caption(found, "Fresh bread, every morning")["caption_in_picture"] == 1
    assert evidence_of_caption(found, "A shop in Leeds")["caption_in_picture"] == 0
    assert not found["document_words"]


def test_a_picture_without_writing_is_not_read(observe):
    found = observe(Picture(Image.new("RGB", (300, 200), "navy")))
    assert found["text_share"] == 0
    assert found["caption_in_picture"] is None
    assert found["watermark_words"] is False


def test_the_watermark_of_an_agency(observe):
    assert observe(page(["shutterstock"], ground="teal", ink="white"))["watermark_words"] is True
