from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as BeamPipeline
from apache_beam.testing.util import assert_that, equal_to

from transforms.plumbing.own import on_own


def is_text(element: object) -> bool:
    return isinstance(element, str)


def half(text: str) -> int | None:
    number = int(text)
    return None if number % 2 else number // 2


def test_only_its_own_elements_are_worked_on():
    with BeamPipeline() as pipeline:
        worked = pipeline | beam.Create(["4", "3", 3, None]) | on_own(is_text, half)
        assert_that(worked, equal_to([2, 3, None]))


def test_an_error_names_the_element():
    with (
        pytest.raises(Exception, match=r"working on part-0\.parquet"),
        BeamPipeline() as pipeline,
    ):
        _ = pipeline | beam.Create(["parts/part-0.parquet"]) | on_own(is_text, half)
