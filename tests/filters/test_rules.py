"""The small rules, one line a case, and what all rules together say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.pictures.size import ImageSize
from filters.rule import Action, Decision, Span
from filters.similarity import Similarity
from filters.subset import Subset
from filters.verdict import Ruling, Verdict, judge, redact

SIZE = ImageSize(min_bytes=5000, min_side=10, max_pixels=1000)


@pytest.mark.parametrize(
    ("size_bytes", "width", "height", "reasons"),
    [
        (5000, 10, 100, []),
        (4999, 10, 100, ["image_bytes_low"]),
        (5000, 9, 100, ["image_side_short"]),
        (5000, 11, 91, ["image_pixels_many"]),
        (1, 1, 2000, ["image_bytes_low", "image_side_short", "image_pixels_many"]),
    ],
)
def test_size(size_bytes, width, height, reasons):
    assert [
        d.reason for d in SIZE.judge({"size_bytes": size_bytes, "width": width, "height": height})
    ] == reasons


@pytest.mark.parametrize(
    ("subset", "similarity", "dropped"),
    [
        ("en", 0.28, False),
        ("en", 0.2799, True),
        ("multi", 0.27, False),
        ("en", math.nan, True),
        ("en", -1.0, True),
    ],
)
def test_similarity(subset, similarity, dropped):
    rule = Similarity(thresholds={"en": 0.28, "multi": 0.26})
    evidence = {"subset": subset, "language": "", "similarity": similarity}
    assert bool(list(rule.judge(evidence))) == dropped


@pytest.mark.parametrize(
    ("language", "subset", "similarity", "dropped"),
    [
        ("de", "multi", 0.21, False),
        ("de", "multi", 0.19, True),
        ("fr", "multi", 0.25, True),
        ("fr", "multi", 0.26, False),
        ("en", "en", 0.27, True),
        ("", "nolang", 0.39, True),
    ],
)
def test_similarity_by_language(language, subset, similarity, dropped):
    """A code counts before the subset, and every other language has that of its subset."""
    rule = Similarity({"en": 0.28, "multi": 0.26, "nolang": 0.4, "de": 0.2})
    evidence = {"subset": subset, "language": language, "similarity": similarity}
    assert bool(list(rule.judge(evidence))) == dropped


def test_similarity_without_a_threshold_or_a_score_cannot_be_judged():
    rule = Similarity(thresholds={"en": 0.28})
    with pytest.raises(KeyError):
        list(rule.judge({"subset": "nolang", "language": "", "similarity": 1.0}))
    with pytest.raises(TypeError):
        list(rule.judge({"subset": "en", "language": "en", "similarity": None}))


@pytest.mark.parametrize(("subset", "dropped"), [("en", False), ("multi", True)])
def test_subset(subset, dropped):
    assert bool(list(Subset(keep=("en",)).judge({"subset": subset}))) == dropped


def test_verdict():
    evidence = {"subset": "multi", "language": "de", "similarity": 0.1}
    verdict = judge((Similarity({"multi": 0.5}), Subset(("en",))), evidence)
    assert [ruling.decision.reason for ruling in verdict.rulings] == [
        "similarity_low",
        "subset_not_wanted",
    ]
    assert verdict.drop is not None
    assert verdict.drop.rule == "similarity", "the first rule that drops is the one that counts"


def test_tags_and_spans():
    rulings = (
        Ruling("a", 1, Decision(Action.TAG, "b_tag")),
        Ruling("a", 1, Decision(Action.REDACT, "a_redaction", spans=(Span("EMAIL", 0, 1),))),
    )
    verdict = Verdict(rulings)
    assert verdict.drop is None
    assert verdict.tags == ("a_redaction", "b_tag")
    assert verdict.spans == (Span("EMAIL", 0, 1),)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ((), "abcdefgh"),
        ((Span("X", 0, 2),), "[X]cdefgh"),
        ((Span("X", 6, 8),), "abcdef[X]"),
        ((Span("Y", 4, 5), Span("X", 0, 2)), "[X]cd[Y]fgh"),
        ((Span("X", 1, 4), Span("Y", 2, 6)), "a[X]gh"),
        ((Span("X", 1, 6), Span("Y", 2, 3)), "a[X]gh"),
    ],
)
def test_redact(spans, expected):
    assert redact("abcdefgh", spans) == expected


@given(st.text(max_size=20), st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=5))
def test_nothing_of_a_span_is_left(caption, places):
    spans = [
        Span("X", start, min(start + length, len(caption)))
        for start, length in places
        if start < len(caption)
    ]
    kept = "".join(c for i, c in enumerate(caption) if not any(s.start <= i < s.end for s in spans))
    assert redact(caption, spans).replace("[X]", "") == kept.replace("[X]", "") or "[X]" in caption
