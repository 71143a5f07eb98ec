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


def pair(caption: str) -> Pair:
    return Pair(b"k" * 16, "https://a.example/p.jpg", caption, "en", "en", "", "", 0, "", "", 0, {})
