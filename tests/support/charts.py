"""Draws each chart of a report once for all tests: drawing is half of the work of a small run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.dataset import figures, report_page

DRAW_HISTOGRAM, DRAW_RATE = figures.histogram_svg, figures.rate_svg


def reuse_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep drawn charts: a histogram by its numbers, so that its bytes stay the same.

    The rate of a stage is never the same twice and in no published file: one chart stands for all.
    """
    drawn: dict[object, str] = {}

    def histogram_svg(
        histogram: Any, label: str, thresholds: Mapping[str, float], log: bool = False
    ) -> str:
        numbers = [histogram.edges, histogram.kept, histogram.dropped]
        contents = tuple((array.dtype.str, array.tobytes()) for array in numbers)
        key = (contents, label, tuple(thresholds.items()), log)
        if key not in drawn:
            drawn[key] = DRAW_HISTOGRAM(histogram, label, thresholds, log)
        return drawn[key]

    def rate_svg(samples: Sequence[Any], unit: str) -> str:
        if unit not in drawn:
            drawn[unit] = DRAW_RATE(samples, unit)
        return drawn[unit]

    _set(monkeypatch, histogram_svg, rate_svg)


def draw_every_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo `reuse_charts` for a test that is about the charts themselves."""
    _set(monkeypatch, DRAW_HISTOGRAM, DRAW_RATE)


def _set(monkeypatch: pytest.MonkeyPatch, histogram_svg: Any, rate_svg: Any) -> None:
    for module in (figures, report_page):
        monkeypatch.setattr(module, "histogram_svg", histogram_svg, raising=False)
        monkeypatch.setattr(module, "rate_svg", rate_svg, raising=False)
