"""The medical rule: words, page, picture and faces together.

What the thresholds rest on (no established ones exist; calibrate yours with `pairsieve calibrate`):

- `words_from` 0.9: learned word weights; in a trial they found 0.91 of 8,179 captions of radiology
  figures and flagged 0.5 % of 15,833 everyday ones, and the lists with them 0.94 and 0.6 %
- `halves_within` 90: PDQ distances of the halves of before-and-after pictures were about 70, of
  others 116 to 152
- `picture_alone`, `picture_with_other`: shares of CLIP prompts, for the model in use
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public

# schema.org types of medical pages (schema.org's health and life sciences section)
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
# area of the smaller by the larger; shares of the picture by which they may be out of line
EQUAL_FACES, IN_LINE = 0.6, 0.1
Profile = Literal["strict", "default", "audit"]


@dataclass(frozen=True)
class Medical:
    """Drop what looks medical clearly, and what two kinds of evidence say together; tag the rest.
    Profiles:

    default  the picture is enough from `picture_alone` on; a face, or the look of a radiograph or
             of before-and-after, with any medical evidence; words on a medical page; a picture from
             `picture_with_other` on with words or page
    strict   any one kind of medical evidence is enough
    audit    nothing is dropped: everything that `default` drops is tagged with the same reason

    With `allow_medical` what would be dropped goes to the subset `medical/`, unless it bears a face
    or personal data.
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
        """The subset of its own that it fills."""
        return (SUBSET,) if self.allow_medical else ()

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        score: float = evidence["medical_picture_score"]
        seen = Seen(
            words=bool(evidence["medical_terms"]) or evidence["medical_words"] >= self.words_from,
            page=self._page(evidence),
            picture=not score < self.picture_with_other,  # NaN cannot be judged, so it counts
            face=bool(evidence.get("face_count")),
            radiograph=bool(evidence.get("radiograph_like")),
            before_after=self._before_after(evidence),
        )
        reason = self._reason_to_drop(seen, score)
        if reason:
            yield Decision(
                self._action(evidence, seen),
                reason,
                score=score,
                subset=SUBSET if self.allow_medical else None,
            )
        elif seen.words or seen.page or seen.picture:
            yield Decision(Action.TAG, next(seen.reasons()), score=score)

    def _page(self, evidence: Readable) -> bool:
        """None everywhere: no page was seen."""
        typed = not MEDICAL_PAGE_TYPES.isdisjoint(evidence["page_types"] or ())
        worded = (
            bool(evidence["page_medical_terms"])
            or (evidence["page_medical_words"] or 0.0) >= self.words_from
        )
        return typed or worded or bool(evidence["page_medical_host"])

    def _before_after(self, evidence: Readable) -> bool:
        distance = evidence.get("halves_distance")
        return (distance is not None and distance <= self.halves_within) or equal_faces(
            evidence.get("faces") or ()
        )

    def _reason_to_drop(self, seen: Seen, score: float) -> str | None:
        said = seen.words or seen.page
        checks = (
            (not score < self.picture_alone, "medical_picture"),
            (seen.face and (said or seen.picture), "medical_with_face"),
            (seen.before_after and (said or seen.picture), "medical_before_after"),
            (seen.radiograph and (said or seen.picture), "medical_radiograph"),
            (seen.picture and said, "medical_picture_with_text_or_page"),
            (seen.words and seen.page, "medical_text_on_medical_page"),
        )
        clear = next((reason for holds, reason in checks if holds), None)
        return clear or (next(seen.reasons(), None) if self.profile == "strict" else None)

    def _action(self, evidence: Readable, seen: Seen) -> Action:
        if self.profile == "audit":
            return Action.TAG
        identified = (
            seen.face
            or evidence.get("personal_spans")
            or evidence.get("personal_in_urls")
            or evidence.get("burned_in_kinds")
        )
        unlooked = evidence.get("face_count") is None
        return Action.MOVE if self.allow_medical and not (identified or unlooked) else Action.DROP


@dataclass(frozen=True, slots=True)
class Seen:
    """Which kinds of evidence there are."""

    words: bool
    page: bool
    picture: bool
    face: bool
    radiograph: bool
    before_after: bool

    def reasons(self) -> Iterator[str]:
        """What the medical evidence is, the surest first."""
        for there, reason in (
            (self.words, "medical_text"),
            (self.page, "medical_page"),
            (self.picture, "medical_picture_perhaps"),
        ):
            if there:
                yield reason


def equal_faces(faces: Sequence[dict[str, Any]]) -> bool:
    """Two faces of about the same size beside each other, or one above the other, and no third."""
    if len(faces) != 2:
        return False
    (one, area), (other, other_area) = (
        (face, (face["right"] - face["left"]) * (face["bottom"] - face["top"])) for face in faces
    )
    beside, stacked = (
        abs(one["top"] - other["top"]) <= IN_LINE,
        abs(one["left"] - other["left"]) <= IN_LINE,
    )
    return bool(
        (beside or stacked) and min(area, other_area) >= EQUAL_FACES * max(area, other_area)
    )
