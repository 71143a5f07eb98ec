"""Detect pages about children, by their title and main headings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.children.text import make_child_judge
from filters.detector import Columns, Needs, Observe
from filters.medical.page import headlines
from filters.pages.page_head import language_of_page
from pairsieve.records.pair import Evidence
from pairsieve.web.html import ParsedPage

HEADLINE = pa.struct([("text", pa.string()), ("clear", pa.bool_())])


@dataclass(frozen=True)
class ChildrenPage:
    """`page_child_headlines`: title and main headings that are about children.

    `clear` says whether a headline is enough alone. The rule needs the texts, since a title that
    repeats the caption is the same evidence. They are private, as page titles are.
    """

    name: ClassVar[str] = "children_page"
    version: ClassVar[int] = 2
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {"page_child_headlines": pa.list_(HEADLINE)}

    def load(self) -> Observe:
        judge = make_child_judge().judge

        def observe(page: ParsedPage) -> Evidence:
            # of "de-CH" the language is "de"
            language = language_of_page(page).partition("-")[0]
            about_children: list[dict[str, object]] = []
            for text in headlines(page):
                found = judge(text, language)
                if found.clear or found.weak:
                    about_children.append({"text": text, "clear": bool(found.clear)})
            return {"page_child_headlines": tuple(about_children)}

        return observe
