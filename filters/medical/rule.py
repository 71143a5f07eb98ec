"""The medical rule: words, page and picture together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from filters.rule import Action, Decision, Readable

# schema.org types of medical pages (schema.org's health and life sciences section)
MEDICAL_PAGE_TYPES = frozenset(
    {
        "MedicalWebPage", "MedicalCondition", "MedicalProcedure", "MedicalClinic", "MedicalBusiness", "MedicalTest",
        "MedicalOrganization", "MedicalScholarlyArticle", "Physician", "Hospital", "Patient", "Dermatology", "PlasticSurgery",
        "ImagingTest", "SurgicalProcedure", "TherapeuticProcedure",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Medical:
    """Drop what the picture alone shows to be medical, or what two kinds of evidence say together; tag the rest.

    `picture_alone`: the CLIP score from which the picture is enough; `picture_with_other`: the lower one that is
    enough with a medical word or page. A word on a medical page is enough without the picture. No established
    thresholds exist: calibrate them for the model in use.
    """

    name: ClassVar[str] = "medical"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("medical_terms", "page_types", "medical_picture_score")
    saves_request: ClassVar[bool] = False

    picture_alone: float
    picture_with_other: float

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        words = bool(evidence["medical_terms"])
        page = not MEDICAL_PAGE_TYPES.isdisjoint(evidence["page_types"] or ())  # None: no page was seen
        score: float = evidence["medical_picture_score"]
        if not score < self.picture_alone:  # NaN cannot be judged, so it is dropped
            yield Decision(Action.DROP, "medical_picture", score=score)
        elif (words or page) and score >= self.picture_with_other:
            yield Decision(Action.DROP, "medical_picture_with_text_or_page", score=score)
        elif words and page:
            yield Decision(Action.DROP, "medical_text_on_medical_page", score=score)
        elif words or page:
            yield Decision(Action.TAG, "medical_text" if words else "medical_page", score=score)
