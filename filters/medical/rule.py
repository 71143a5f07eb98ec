"""The medical rule: it judges words, page, picture and faces together.

Evidence of each kind is clear, weak or absent. A false drop costs one link and a false keep may
cost a person, so clear evidence of one kind is enough by default; weak evidence needs another kind.

No established thresholds exist; calibrate yours with `pairsieve calibrate`. Ours come from:

- `words_from` 0.9: learned word weights. In a trial they found 0.91 of 8,179 captions of radiology
  figures and flagged 0.5 % of 15,833 everyday captions; together with the lists, 0.94 and 0.6 %.
- `words_with_other` 0.6: two thirds of it; a starting point.
- `halves_within` 90: PDQ distance between the halves of a picture. Before-and-after pictures had
  about 70, others 116 to 152.
- `picture_alone`, `picture_with_other`: shares of CLIP prompts, for the model in use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar, Literal

from filters.medical.words import reaches
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
REPEATED = 0.6  # share of a headline's words in the caption, from which on it repeats the caption
Profile = Literal["strict", "default", "lenient", "audit"]
_WORD = re.compile(r"\w+")


class Strength(IntEnum):
    """How sure evidence of one kind is."""

    NONE = 0
    WEAK = 1
    CLEAR = 2


@dataclass(frozen=True)
class Medical:
    """Drop what is medical by one clear kind of evidence, or by two kinds; tag the rest.

    Kinds of evidence, and when they are clear or weak:

    words    clear: a term, or a score from `words_from` on.
             weak: a term whose language is unsure, or a score from `words_with_other` on
    page     clear: a medical schema.org type, a known medical host, or a headline with clear words.
             weak: a headline with weak words
    picture  clear: a score from `picture_alone` on. weak: a score from `picture_with_other` on

    Profiles:

    strict   drops any evidence, weak or clear
    default  drops clear evidence of one kind; weak evidence together with another kind, a face, the
             look of a radiograph or that of a before-and-after picture. Other weak evidence is
             tagged
    lenient  drops a clear picture. Clear words and pages need another kind, a face or such a look,
             and so do weak pictures; they are tagged otherwise
    audit    drops nothing: everything that `default` drops is tagged with the same reason

    A headline that repeats the caption is the same evidence, and not another kind.

    With `allow_medical`, samples without a face and without personal data are published in the
    subset `medical/` instead of being dropped.
    """

    name: ClassVar[str] = "medical"
    version: ClassVar[int] = 4
    reads: ClassVar[tuple[str, ...]] = (
        "medical_terms", "medical_terms_unsure", "medical_words", "page_types",
        "page_medical_headlines", "page_medical_host", "medical_picture_score",
    )  # fmt: skip
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.MOVE, Action.TAG)
    saves_request: ClassVar[bool] = False

    picture_alone: Public[float]
    picture_with_other: Public[float]
    words_from: Public[float]
    halves_within: Public[int]
    profile: Public[Profile]
    allow_medical: Public[bool] = False
    words_with_other: Public[float] = 0.6

    @property
    def subsets(self) -> tuple[str, ...]:
        """The subset to which this rule moves samples; none without `allow_medical`."""
        return (SUBSET,) if self.allow_medical else ()

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        score: float = evidence["medical_picture_score"]
        signs = self._signs(evidence)
        if self.profile == "lenient":
            signs = signs.without_weak_text()
        reason = self._reason_to_drop(signs)
        if reason:
            action = self._action(evidence, signs)
            subset = SUBSET if self.allow_medical else None
            yield Decision(action, reason, score=score, subset=subset)
        elif signs.strongest:
            yield Decision(Action.TAG, signs.strongest_reason(), score=score)

    def _signs(self, evidence: Readable) -> MedicalSigns:
        page, page_repeats_caption = self._page(evidence)
        return MedicalSigns(
            words=self._words(evidence),
            page=page,
            page_repeats_caption=page_repeats_caption,
            picture=self._picture(evidence["medical_picture_score"]),
            face=bool(evidence.get("face_count")),
            radiograph=bool(evidence.get("radiograph_like")),
            before_after=self._is_before_and_after(evidence),
        )

    def _words(self, evidence: Readable) -> Strength:
        if evidence["medical_terms"]:
            return Strength.CLEAR
        strength = self._strength(evidence["medical_words"])
        return max(strength, Strength.WEAK) if evidence["medical_terms_unsure"] else strength

    def _strength(self, score: float) -> Strength:
        if reaches(score, self.words_from):
            return Strength.CLEAR
        return Strength.WEAK if reaches(score, self.words_with_other) else Strength.NONE

    def _picture(self, score: float) -> Strength:
        # `not <` and not `>=`: a score of NaN cannot be judged and counts as medical
        if not score < self.picture_alone:
            return Strength.CLEAR
        return Strength.WEAK if not score < self.picture_with_other else Strength.NONE

    def _page(self, evidence: Readable) -> tuple[Strength, bool]:
        """How medical the page is, and whether only headlines that repeat the caption say so.

        All page evidence is None where no page was seen, and that is no evidence.
        """
        has_type = not MEDICAL_PAGE_TYPES.isdisjoint(evidence["page_types"] or ())
        if has_type or evidence["page_medical_host"]:
            return Strength.CLEAR, False
        strengths = {False: Strength.NONE, True: Strength.NONE}
        for headline in evidence["page_medical_headlines"] or ():
            strength = Strength.CLEAR if headline["terms"] else self._strength(headline["score"])
            repeats = repeats_caption(headline["text"], evidence.get("caption") or "")
            strengths[repeats] = max(strengths[repeats], strength)
        is_only_repeated = not strengths[False]
        return max(strengths.values()), is_only_repeated

    def _is_before_and_after(self, evidence: Readable) -> bool:
        distance_bits = evidence.get("halves_distance")
        if distance_bits is not None and distance_bits <= self.halves_within:
            return True
        return equal_faces(evidence.get("faces") or ())

    def _reason_to_drop(self, signs: MedicalSigns) -> str | None:
        """The first reason that applies, the clearest one first; None when the sample may stay."""
        is_medical = bool(signs.strongest)
        text_or_page = signs.words or signs.page
        words_and_page = signs.words and signs.page and not signs.page_repeats_caption
        reasons = (
            (signs.picture == Strength.CLEAR, "medical_picture"),
            (signs.face and is_medical, "medical_with_face"),
            (signs.before_after and is_medical, "medical_before_after"),
            (signs.radiograph and is_medical, "medical_radiograph"),
            (signs.picture and text_or_page, "medical_picture_with_text_or_page"),
            (words_and_page, "medical_text_on_medical_page"),
        )
        for applies, reason in reasons:
            if applies:
                return reason
        is_enough = {"strict": Strength.WEAK, "lenient": None}.get(self.profile, Strength.CLEAR)
        if is_enough is not None and signs.strongest >= is_enough:
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

    `words`, `page` and `picture` are medical evidence in themselves. `face`, `radiograph` and
    `before_after` only count together with one of these. `page_repeats_caption`: the page says
    nothing that the caption does not say.
    """

    words: Strength
    page: Strength
    page_repeats_caption: bool
    picture: Strength
    face: bool
    radiograph: bool
    before_after: bool

    @property
    def strongest(self) -> Strength:
        """The strength of the surest kind of medical evidence."""
        return max(self.words, self.page, self.picture)

    def strongest_reason(self) -> str:
        """The reason that names the surest kind of evidence; words before page before picture."""
        if self.words == self.strongest:
            return "medical_text"
        if self.page == self.strongest:
            return "medical_page"
        return "medical_picture_perhaps"

    def without_weak_text(self) -> MedicalSigns:
        """The same signs, where words and page are clear or do not count."""
        words = self.words if self.words == Strength.CLEAR else Strength.NONE
        page = self.page if self.page == Strength.CLEAR else Strength.NONE
        return replace(self, words=words, page=page)


def repeats_caption(headline: str, caption: str) -> bool:
    """Whether most words of a headline stand in the caption, or most of the caption's in it.

    Titles add the name of a site to the caption, and captions add a few words to a heading.
    """
    first = set(_WORD.findall(headline.lower()))
    second = set(_WORD.findall(caption.lower()))
    fewer_words = min(len(first), len(second))
    return bool(fewer_words) and len(first & second) >= REPEATED * fewer_words


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
