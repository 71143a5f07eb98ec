from __future__ import annotations

import typing

import pytest

from filters.measured import NOT_MEASURED, measured, threshold_source
from filters.registry import DETECTORS, RULES

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
