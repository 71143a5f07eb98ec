"""One parse of a page: its images, and the parts that page detectors look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from selectolax.lexbor import LexborHTMLParser, LexborNode

from records.page import Headers, Page
from web.srcset import Attribute, Reference, best_reference
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
    """An `<img>` with an alt: its place among them, what its reference means on this page (None: nothing), the raw alt,
    and the attribute that named the picture."""

    position: int
    url: str | None
    alt: str
    attribute: Attribute


ImageRule = Literal["plain", "best"]
"""plain: `img[src][alt]`, as LAION read it. best: the largest candidate of picture and srcset, lazy attributes too."""


def parse_page(page: Page) -> ParsedPage:
    """Parse a page as browsers do (Lexbor). Never raises on any bytes."""
    return ParsedPage(page.url, page.headers, LexborHTMLParser(decode_html(page.payload, page.content_type)))


def base_url(page: ParsedPage) -> str:
    """The page's URL, or what its first `<base href>` makes of it."""
    node = page.tree.css_first("base[href]")
    return (absolute(page.url, node.attributes.get("href") or "") if node else None) or page.url


def image_elements(page: ParsedPage, rule: ImageRule) -> Iterator[ImageElement]:
    """Every `<img>` with a reference and an alt, in document order.

    With "best", an image inside `<noscript>` that says what one outside of it says is not counted again.
    """
    base = base_url(page)
    outside: set[tuple[str | None, str]] = set()
    position = 0
    for node in page.tree.css("img[src][alt]" if rule == "plain" else "img[alt]"):
        element = _image_element(node, base, rule, position)
        if element is None:
            continue
        said = (element.url, element.alt)
        if rule == "best" and _inside_noscript(node):
            if said in outside:
                continue
        else:
            outside.add(said)
        yield element
        position += 1


def _image_element(node: LexborNode, base: str, rule: ImageRule, position: int) -> ImageElement | None:
    attributes = node.attributes
    plain = Reference((attributes.get("src") or "").strip(), "src")
    reference = plain if rule == "plain" else best_reference(node)
    if reference is None:
        return None
    url = absolute(base, reference.url) if reference.url else None
    return ImageElement(position, url, attributes.get("alt") or "", reference.attribute)


def _inside_noscript(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.tag == "noscript":
            return True
        parent = parent.parent
    return False


def meta_values(page: ParsedPage, *names: str) -> Iterator[tuple[str, str]]:
    """(name, content) of the `<meta>` elements of these names, both in lower case."""
    for node in page.tree.css("meta[name][content]"):
        name = (node.attributes.get("name") or "").strip().lower()
        if name in names:
            yield name, (node.attributes.get("content") or "").strip().lower()
