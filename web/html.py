"""One parse of a page and one walk over it: its images, and the parts that page detectors look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from selectolax.lexbor import LexborHTMLParser, LexborNode

from records.page import Headers, Page
from web.srcset import Attribute, Reference, best_reference, picture_references
from web.text import decode_html
from web.urls import absolute

TAGS = ("html", "title", "base", "meta", "link", "script", "img", "picture", "noscript")
LICENSED = "licensed"
_LICENSED = ('a[rel~="license" i]', 'area[rel~="license" i]', 'a[href*="creativecommons.org/" i]', 'area[href*="creativecommons.org/" i]')
# A query costs a walk over the whole tree, a third of the time that parsing takes, whatever it asks for: hence one for all.
_WALK = ", ".join((*TAGS, *_LICENSED))

Elements = Mapping[str, list[LexborNode]]
ImageRule = Literal["plain", "best"]
"""plain: `img[src][alt]`, as LAION read it. best: the largest candidate of picture and srcset, lazy attributes too."""


@dataclass(frozen=True)
class ParsedPage:
    """What a page detector observes.

    `elements` holds the nodes of TAGS by tag, and under LICENSED links that name a licence or Creative Commons; whatever
    else a detector looks for is in `tree`.
    """

    url: str
    headers: Headers
    payload: bytes
    tree: LexborHTMLParser
    elements: Elements
    rule: ImageRule

    @cached_property
    def images(self) -> tuple[ImageElement, ...]:
        """The images of the page that could be pairs; an image's `position` is its place among them."""
        return tuple(image_elements(self))

    @cached_property
    def _lower(self) -> bytes:
        return self.payload.lower()

    def may_hold(self, word: bytes) -> bool:
        """Whether a lower-case ASCII word that has no other spelling (a tag, an attribute's name) can be on the page."""
        return word in self._lower or b"\0" in self.payload  # NUL: UTF-16, where a word looks otherwise

    @cached_property
    def json_ld(self) -> tuple[Any, ...]:
        """The JSON-LD values of the page; scripts that are no JSON are passed over."""
        scripts = (node for node in self.elements["script"] if _attribute(node, "type").lower() == "application/ld+json")
        return tuple(value for script in scripts if (value := _json(script.text())) is not None)

    @cached_property
    def base(self) -> str:
        """What references on the page are relative to: its URL, or what its first `<base href>` makes of it."""
        href = next((href for node in self.elements["base"] if (href := node.attributes.get("href")) is not None), None)
        return (absolute(self.url, href) if href is not None else None) or self.url


@dataclass(frozen=True, slots=True)
class ImageElement:
    """An `<img>` with an alt: its place among them, what its reference means on this page (None: nothing), the raw alt,
    the attribute that named the picture, and the node."""

    position: int
    url: str | None
    alt: str
    attribute: Attribute
    node: LexborNode


def parse_page(page: Page, rule: ImageRule = "plain") -> ParsedPage:
    """Parse a page as browsers do (Lexbor); `rule` says which images it has. Never raises on any bytes."""
    tree = LexborHTMLParser(decode_html(page.payload, page.content_type))
    return ParsedPage(page.url, page.headers, page.payload, tree, _walk(tree), rule)


def _walk(tree: LexborHTMLParser) -> Elements:
    elements: dict[str, list[LexborNode]] = {tag: [] for tag in (*TAGS, LICENSED)}
    for node in tree.css(_WALK):
        elements.get(node.tag or "", elements[LICENSED]).append(node)
    return elements


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _attribute(node: LexborNode, name: str) -> str:
    return (node.attributes.get(name) or "").strip()


def image_elements(page: ParsedPage) -> Iterator[ImageElement]:
    """Every `<img>` with a reference and an alt, in document order.

    With "best", an image inside `<noscript>` that says what an earlier one outside of it says is not counted again.
    """
    found = _plain_references(page) if page.rule == "plain" else _best_references(page)
    for position, (node, alt, reference) in enumerate(found):
        url = absolute(page.base, reference.url) if reference.url else None
        yield ImageElement(position, url, alt, reference.attribute, node)


Referring = tuple[LexborNode, str, Reference]


def _plain_references(page: ParsedPage) -> Iterator[Referring]:
    for node in page.elements["img"]:
        attributes = node.attributes
        if "src" in attributes and "alt" in attributes:
            yield node, attributes["alt"] or "", Reference((attributes["src"] or "").strip(), "src")


def _best_references(page: ParsedPage) -> Iterator[Referring]:
    pictures, hidden = picture_references(page.elements["picture"]), _inside_noscript(page)
    shown: set[tuple[str, str]] = set()
    for node in page.elements["img"]:
        attributes = node.attributes
        if "alt" not in attributes:
            continue
        reference = best_reference(node, attributes, pictures)
        if reference is None:
            continue
        alt = attributes["alt"] or ""
        if node.mem_id in hidden and (reference.url, alt) in shown:
            continue
        shown.add((reference.url, alt))
        yield node, alt, reference


def _inside_noscript(page: ParsedPage) -> set[int]:
    """The `mem_id` of every image below a `<noscript>`; nested ones are passed over, so that each is visited once."""
    images, nested = set[int](), set[int]()
    for noscript in page.elements["noscript"]:
        if noscript.mem_id not in nested:
            nested.update(inner.mem_id for inner in noscript.css("noscript"))
            images.update(image.mem_id for image in noscript.css("img"))
    return images


def meta_values(page: ParsedPage, *names: str) -> Iterator[tuple[str, str]]:
    """(name, content) of the `<meta>` elements of these names, both in lower case."""
    for node in page.elements["meta"]:
        attributes = node.attributes
        name = (attributes.get("name") or "").strip().lower()
        if name in names and "content" in attributes:
            yield name, (attributes["content"] or "").strip().lower()
