from __future__ import annotations

import typing

import pytest

from filters.measured import NOT_MEASURED, measured, threshold_source
from filters.medical.caption import MedicalCaption
from filters.privacy.spans import FINDERS, personal_spans
from filters.registry import DETECTORS, RULES
from tests.support.marked_captions import found_and_missed, marked_captions
from tests.support.medical_captions import SET, WORDS_FROM, pair

KINDS = {**DETECTORS, **RULES}


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_every_detector_says_what_is_known_of_it(name):
    assert measured(name).measured != NOT_MEASURED


def test_a_stranger_was_not_measured():
    assert measured("someone_elses").measured == NOT_MEASURED
    assert measured("someone_elses").misses == "unknown"


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_threshold_says_where_it_comes_from(name):
    hints = typing.get_type_hints(KINDS[name])
    for setting, hint in hints.items():
        is_number = hint in (float, int) and setting not in ("side", "version")
        if is_number:
            assert threshold_source(name, setting), f"{name}.{setting}"


def test_figures_are_those_of_the_frozen_sets():
    observe = MedicalCaption().load()
    wanted = [caption for group, caption in SET if not group.startswith(("trap", "everyday"))]
    flagged = [observe(pair(caption)) for caption in wanted]
    found = sum(bool(one["medical_terms"]) or one["medical_words"] >= WORDS_FROM for one in flagged)
    assert measured("medical_caption").measured.startswith(
        f"{found / len(wanted):.3f} of {len(wanted)} captions"
    )
    outcomes = [
        found_and_missed(personal_spans(caption), marks)
        for caption, marks in marked_captions("personal_data.txt")
    ]
    assert not any(missed or false for _, missed, false in outcomes)
    number = sum(len(list(found)) for found, _, _ in outcomes)
    assert len(FINDERS) == 8
    assert f"1.000 for each of eight kinds on {number} marked" in measured("personal_data").measured
