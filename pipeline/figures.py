"""Histograms as SVG for a page that is read in light and in dark, the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping

import matplotlib as mpl
from matplotlib.figure import Figure

from pipeline.facts import Histogram

KEPT, DROPPED, LINE, TEXT = "#3b82c4", "#c98a3b", "#b03a48", "#808080"
SETTINGS = {"svg.hashsalt": "pairsieve", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}


def histogram_svg(histogram: Histogram, label: str, thresholds: Mapping[str, float], log: bool = False) -> str:
    """What was kept above what was dropped, with thresholds drawn in. `label` names the axis with its unit."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(6.4, 2.4), layout="constrained")
        axes = figure.add_subplot()
        widths = histogram.edges[1:] - histogram.edges[:-1]
        axes.bar(histogram.edges[:-1], histogram.kept, widths, align="edge", color=KEPT, label="published")
        if histogram.dropped.any():
            axes.bar(histogram.edges[:-1], histogram.dropped, widths, histogram.kept, align="edge", color=DROPPED, label="dropped")
        for name, at in thresholds.items():
            axes.axvline(at, color=LINE, linewidth=1.2, linestyle="--", label=f"{name} {at:g}")
        if log:
            axes.set_xscale("log")
        axes.set_xlabel(label, color=TEXT)
        axes.set_ylabel("pairs", color=TEXT)
        axes.tick_params(colors=TEXT)
        for spine in axes.spines.values():
            spine.set_color(TEXT)
        if thresholds or histogram.dropped.any():
            axes.legend(frameon=False, labelcolor=TEXT, fontsize=8)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
