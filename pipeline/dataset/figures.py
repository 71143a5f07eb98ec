"""Histograms as SVG for a page that is read in light and in dark, the same bytes for the same
numbers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pipeline.dataset.facts import Histogram
from pipeline.monitoring.progress import Sample

MOST_STEPS = 60
KEPT, DROPPED, LINE, TEXT = "#3b82c4", "#c98a3b", "#b03a48", "#808080"
SETTINGS = {
    "svg.hashsalt": "pairsieve",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
}


def rate_svg(samples: Sequence[Sample], unit: str) -> str:
    """How many units a minute were done, over the seconds that a stage worked."""
    seconds, done = np.array(samples, float).T
    edges = np.linspace(0, seconds[-1], min(MOST_STEPS, len(samples)) + 1)
    by_then = np.interp(edges, np.concatenate([[0.0], seconds]), np.concatenate([[0.0], done]))
    with _figure() as (figure, axes):
        axes.stairs(np.diff(by_then) / np.diff(edges) * 60, edges, fill=True, color=KEPT)
        axes.set_xlabel("seconds of work", color=TEXT)
        axes.set_ylabel(f"{unit} a minute", color=TEXT)
        return _svg(figure)


def histogram_svg(
    histogram: Histogram, label: str, thresholds: Mapping[str, float], log: bool = False
) -> str:
    """What was kept above what was dropped, with thresholds drawn in.

    `label` names the axis with its unit.
    """
    with _figure() as (figure, axes):
        widths = histogram.edges[1:] - histogram.edges[:-1]
        axes.bar(
            histogram.edges[:-1],
            histogram.kept,
            widths,
            align="edge",
            color=KEPT,
            label="published",
        )
        if histogram.dropped.any():
            axes.bar(
                histogram.edges[:-1],
                histogram.dropped,
                widths,
                histogram.kept,
                align="edge",
                color=DROPPED,
                label="dropped",
            )
        for name, at in thresholds.items():
            axes.axvline(at, color=LINE, linewidth=1.2, linestyle="--", label=f"{name} {at:g}")
        if log:
            axes.set_xscale("log")
        axes.set_xlabel(label, color=TEXT)
        axes.set_ylabel("pairs", color=TEXT)
        if thresholds or histogram.dropped.any():
            axes.legend(loc="upper right", frameon=False, labelcolor=TEXT, fontsize=8)
        return _svg(figure)


@contextmanager
def _figure() -> Iterator[tuple[Any, Any]]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(6.4, 2.4), layout="constrained")
        axes = figure.add_subplot()
        axes.tick_params(colors=TEXT)
        for spine in axes.spines.values():
            spine.set_color(TEXT)
        yield figure, axes


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
