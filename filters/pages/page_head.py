"""Read the title and the language of a page; both are private evidence and are not published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from pairsieve.records.page import header
from pairsieve.records.pair import Evidence
from pairsieve.web.html import ROOT, ParsedPage, meta_values

MAX_TITLE_CHARS = 300
MAX_LANGUAGE_CHARS = 35  # the longest tag to expect, by RFC 5646, 4.4.1


@dataclass(frozen=True)
class PageHead:
    """The `<title>`, and the language from `<html lang>` or else from Content-Language, which may
    be a pragma or a header.

    Each is empty where the page has none.
    """

    name: ClassVar[str] = "page_head"
    version: ClassVar[int] = 2
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {"page_title": pa.string(), "page_language": pa.string()}

    def load(self) -> Observe:
        return observe_head


def title_of(page: ParsedPage) -> str:
    """The first title of a page, with each run of white space replaced by one blank."""
    titles = page.elements["title"]
    if not titles:
        return ""
    return " ".join(titles[0].text().split())[:MAX_TITLE_CHARS]


def language_of_page(page: ParsedPage) -> str:
    """The first language tag that a page declares, in lower case (HTML standard, 3.2.6.2)."""
    declared = _language_of_root(page) or _language_of_pragma(page)
    declared = declared or header(page.headers, "content-language")
    first = declared.partition(",")[0].strip()
    # Many write en_US.
    return first.lower().replace("_", "-")[:MAX_LANGUAGE_CHARS]


def _language_of_root(page: ParsedPage) -> str:
    roots = page.elements[ROOT]
    if not roots:
        return ""
    attributes = roots[0].attributes
    return attributes.get("lang") or attributes.get("xml:lang") or ""


def _language_of_pragma(page: ParsedPage) -> str:
    """What a `<meta http-equiv=content-language>` says; the first counts."""
    for name, content in meta_values(page):
        if name == "content-language":
            return content
    return ""


def observe_head(page: ParsedPage) -> Evidence:
    """The columns of PageHead for one page."""
    return {"page_title": title_of(page), "page_language": language_of_page(page)}
