"""The frozen set of captions that are medical, or only look so."""

from __future__ import annotations

from pairsieve.records.pair import Pair
from tests.support.marked_captions import SETS

# [[kind, caption]]
SET = [
    line.split(": ", 1)
    for line in (SETS / "medical.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
WORDS_FROM = 0.9


def pair(caption: str, language: str = "") -> Pair:
    """A pair with this caption, in a language that extraction found; none is an unknown one."""
    image = "https://a.example/p.jpg"
    return Pair(b"k" * 16, image, caption, "en", language, "", "", 0, "", "", 0, {})


def language_of_group(group: str) -> str:
    """The language of a group's captions: "trap_de" and "de" are German, others English."""
    code = group.rpartition("_")[2]
    return code if len(code) == 2 else "en"
