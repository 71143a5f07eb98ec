"""One parse of a page and one walk over it: its images, and the parts that page detectors look
at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from pairsieve.records.page import Headers, Page
from pairsieve.web.srcset import Attribute, best_reference, picture_references
from pairsieve.web.text import json_value, to_utf8
from pairsieve.web.urls import MAX_BASE_CHARS, MAX_REFERENCE_CHARS, absolute, resolver

TAGS = ("html", "title", "meta", "link", "script", "h1")
LICENSED, TYPED = "licensed", "typed"
_LICENSED = ('a[rel~="license" i]', 'a[href*="creativecommons.org/" i]')
_EVIDENCE = ", ".join((*TAGS, *_LICENSED, "[itemtype]"))
_PLAIN = "img[src][alt], base[href]"
_BEST = "img[alt], base[href], picture, noscript"

MAX_ELEMENTS = 100_000  # of those that are looked at: one costs 5 us

Elements = Mapping[str, list[LexborNode]]
ImageRule = Literal["plain", "best"]
"""plain: `img[src][alt]`, as LAION read it. best: the largest candidate of picture and srcset, lazy
attributes too.
"""


class PageTooCostly(ValueError):
    """A page with more elements than pages have that people wrote."""


@dataclass(frozen=True)
class ParsedPage:
    """What a page detector observes.

    `elements` are the nodes that the built-in detectors look for; whatever else one looks for is in
    `tree`. A query costs a walk over the whole tree, a tenth of the time that parsing takes: hence
    one for all of them, when the first is asked for.
    """

    url: str
    headers: Headers
    tree: LexborHTMLParser
    rule: ImageRule

    @cached_property
    def elements(self) -> Elements:
        """The nodes of TAGS by tag, under LICENSED links that name a licence or Creative Commons,
        under TYPED those with microdata.
        """
        nodes: dict[str, list[LexborNode]] = {kind: [] for kind in (*TAGS, LICENSED, TYPED)}
        for node in _found(self.tree, _EVIDENCE):
            tag = node.tag or ""
            if tag == "a":
                nodes[LICENSED].append(node)
            elif tag in nodes:
                nodes[tag].append(node)
            if "itemtype" in node.attributes:
                nodes[TYPED].append(node)
        return nodes

    @cached_property
    def images(self) -> tuple[ImageElement, ...]:
        """The images of the page that could be pairs, in document order; those that say the same
        are one.
        """
        resolve = resolver(self.base)
        return tuple(
            ImageElement(
                seen.position,
                _resolved(reference, resolve),
                alt,
                seen.attribute,
                seen.node,
                seen.times,
            )
            for (reference, alt), seen in self._seen.images.items()
        )

    @cached_property
    def _seen(self) -> Seen:
        return _see_plain(self.tree) if self.rule == "plain" else _see_best(self.tree)

    @cached_property
    def json_ld(self) -> tuple[Any, ...]:
        """The JSON-LD values of the page; scripts that are no JSON are passed over."""
        scripts = (
            node
            for node in self.elements["script"]
            if _attribute(node, "type").lower() == "application/ld+json"
        )
        return tuple(value for script in scripts if (value := _json(script.text())) is not None)

    @cached_property
    def base(self) -> str:
        """What references on the page are relative to: its URL, or what its first `<base href>`
        makes of it.
        """
        href = self._seen.base
        if href is None or len(href) > MAX_BASE_CHARS:
            return self.url
        return absolute(self.url, href) or self.url


TOO_LONG = "too-long:"
"""The URL of an image whose reference is longer than any URL that is taken."""


def _resolved(reference: str, resolve: Callable[[str], str | None]) -> str | None:
    if len(reference) <= MAX_REFERENCE_CHARS:
        return resolve(reference) if reference.strip() else None
    return "data:" if reference[:100].strip().lower().startswith("data:") else TOO_LONG


class ImageElement(NamedTuple):
    """An `<img>` with an alt: its place among them, what its reference means on this page (None:
    nothing), the raw alt, the attribute that named the picture, the node, and how many images of
    the page say the same.
    """

    position: int
    url: str | None
    alt: str
    attribute: Attribute
    node: LexborNode
    times: int


def parse_page(page: Page, rule: ImageRule = "plain") -> ParsedPage:
    """Parse a page as browsers do (Lexbor); `rule` says which images it has. Never raises on any
    bytes.
    """
    return ParsedPage(
        page.url, page.headers, LexborHTMLParser(to_utf8(page.payload, page.content_type)), rule
    )


def _found(tree: LexborHTMLParser, selector: str) -> list[LexborNode]:
    """The elements that a selector names. Raises PageTooCostly."""
    nodes = tree.css(selector)
    if len(nodes) > MAX_ELEMENTS:
        raise PageTooCostly("more elements than are looked at")
    return nodes


def _json(text: str) -> Any:
    try:
        return json_value(text)
    except ValueError:
        return None


def _attribute(node: LexborNode, name: str) -> str:
    return (node.attributes.get(name) or "").strip()


@dataclass(slots=True)
class SeenImage:
    """The first image of a page with some reference and alt, and how many there are."""

    position: int
    attribute: Attribute
    node: LexborNode
    times: int = 1


@dataclass(slots=True)
class Seen:
    """What one walk finds: images by (reference, alt) in document order, how many, and the first
    `<base href>`.
    """

    images: dict[tuple[str, str], SeenImage] = field(default_factory=dict)
    number: int = 0
    base: str | None = None

    def add_base(self, href: str | None) -> None:
        """The first counts (HTML standard)."""
        if self.base is None:
            self.base = href or ""

    def add(self, reference: str, alt: str, attribute: Attribute, node: LexborNode) -> None:
        said = (reference, alt)
        if said in self.images:
            self.images[said].times += 1
        else:
            self.images[said] = SeenImage(self.number, attribute, node)
        self.number += 1


def _see_plain(tree: LexborHTMLParser) -> Seen:
    """LAION's rule.

    Galleries hold a thousand images on a page, so this loop asks for no more than it needs.
    """
    seen = Seen()
    images = seen.images
    for node in _found(tree, _PLAIN):
        attributes = node.attributes
        if "href" in attributes and node.tag == "base":
            seen.add_base(attributes["href"])
            continue
        said = (attributes["src"] or "", attributes["alt"] or "")
        if said in images:
            images[said].times += 1
            seen.number += 1
        else:
            seen.add(*said, "src", node)
    return seen


def _see_best(tree: LexborHTMLParser) -> Seen:
    """The best reference of each image.

    One inside `<noscript>` that says what an earlier one outside of it says is its twin.
    """
    nodes: dict[str, list[LexborNode]] = {tag: [] for tag in ("img", "base", "picture", "noscript")}
    for node in _found(tree, _BEST):
        nodes[node.tag or ""].append(node)
    pictures, hidden = picture_references(nodes["picture"]), _inside(nodes["noscript"])
    seen = Seen()
    for base in nodes["base"]:
        seen.add_base(base.attributes["href"])
    for node in nodes["img"]:
        attributes = node.attributes
        alt = attributes["alt"] or ""
        reference = best_reference(node, attributes, pictures)
        twin = (
            reference is not None and node.mem_id in hidden and (reference.url, alt) in seen.images
        )
        if reference is not None and not twin:
            seen.add(reference.url, alt, reference.attribute, node)
    return seen


def _inside(noscripts: Iterable[LexborNode]) -> set[int]:
    """The `mem_id` of every image below a `<noscript>`; nested ones are passed over, so that each
    is visited once.
    """
    images, nested = set[int](), set[int]()
    for noscript in noscripts:
        if noscript.mem_id not in nested:
            nested.update(inner.mem_id for inner in noscript.css("noscript"))
            images.update(image.mem_id for image in noscript.css("img"))
    return images


def meta_values(page: ParsedPage) -> Iterator[tuple[str, str]]:
    """(name, content) of the `<meta>` elements, both in lower case; an `http-equiv` or `property`
    is a name too.
    """
    for node in page.elements["meta"]:
        attributes = node.attributes
        name = (
            attributes.get("name")
            or attributes.get("http-equiv")
            or attributes.get("property")
            or ""
        )
        if name and "content" in attributes:
            yield name.strip().lower(), (attributes["content"] or "").strip().lower()
