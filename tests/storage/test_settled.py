"""Which scores of earlier runs are complete."""

from __future__ import annotations

import pytest

from pairsieve.storage.settled import SIMILARITY, Looking
from pipeline.orchestrate.results import _serves

LOOKING = Looking(detect_from=0.25, costly_from=0.3, sparing=frozenset({"nudity"}))


@pytest.mark.parametrize(
    ("status", "similarity", "looked_at", "spared_by", "complete"),
    [
        ("undecodable", None, False, None, True),
        ("ok", 0.2, False, None, True),
        ("ok", 0.26, False, None, False),
        ("ok", 0.35, True, None, True),
        ("ok", 0.29, True, SIMILARITY, True),
        ("ok", 0.31, True, SIMILARITY, False),  # the threshold was higher then
        ("ok", 0.35, True, "nudity", True),
        ("ok", 0.35, True, "nudity of another setting", False),
    ],
)
def test_a_score_is_complete_where_nobody_must_look(
    status, similarity, looked_at, spared_by, complete
):
    assert LOOKING.is_complete(status, similarity, looked_at, spared_by) is complete


def opinions(detect_from, costly_from, *rules):
    return [
        {"name": "detect_from", "similarity": detect_from},
        {"name": "costly detectors", "similarity": costly_from, "rules": list(rules)},
    ]


WANTED = opinions(0.25, 0.3, "a", "b")


@pytest.mark.parametrize(
    ("before", "published_from", "same_pairs", "serves"),
    [
        (WANTED, 0.3, True, True),
        (opinions(0.25, 0.3, "a"), 0.3, True, True),  # a rule more spares nothing of then
        (opinions(0.25, 0.3, "a", "c"), 0.3, True, False),  # a rule that spared pairs is gone
        (opinions(0.25, 0.32, "a"), 0.3, True, False),  # costly detectors must look at more
        (opinions(0.2, 0.25, "a"), 0.3, True, True),
        (opinions(0.2, 0.25, "a"), 0.3, False, False),  # on other pairs they would look at more
        (WANTED[:1], 0.3, True, False),
    ],
)
def test_an_earlier_result_serves_where_detectors_saw_enough(
    before, published_from, same_pairs, serves
):
    assert _serves(before, WANTED, published_from, same_pairs) is serves
