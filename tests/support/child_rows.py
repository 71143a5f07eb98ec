"""The frozen rows about children, and what the detectors and the rule say of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any

from filters.children.caption import ChildrenCaption
from filters.children.page import ChildrenPage
from filters.children.place import ChildrenUrls
from filters.children.rule import Children
from filters.detector import Observe
from filters.pages.page_types import PageTypes
from pairsieve.records.page import Origin, Page
from pairsieve.records.pair import Pair
from pairsieve.web.html import parse_page
from pairsieve.web.language import FindLanguage, LanguageSettings, find_detector, language_of
from tests.support.marked_captions import SETS

LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pl", "pt")
OUTSIDE = "wordnet"  # rows of others
FIELDS = ("group", "caption", "title", "types", "page_url", "image_url")
PAGE_URL, IMAGE_URL = "https://www.site.example/2016/05/post", "https://www.site.example/i/1.jpg"


@dataclass(frozen=True)
class ChildRow:
    """A row of a frozen set; `held_out`: every second one of a group, beginning with the second."""

    language: str
    group: str
    caption: str
    title: str
    types: str
    page_url: str
    image_url: str
    held_out: bool

    @property
    def is_about_a_child(self) -> bool:
        return self.group != "trap"


def child_rows(name: str) -> Iterator[ChildRow]:
    """The rows of a language, or of OUTSIDE, which are English."""
    before: dict[str, int] = defaultdict(int)
    language = "en" if name == OUTSIDE else name
    for line in (SETS / "children" / f"{name}.txt").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        row = dict.fromkeys(FIELDS, "") | dict(zip(FIELDS, cells, strict=False))
        before[row["group"]] += 1
        yield ChildRow(language, **row, held_out=before[row["group"]] % 2 == 0)


@lru_cache(1)
def _find_language() -> FindLanguage:
    settings = LanguageSettings(min_bytes=5, max_bytes=2000)
    return find_detector(settings.detector)(settings)


def language_code(caption: str) -> str:
    """The language that extraction finds."""
    return language_of(caption, _find_language()).code


@lru_cache(1)
def _observers() -> tuple[tuple[Observe, ...], tuple[Observe, ...]]:
    """The functions of the detectors for pairs, and of those for pages."""
    of_pairs = (ChildrenCaption().load(), ChildrenUrls().load())
    return of_pairs, (ChildrenPage().load(), PageTypes().load())


def pair_of(row: ChildRow) -> Pair:
    """The pair of a row, in the language that extraction finds."""
    page_url, image_url = row.page_url or PAGE_URL, row.image_url or IMAGE_URL
    language = language_code(row.caption)
    return Pair(
        b"k" * 16, image_url, row.caption, "en", language, page_url, "", 0, "", "", 0, {}
    )  # fmt: skip


def page_of(row: ChildRow) -> Page:
    """The page of a row, with its title and schema.org types."""
    types = [name for name in row.types.split(",") if name]
    body = (
        f"<html lang={row.language}><title>{escape(row.title)}</title>"
        f'<script type="application/ld+json">{json.dumps({"@type": types})}</script>'
    )
    return Page(row.page_url or PAGE_URL, (), body.encode(), Origin("", 0, "", ""))


def evidence_of(row: ChildRow) -> dict[str, Any]:
    """What all detectors observe of a row; nobody looked for faces."""
    of_pairs, of_pages = _observers()
    evidence: dict[str, Any] = {"caption": row.caption}
    pair, page = pair_of(row), parse_page(page_of(row))
    for observe in of_pairs:
        evidence.update(observe(pair))
    for observe in of_pages:
        evidence.update(observe(page))
    return evidence


def decided(row: ChildRow, profile: Any = "default", faces: int | None = None) -> str:
    """`drop`, `tag` or `publish`: what the rule decides of a row with so many faces."""
    evidence = evidence_of(row) | {"face_count": faces}
    actions = [str(decision.action) for decision in Children(profile).judge(evidence)]
    return actions[0] if actions else "publish"
