"""The medical rule: it judges words, page, picture and faces together.

No established thresholds exist; calibrate yours with `pairsieve calibrate`. Ours come from:

- `words_from` 0.9: learned word weights. In a trial they found 0.91 of 8,179 captions of radiology
  figures and flagged 0.5 % of 15,833 everyday captions; together with the lists, 0.94 and 0.6 %.
- `halves_within` 90: PDQ distance between the halves of a picture. Before-and-after pictures had
  about 70, others 116 to 152.
- `picture_alone`, `picture_with_other`: shares of CLIP prompts, for the model in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public

# types of medical pages, from schema.org's health and life sciences section
MEDICAL_PAGE_TYPES = frozenset(
    {
        "MedicalWebPage", "MedicalCondition", "MedicalProcedure", "MedicalClinic",
        "MedicalBusiness", "MedicalTest",
        "MedicalOrganization", "MedicalScholarlyArticle", "MedicalEntity", "MedicalSignOrSymptom",
        "MedicalTherapy", "Physician",
        "Hospital", "Patient", "Dermatology", "PlasticSurgery", "ImagingTest", "SurgicalProcedure",
        "TherapeuticProcedure",
        "DiagnosticProcedure", "DiagnosticLab", "Dentist",
    }
)  # fmt: skip
SUBSET = "medical"
EQUAL_FACES = 0.6  # lowest area of the smaller face, as a share of the larger one's
IN_LINE = 0.1  # highest shift between two faces in line, as a share of the picture's side
Profile = Literal["strict", "default", "audit"]


@dataclass(frozen=True)
class Medical:
    """Drop what looks clearly medical, or medical by two kinds of evidence; tag the rest.

    Profiles:

    default  drops: a picture from `picture_alone` on; any medical evidence with a face, with the
             look of a radiograph or with that of a before-and-after picture; words on a medical
             page; a picture from `picture_with_other` on with medical words or a medical page
    strict   drops any one kind of medical evidence
    audit    drops nothing: everything that `default` drops is tagged with the same reason

    With `allow_medical`, samples without a face and without personal data are published in the
    subset `medical/` instead of being dropped.
    """

    name: ClassVar[str] = "medical"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = (
        "medical_terms", "medical_words", "page_types", "page_medical_terms", "page_medical_words",
        "page_medical_host",
        "medical_picture_score",
    )  # fmt: skip
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.MOVE, Action.TAG)
    saves_request: ClassVar[bool] = False

    picture_alone: Public[float]
    picture_with_other: Public[float]
    words_from: Public[float]
    halves_within: Public[int]
    profile: Public[Profile]
    allow_medical: Public[bool] = False

    @property
    def subsets(self) -> tuple[str, ...]:
        """The subset to which this rule moves samples; none without `allow_medical`."""
        return (SUBSET,) if self.allow_medical else ()

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        score: float = evidence["medical_picture_score"]
        signs = self._signs(evidence)
        reason = self._reason_to_drop(signs, score)
        if reason:
            action = self._action(evidence, signs)
            subset = SUBSET if self.allow_medical else None
            yield Decision(action, reason, score=score, subset=subset)
        elif signs.any_medical:
            yield Decision(Action.TAG, signs.strongest_reason(), score=score)

    def _signs(self, evidence: Readable) -> MedicalSigns:
        has_terms = bool(evidence["medical_terms"])
        return MedicalSigns(
            words=has_terms or evidence["medical_words"] >= self.words_from,
            page=self._is_medical_page(evidence),
            # `not <` and not `>=`: a score of NaN cannot be judged and counts as medical
            picture=not evidence["medical_picture_score"] < self.picture_with_other,
            face=bool(evidence.get("face_count")),
            radiograph=bool(evidence.get("radiograph_like")),
            before_after=self._is_before_and_after(evidence),
        )

    def _is_medical_page(self, evidence: Readable) -> bool:
        """Whether the page's types, words or host are medical; False where no page was seen."""
        # all page evidence is None where no page was seen
        has_type = not MEDICAL_PAGE_TYPES.isdisjoint(evidence["page_types"] or ())
        has_words = bool(evidence["page_medical_terms"])
        if not has_words:
            score: float = evidence["page_medical_words"] or 0.0
            has_words = score >= self.words_from
        return has_type or has_words or bool(evidence["page_medical_host"])

    def _is_before_and_after(self, evidence: Readable) -> bool:
        distance_bits = evidence.get("halves_distance")
        if distance_bits is not None and distance_bits <= self.halves_within:
            return True
        return equal_faces(evidence.get("faces") or ())

    def _reason_to_drop(self, signs: MedicalSigns, score: float) -> str | None:
        """The first reason that applies, the clearest one first; None when the sample may stay."""
        text_or_page = signs.words or signs.page
        reasons = (
            (not score < self.picture_alone, "medical_picture"),
            (signs.face and signs.any_medical, "medical_with_face"),
            (signs.before_after and signs.any_medical, "medical_before_after"),
            (signs.radiograph and signs.any_medical, "medical_radiograph"),
            (signs.picture and text_or_page, "medical_picture_with_text_or_page"),
            (signs.words and signs.page, "medical_text_on_medical_page"),
        )
        for applies, reason in reasons:
            if applies:
                return reason
        if self.profile == "strict" and signs.any_medical:
            return signs.strongest_reason()
        return None

    def _action(self, evidence: Readable, signs: MedicalSigns) -> Action:
        if self.profile == "audit":
            return Action.TAG
        if not self.allow_medical:
            return Action.DROP
        identifies_a_person = (
            signs.face
            or evidence.get("personal_spans")
            or evidence.get("personal_in_urls")
            or evidence.get("burned_in_kinds")
        )
        # a picture in which no detector looked for faces may show one
        was_searched_for_faces = evidence.get("face_count") is not None
        if identifies_a_person or not was_searched_for_faces:
            return Action.DROP
        return Action.MOVE


@dataclass(frozen=True, slots=True)
class MedicalSigns:
    """Which signs of a medical picture a sample shows.

    `words`, `page` and `picture` are medical evidence in themselves. The other three only count
    together with one of these.
    """

    words: bool
    page: bool
    picture: bool
    face: bool
    radiograph: bool
    before_after: bool

    @property
    def any_medical(self) -> bool:
        """Whether there is medical evidence of any kind."""
        return self.words or self.page or self.picture

    def strongest_reason(self) -> str:
        """The reason that names the surest kind of medical evidence; needs `any_medical`."""
        if self.words:
            return "medical_text"
        if self.page:
            return "medical_page"
        return "medical_picture_perhaps"


def equal_faces(faces: Sequence[Mapping[str, float]]) -> bool:
    """Whether there are exactly two faces, in line and of about the same size.

    In line means side by side or one above the other, as in before-and-after pictures. Boxes are in
    shares of the picture's sides.
    """
    if len(faces) != 2:
        return False
    first, second = faces
    areas = sorted((_area(first), _area(second)))
    is_side_by_side = abs(first["top"] - second["top"]) <= IN_LINE
    is_stacked = abs(first["left"] - second["left"]) <= IN_LINE
    return (is_side_by_side or is_stacked) and areas[0] >= EQUAL_FACES * areas[1]


def _area(face: Mapping[str, float]) -> float:
    """Share of the picture that a face covers."""
    return (face["right"] - face["left"]) * (face["bottom"] - face["top"])
