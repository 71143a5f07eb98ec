"""Read the title and the language of a page; both are private evidence and are not published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from pairsieve.records.page import header
from pairsieve.records.pair import Evidence
from pairsieve.web.html import ROOT, ParsedPage

MAX_TITLE_CHARS = 300
MAX_LANGUAGE_CHARS = 35  # the longest tag to expect, by RFC 5646, 4.4.1


@dataclass(frozen=True)
class PageHead:
    """The `<title>`, and the language from `<html lang>` or else from Content-Language.

    Each is empty where the page has none.
    """

    name: ClassVar[str] = "page_head"
    version: ClassVar[int] = 1
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
    """The first language tag that a page declares, in lower case."""
    html_nodes = page.elements[ROOT]
    declared = html_nodes[0].attributes.get("lang") if html_nodes else None
    declared = declared or header(page.headers, "content-language")
    first = declared.partition(",")[0].strip()
    return first.lower()[:MAX_LANGUAGE_CHARS]


def observe_head(page: ParsedPage) -> Evidence:
    """The columns of PageHead for one page."""
    return {"page_title": title_of(page), "page_language": language_of_page(page)}
