"""What tests keep of Beam's answers (tests/support/quick_beam.py) is what Beam would answer."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import (
    DebugOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
)
from apache_beam.transforms import core

from tests.support.quick_beam import keeping_options, keeping_signatures

FLAGS = [
    [],
    ["--runner=DirectRunner", "--streaming"],
    ["--experiments=a", "--experiments=b", "--save_main_session"],
]
# Read when tests are collected: what the suite replaces is still Beam's own then.
READ, VIEW_AS = core.get_function_args_defaults, PipelineOptions.view_as
VIEWS = [StandardOptions, DebugOptions, SetupOptions]


class OfTwo(beam.DoFn):
    def process(self, element, window=beam.DoFn.WindowParam):
        yield element


class OfThree(OfTwo):
    def process(self, element, other, key=beam.DoFn.KeyParam):
        yield element


@pytest.fixture
def of_beam(monkeypatch):
    """Beam's own way to look at options, beside ours, which is installed."""
    monkeypatch.setattr(PipelineOptions, "view_as", keeping_options(VIEW_AS))
    return VIEW_AS


@pytest.mark.parametrize("flags", FLAGS)
def test_views_have_the_same_values(flags, of_beam):
    for cls in VIEWS * 2:
        ours, beams = PipelineOptions(flags).view_as(cls), of_beam(PipelineOptions(flags), cls)
        assert type(ours) is cls
        names = beams._visible_option_list()
        assert ours._visible_option_list() == names
        assert {n: getattr(ours, n) for n in names} == {n: getattr(beams, n) for n in names}
        assert ours.get_all_options() == beams.get_all_options()


def test_views_of_one_set_of_options_share_values_and_no_others(of_beam):
    PipelineOptions(FLAGS[2]).view_as(DebugOptions)  # from now on they are kept
    one, other = PipelineOptions(FLAGS[2]), PipelineOptions(FLAGS[2])
    one.view_as(DebugOptions).experiments.append("c")
    assert one.view_as(DebugOptions).experiments == ["a", "b", "c"]
    assert other.view_as(DebugOptions).experiments == ["a", "b"]
    one.view_as(StandardOptions).streaming = True
    assert one.view_as(StandardOptions).streaming
    assert not other.view_as(StandardOptions).streaming


def test_a_method_has_the_signature_of_its_own_class():
    asked = []

    def read(function):
        asked.append(function)
        return READ(function)

    signature = keeping_signatures(read)
    for _ in range(2):
        for method in (OfTwo().process, OfThree().process, OfThree().setup, OfTwo().setup, len):
            assert signature(method) == READ(method)
    # `setup` is one function of Beam, and what is no method is asked for each time.
    assert [f.__name__ for f in asked] == ["process", "process", "setup", "len", "len"]


def test_nobody_changes_what_is_kept():
    signature = keeping_signatures(READ)
    signature(OfTwo().process)[0].append("more")
    assert signature(OfTwo().process) == READ(OfTwo().process)
