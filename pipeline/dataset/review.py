"""What the release check allows, and its list of rows for those who decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files as resources
from typing import Any

from jinja2 import Environment

from pairsieve.web.shown import plain, safe_link
from pipeline.config import FiltersConfig
from transforms.review.findings import MIN_WORD_SCORE, RISKS, Finding, MedicalWords
from transforms.review.review import Review

LIMITS: Mapping[str, float] = {
    "second_detector": 0.01,
    # the rule `children` publishes such captions with a tag; a starting point
    "child_words": 0.05,
}
"""Share of the rows that may have a finding where the config sets none; 0 for every other kind."""


def medical_words_of(filters: FiltersConfig) -> MedicalWords:
    """What counts as medical words by a config; the defaults where it has no detector or rule."""
    detector = filters.detectors.get("medical_caption", {})
    return MedicalWords(
        tuple(detector.get("extra_terms", ())),
        tuple(detector.get("extra_defused", ())),
        filters.rules.get("medical", {}).get("words_from", MIN_WORD_SCORE),
    )


def over(review: Review, limits: Mapping[str, float]) -> list[str]:
    """One line for each kind that more rows have than the limits (shares) allow."""
    shares = {**LIMITS, **limits}
    lines = []
    for kind in RISKS:
        allowed = shares.get(kind, 0.0) * review.rows
        number = review.counts[kind]
        if number > allowed:
            lines.append(f"{kind}: {number} of {review.rows} rows, {allowed:.0f} allowed")
    return lines


def review_page(name: str, review: Review, over: Sequence[str]) -> str:
    """The review list as an HTML page, the riskiest rows first.

    It holds captions and addresses: it is for those who decide, and not for publication.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    source = resources("pipeline.dataset").joinpath("check.html.j2").read_text("utf-8")
    rows = [_shown(row.cells, row.findings) for row in review.riskiest]
    counts = [(kind, review.counts[kind]) for kind in RISKS]
    return environment.from_string(source).render(
        name=name, rows=rows, counts=counts, number=review.rows, over=over, listed=len(rows)
    )


def _shown(row: Mapping[str, Any], findings: Sequence[Finding]) -> dict[str, Any]:
    """What the page shows of a row, safe from texts that strangers wrote."""
    url, page = row["URL"] or "", row.get("page_url") or ""
    return {
        "caption": plain(row["TEXT"] or ""),
        "url": plain(url),
        "link": safe_link(url),
        "page": plain(page),
        "page_link": safe_link(page),
        "key": row.get("key") or "",
        "findings": findings,
    }
