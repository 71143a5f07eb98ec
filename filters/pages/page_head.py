"""What a page says of itself: its title and its language. Private evidence; neither is
published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from pairsieve.records.page import header
from pairsieve.records.pair import Evidence
from pairsieve.web.html import ParsedPage

MAX_TITLE_CHARS = 300
MAX_LANGUAGE_CHARS = 35  # the longest tag that RFC 5646, 4.4.1 makes likely


@dataclass(frozen=True)
class PageHead:
    """The `<title>`, and the language that `<html lang>` or else Content-Language names; empty
    where there is none.
    """

    name: ClassVar[str] = "page_head"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {"page_title": pa.string(), "page_language": pa.string()}

    def load(self) -> Observe:
        return observe_head


def title_of(page: ParsedPage) -> str:
    """The page's first title, white space folded."""
    titles = page.elements["title"]
    return " ".join(titles[0].text().split())[:MAX_TITLE_CHARS] if titles else ""


def language_of_page(page: ParsedPage) -> str:
    """The declared language tag in lower case; the first one where several are named."""
    declared = next(
        (node.attributes.get("lang") for node in page.elements["html"]), None
    ) or header(page.headers, "content-language")
    return declared.partition(",")[0].strip().lower()[:MAX_LANGUAGE_CHARS]


def observe_head(page: ParsedPage) -> Evidence:
    """The columns of PageHead for one page."""
    return {"page_title": title_of(page), "page_language": language_of_page(page)}
