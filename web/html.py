"""One parse of a page: its images, and the parts that page detectors look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser

from records.page import Headers, Page
from web.text import decode_html
from web.urls import absolute


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """What a page detector observes."""

    url: str
    headers: Headers
    tree: LexborHTMLParser


@dataclass(frozen=True, slots=True)
class ImageElement:
    """An `<img>` with src and alt: its place among them, what src means on this page (None: nothing), and the raw alt."""

    position: int
    url: str | None
    alt: str


def parse_page(page: Page) -> ParsedPage:
    """Parse a page as browsers do (Lexbor). Never raises on any bytes."""
    return ParsedPage(page.url, page.headers, LexborHTMLParser(decode_html(page.payload, page.content_type)))


def base_url(page: ParsedPage) -> str:
    """The page's URL, or what its first `<base href>` makes of it."""
    node = page.tree.css_first("base[href]")
    return (absolute(page.url, node.attributes.get("href") or "") if node else None) or page.url


def image_elements(page: ParsedPage) -> Iterator[ImageElement]:
    """Every `<img>` that has a src and an alt, in document order: LAION's plain rule."""
    base = base_url(page)
    for position, node in enumerate(page.tree.css("img[src][alt]")):
        attributes = node.attributes
        source = (attributes.get("src") or "").strip()
        yield ImageElement(position, absolute(base, source) if source else None, attributes.get("alt") or "")


def meta_values(page: ParsedPage, *names: str) -> Iterator[tuple[str, str]]:
    """(name, content) of the `<meta>` elements of these names, both in lower case."""
    for node in page.tree.css("meta[name][content]"):
        name = (node.attributes.get("name") or "").strip().lower()
        if name in names:
            yield name, (node.attributes.get("content") or "").strip().lower()
