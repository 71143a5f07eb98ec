"""Preferences on how content may be used: Content-Usage and Content-Signal, in headers and in
robots.txt.

Content-Usage: IETF AIPREF drafts (draft-ietf-aipref-vocab-00 of May 2025 to -08 of September 2026,
draft-ietf-aipref-attach-05). Content-Signal: Cloudflare, contentsignals.org, September 2025
(draft-romm-aipref-contentsignals-00). Labels changed from draft to draft; those of every draft are
heard, in any of the fields. Usage-Pref and Usage: draft-thomson-aipref-sup-00, February 2025.
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
"""A category on which nothing is said is as the broader one that holds it (vocab-00 to -04; later
drafts have no broader ones).
"""
CATEGORIES = frozenset((*BROADER, *BROADER.values()))
YES, NO = ("y", "yes"), ("n", "no")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a field says of training: category -> allowed; `unreadable`: it says something of it
    that nobody can read.
    """

    said: Mapping[str, bool]
    unreadable: bool

    @property
    def denies(self) -> bool:
        """Whether some kind of training is refused: the most specific category on which something
        is said decides.
        """
        return any(self._allows(category) is False for category in TRAINING)

    def _allows(self, category: str) -> bool | None:
        at: str | None = category
        while at is not None and at not in self.said:
            at = BROADER.get(at)
        return None if at is None else self.said[at]


def read_usage(*values: str) -> Usage:
    """All preferences of equal standing together: a no counts before a yes.

    Labels of other uses, and those that no draft knows, are passed over, as the drafts ask. A
    category of training whose answer is neither yes nor no cannot be read, nor can an answer
    without a label.
    """
    said: dict[str, list[bool]] = defaultdict(list)
    unreadable = False
    for label, answer in (item for value in values for item in preference_items(value)):
        category = SAME_AS.get(label.replace("_", "-"), label.replace("_", "-"))
        if category in CATEGORIES and answer in (*YES, *NO):
            said[category].append(answer in YES)
        elif category in CATEGORIES or label in ("", *YES, *NO):
            unreadable = True
    return Usage({category: all(answers) for category, answers in said.items()}, unreadable)
