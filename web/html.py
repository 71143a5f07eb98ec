"""One parse of a page: its images, and the parts that page detectors look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from selectolax.lexbor import LexborHTMLParser, LexborNode

from records.page import Headers, Page
from web.srcset import Attribute, Reference, best_reference, picture_references
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

    With "best", an image inside `<noscript>` that says what an earlier one outside of it says is not counted again.
    """
    base = base_url(page)
    found = _plain_references(page) if rule == "plain" else _best_references(page)
    for position, (node, reference) in enumerate(found):
        url = absolute(base, reference.url) if reference.url else None
        yield ImageElement(position, url, node.attributes.get("alt") or "", reference.attribute)


def _plain_references(page: ParsedPage) -> Iterator[tuple[LexborNode, Reference]]:
    for node in page.tree.css("img[src][alt]"):
        yield node, Reference((node.attributes.get("src") or "").strip(), "src")


def _best_references(page: ParsedPage) -> Iterator[tuple[LexborNode, Reference]]:
    pictures, hidden = picture_references(page.tree), _inside_noscript(page)
    shown: set[tuple[str, str | None]] = set()
    for node in page.tree.css("img[alt]"):
        reference = best_reference(node, pictures)
        if reference is None:
            continue
        said = (reference.url, node.attributes.get("alt"))
        if node.mem_id in hidden and said in shown:
            continue
        shown.add(said)
        yield node, reference


def _inside_noscript(page: ParsedPage) -> set[int]:
    """The `mem_id` of every image below a `<noscript>`; nested ones are passed over, so that each is visited once."""
    images, nested = set[int](), set[int]()
    for noscript in page.tree.css("noscript"):
        if noscript.mem_id not in nested:
            nested.update(inner.mem_id for inner in noscript.css("noscript"))
            images.update(image.mem_id for image in noscript.css("img"))
    return images


def meta_values(page: ParsedPage, *names: str) -> Iterator[tuple[str, str]]:
    """(name, content) of the `<meta>` elements of these names, both in lower case."""
    for node in page.tree.css("meta[name][content]"):
        name = (node.attributes.get("name") or "").strip().lower()
        if name in names:
            yield name, (node.attributes.get("content") or "").strip().lower()
