"""Reads the frozen sets: one caption a line, `{KIND|text}` where something must be found."""

from __future__ import annotations

import re

from filters.rule import Span
from tests.support.paths import REPOSITORY

SETS = REPOSITORY / "tests" / "filters" / "sets"
_MARK = re.compile(r"\{([A-Z_]+)\|((?:[^{}]|\{[^{}]*\})*)\}")


def marked_captions(name: str) -> list[tuple[str, list[Span]]]:
    """[(caption, [Span])]"""
    lines = (SETS / name).read_text("utf-8").splitlines()
    return [unmarked(line) for line in lines if line and not line.startswith("#")]


def unmarked(line: str) -> tuple[str, list[Span]]:
    """A caption without its marks, and what they mark."""
    caption, spans, end = "", list[Span](), 0
    for mark in _MARK.finditer(line):
        caption += line[end : mark.start()]
        spans.append(Span(mark[1], len(caption), len(caption) + len(mark[2])))
        caption += mark[2]
        end = mark.end()
    return caption + line[end:], spans


def found_and_missed(
    spans: list[Span], marked: list[Span]
) -> tuple[list[str], list[str], list[str]]:
    """Kinds that were found, that were missed, and that were found where nothing is marked.

    A finding counts where it covers four fifths of a mark of its kind and is not half as long
    again.
    """
    left, found, missed = list(spans), list[str](), list[str]()
    for mark in marked:
        hit = next((span for span in left if _fits(span, mark)), None)
        if hit:
            left.remove(hit)
        (found if hit else missed).append(mark.kind)
    return found, missed, [span.kind for span in left]


def _fits(span: Span, mark: Span) -> bool:
    shared = min(span.end, mark.end) - max(span.start, mark.start)
    return (
        span.kind == mark.kind
        and shared >= 0.8 * (mark.end - mark.start)
        and span.end - span.start <= 1.5 * (mark.end - mark.start) + 2
    )
