"""The questions that a person answers of each row, and which evidence is near each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TAGGED, NEAR_SCORE, FACE, NOTHING = (
    "tagged for it",
    "a score near the threshold",
    "a face",
    "no evidence",
)
DROPPED, MOVED, OTHERWISE, NOT_JUDGED = (
    "dropped for it",
    "moved to a subset of its own",
    "dropped for another reason",
    "could not be judged",
)
NEAR_SCORE_SHARE = 0.5
"""Of the lowest threshold on a score: from here on a published row counts as near it."""


@dataclass(frozen=True)
class Question:
    """The question about each row.

    - `asked`: the question; `missed`: what "yes" rows are called, in the plural.
    - `reasons`: beginnings of the reasons with which rules drop, move or tag what it is about.
    - `subset`: the subset to which a rule moves it; rows there are not missed.
    - `score`: the column of a score about it, and the rule and setting of its lowest threshold.
    """

    name: str
    asked: str
    missed: str
    reasons: tuple[str, ...]
    subset: str = ""
    score: str = ""
    threshold: tuple[str, str] = ("", "")

    def is_about(self, reason: str) -> bool:
        """Whether a rule gave this reason because of what the question is about."""
        return reason.startswith(self.reasons)

    def threshold_in(self, rules: Sequence[Mapping[str, Any]]) -> float | None:
        """The lowest threshold on the score, from the rules of a manifest; None without one."""
        rule, setting = self.threshold
        for listed in rules:
            if rule and listed["name"] == rule and setting in listed["settings"]:
                return float(listed["settings"][setting])
        return None

    def published_stratum(self, row: Mapping[str, Any], threshold: float | None) -> str:
        """The stratum of a published row, by its evidence."""
        tags = (*(row.get("tags") or ()), *(row.get("private_tags") or ()))
        if any(map(self.is_about, tags)):
            return TAGGED
        score = row.get(self.score) if self.score else None
        if score is not None and threshold is not None and _is_near(score, threshold):
            return NEAR_SCORE
        return FACE if row.get("face_count") else NOTHING

    def dropped_stratum(self, action: str, reasons: Sequence[str]) -> str:
        """The stratum of a row that was kept out, by the action and the reasons of the ledger."""
        if action == "quarantine":
            return NOT_JUDGED
        return DROPPED if any(map(self.is_about, reasons)) else OTHERWISE


def _is_near(score: float, threshold: float) -> bool:
    # `not <` and not `>=`: a score of NaN says nothing, and is looked at more closely.
    return not score < NEAR_SCORE_SHARE * threshold


PUBLISHED_STRATA = (TAGGED, NEAR_SCORE, FACE, NOTHING)
KEPT_OUT_STRATA = (DROPPED, MOVED, OTHERWISE, NOT_JUDGED)
NEAR_A_DECISION = frozenset({TAGGED, NEAR_SCORE, FACE, DROPPED, MOVED})
"""Strata that get more labels than their rows alone would give them."""

QUESTIONS: Mapping[str, Question] = {
    question.name: question
    for question in (
        Question(
            name="patients",
            asked="Does it show or name a patient?",
            missed="patients",
            reasons=("medical", "dicom"),
            subset="medical",
            score="medical_picture_score",
            threshold=("medical", "picture_with_other"),
        ),
        Question(
            name="children",
            asked="Does it show or name a real child?",
            missed="children",
            reasons=("child",),
        ),
        Question(
            name="documents",
            asked="Does it show a document about a person, such as a passport or a résumé?",
            missed="documents",
            reasons=("document",),
        ),
    )
}
