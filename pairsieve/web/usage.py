"""Reads preferences on how content may be used: Content-Usage, Content-Signal and similar fields.

They stand in response headers and in robots.txt.

Content-Usage: IETF AIPREF drafts (draft-ietf-aipref-vocab-00 of May 2025 to -08 of September 2026,
draft-ietf-aipref-attach-05). Content-Signal: Cloudflare, contentsignals.org, September 2025
(draft-romm-aipref-contentsignals-00). Usage-Pref and Usage: draft-thomson-aipref-sup-00, February
2025. Labels changed from draft to draft. The labels of every draft count in each of the fields.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from pairsieve.web.fields import preference_items

USAGE_FIELDS = ("content-usage", "content-signal", "usage-pref")
ROBOTS_USAGE_FIELDS = (*USAGE_FIELDS, "usage")
TRAINING = ("train-ai", "train-genai")
"""What a published dataset of pictures and captions is used for."""
SAME_AS = {"ai": "train-ai", "ai-train": "train-ai", "genai": "train-genai", "all": "bots"}
BROADER = {"train-genai": "train-ai", "train-ai": "tdm", "tdm": "bots"}
"""Category -> the broader one that contains it. A category without an answer has the answer of the
broader one (vocab-00 to -04; later drafts have no broader categories).
"""
CATEGORIES = frozenset((*BROADER, *BROADER.values()))
YES, NO = ("y", "yes"), ("n", "no")


@dataclass(frozen=True, slots=True)
class Usage:
    """The preferences of a field.

    `allowed` holds category -> whether it is allowed. `unreadable` means that some preference is
    about training but has no clear answer.
    """

    allowed: Mapping[str, bool]
    unreadable: bool

    @property
    def denies(self) -> bool:
        """Whether some kind of training is refused."""
        return any(self._allows(category) is False for category in TRAINING)

    def _allows(self, category: str) -> bool | None:
        """Return the answer for a category, or for the narrowest broader one that has an answer."""
        # From narrow to broad: the most specific answer decides.
        at: str | None = category
        while at is not None:
            if at in self.allowed:
                return self.allowed[at]
            at = BROADER.get(at)
        return None


def read_usage(*values: str) -> Usage:
    """Read all preferences of equal standing together: a no outweighs a yes.

    Labels of other uses and unknown labels are ignored, as the drafts ask. A category of training
    whose answer is neither yes nor no is unreadable, and so is an answer without a label.
    """
    answers: dict[str, list[bool]] = defaultdict(list)
    unreadable = False
    for value in values:
        for label, answer in preference_items(value):
            # Authors write train_ai as well.
            name = label.replace("_", "-")
            category = SAME_AS.get(name, name)
            if category in CATEGORIES and answer in (*YES, *NO):
                answers[category].append(answer in YES)
            # An answer may stand where the label should be, as in "Content-Usage: no".
            elif category in CATEGORIES or label in ("", *YES, *NO):
                unreadable = True
    allowed = {category: all(is_yes) for category, is_yes in answers.items()}
    return Usage(allowed, unreadable)
