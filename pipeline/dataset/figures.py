"""Draws histograms as SVG for the report: the same bytes for the same numbers.

Backgrounds are transparent and colours are middling, since browsers show the page light or dark.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pipeline.dataset.facts import Histogram
from pipeline.monitoring.progress import Sample

MAX_STEPS = 60
KEPT, DROPPED, LINE, TEXT = "#3b82c4", "#c98a3b", "#b03a48", "#808080"
# The salt and the fonts keep random names and a machine's own fonts out of the file.
SETTINGS = {
    "svg.hashsalt": "pairsieve",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
}


def rate_svg(samples: Sequence[Sample], unit: str) -> str:
    """Units a minute over the seconds that a stage worked.

    A sample is (seconds, units that were done by then).
    """
    seconds, done = np.array(samples, float).T
    edges = np.linspace(0, seconds[-1], min(MAX_STEPS, len(samples)) + 1)
    # The history begins with its first sample: at 0 seconds nothing was done.
    all_seconds, all_done = np.concatenate([[0.0], seconds]), np.concatenate([[0.0], done])
    done_at_edges = np.interp(edges, all_seconds, all_done)
    units_a_minute = np.diff(done_at_edges) / np.diff(edges) * 60
    with _figure() as (figure, axes):
        axes.stairs(units_a_minute, edges, fill=True, color=KEPT)
        axes.set_xlabel("seconds of work", color=TEXT)
        axes.set_ylabel(f"{unit} a minute", color=TEXT)
        return _svg(figure)


def histogram_svg(
    histogram: Histogram, label: str, thresholds: Mapping[str, float], log: bool = False
) -> str:
    """Bars of what was dropped on those of what was kept, with lines at the thresholds.

    `label` names the axis with its unit.
    """
    edges, kept, dropped = histogram.edges, histogram.kept, histogram.dropped
    with _figure() as (figure, axes):
        # One outline for all bars: each bar by itself would take matplotlib ten times as long.
        axes.stairs(kept, edges, fill=True, color=KEPT, label="published")
        if dropped.any():
            axes.stairs(
                kept + dropped, edges, baseline=kept, fill=True, color=DROPPED, label="dropped"
            )
        for name, at in thresholds.items():
            axes.axvline(at, color=LINE, linewidth=1.2, linestyle="--", label=f"{name} {at:g}")
        if log:
            axes.set_xscale("log")
            # Plain numbers: powers of ten would go through matplotlib's slow parser of formulas.
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.xaxis.set_minor_formatter("")
        axes.set_xlabel(label, color=TEXT)
        axes.set_ylabel("pairs", color=TEXT)
        if thresholds or dropped.any():
            # Above the axes, where it hides no bar.
            axes.legend(
                loc="lower right",
                bbox_to_anchor=(1, 1),
                ncols=4,
                frameon=False,
                labelcolor=TEXT,
                fontsize=8,
            )
        return _svg(figure)


@contextmanager
def _figure() -> Iterator[tuple[Any, Any]]:
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(6.4, 2.4))
        # Shares of the figure. A layout made to measure would draw every text twice.
        axes = figure.add_axes((0.11, 0.2, 0.87, 0.68))
        axes.tick_params(colors=TEXT)
        # 40k rather than 40000, so that every number has room beside the axis.
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        for spine in axes.spines.values():
            spine.set_color(TEXT)
        yield figure, axes


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    # The XML declaration before it has no place in an HTML page.
    return text[text.index("<svg") :]
