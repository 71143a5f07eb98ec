"""One parse of a page: its images, and the elements that page detectors look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import webencodings
from selectolax.lexbor import LexborHTMLParser, LexborNode

from pairsieve.records.page import Headers, Page
from pairsieve.web.cost import PageTooCostly
from pairsieve.web.fields import TYPOGRAPHIC_QUOTES, without_quotes
from pairsieve.web.figure_captions import FigureCaptions
from pairsieve.web.media_type import media_type
from pairsieve.web.picture_urls import is_smaller, is_template
from pairsieve.web.queries import in_encoding_of_page
from pairsieve.web.references import (
    Attribute,
    Reference,
    best_reference,
    is_usable,
    picture_references,
)
from pairsieve.web.text import json_value, page_text
from pairsieve.web.urls import MAX_BASE_CHARS, MAX_REFERENCE_CHARS, absolute, resolver
from pairsieve.web.xhtml import as_html, is_xhtml

ROOT = "html"
JSON_LD_TYPE = "application/ld+json"
TAGS = ("title", "meta", "link", "script", "h1")
LICENSED, TYPED = "licensed", "typed"
_LICENSED = ('a[rel~="license" i]', 'a[href*="creativecommons.org/" i]')
_EVIDENCE = ", ".join((*TAGS, *_LICENSED, "[itemtype]"))
_PLAIN = "img[src], base[href]"
_BEST = "img, base[href], picture, noscript"

# Elements of SVG and MathML in which there is HTML again (HTML standard, 13.2.6.5)
_HTML_INSIDE = frozenset({"foreignObject", "desc", "title", "annotation-xml"})

MAX_ELEMENTS = 100_000  # of those that are looked at: one costs 5 us
MAX_FOREIGN_DEPTH = 16  # elements between a title or base and its drawing

Elements = Mapping[str, list[LexborNode]]
ImageRule = Literal["plain", "best"]
"""plain: `img[src]`, as LAION read it. best: the largest candidate of picture and srcset, and what
lazy loaders name.
"""
CaptionSource = Literal["alt", "title", "aria-label", "figcaption"]
"""Where the words of an image may stand: attributes of it, or the caption of its figure."""
ALT_ALONE: tuple[CaptionSource, ...] = ("alt",)


@dataclass(frozen=True)
class ParsedPage:
    """A page, as its detectors observe it.

    `elements` are the nodes that the built-in detectors look for; whatever else one looks for is in
    `tree`. A query costs a walk over the whole tree, a tenth of the time that parsing takes: hence
    one for all of them, when the first is asked for. `rule` says which picture of an image is
    taken, and `captions` where its words may stand. `encoding` is the one that the page came in.
    """

    url: str
    headers: Headers
    tree: LexborHTMLParser
    rule: ImageRule
    captions: tuple[CaptionSource, ...] = ALT_ALONE
    encoding: webencodings.Encoding = webencodings.UTF8

    @cached_property
    def elements(self) -> Elements:
        """The nodes of TAGS by tag, under ROOT the root, under LICENSED links that name a licence
        or Creative Commons, under TYPED those with microdata.
        """
        nodes: dict[str, list[LexborNode]] = {kind: [] for kind in (*TAGS, LICENSED, TYPED)}
        # Not by a selector, which every element would be compared with.
        nodes[ROOT] = [] if self.tree.root is None else [self.tree.root]
        for node in _found(self.tree, _EVIDENCE):
            tag = node.tag or ""
            if tag == "a":
                nodes[LICENSED].append(node)
            elif tag in TAGS and not (tag == "title" and _is_foreign(node)):
                nodes[tag].append(node)
            if "itemtype" in node.attributes:
                nodes[TYPED].append(node)
        return nodes

    @cached_property
    def images(self) -> tuple[ImageElement, ...]:
        """The images of the page that could be pairs, in document order; those with the same
        reference and words are one.
        """
        resolve = resolver(self.base, self._escape)
        alt_at = self.captions.index("alt") if "alt" in self.captions else None
        return tuple(
            ImageElement(
                first.position,
                _resolved(reference, resolve),
                "" if alt_at is None else texts[alt_at],
                first.attribute,
                first.node,
                first.times,
                tuple(texts),
            )
            for (reference, *texts), first in self._images.first_of.items()
        )

    @property
    def wordless(self) -> int:
        """The number of images that none of the `captions` describes; `images` has none of them."""
        return self._images.wordless

    @cached_property
    def _images(self) -> PageImages:
        if self.rule == "plain":
            return _plain_images(self.tree, self.captions)
        return _best_images(self.tree, self.captions)

    @cached_property
    def json_ld(self) -> tuple[Any, ...]:
        """The JSON-LD values of the page; scripts that are no JSON are passed over."""
        scripts = (
            node
            for node in self.elements["script"]
            if media_type(node.attributes.get("type") or "").essence == JSON_LD_TYPE
        )
        return tuple(value for script in scripts if (value := _json(script.text())) is not None)

    @cached_property
    def base(self) -> str:
        """What references on the page are relative to: its URL, or what its first `<base href>`
        makes of it.
        """
        href = self._images.base
        if href is None or len(href) > MAX_BASE_CHARS:
            return self.url
        # HTML standard, 4.2.3, "set the frozen base URL"
        base = absolute(self.url, self._escape(href) if self._escape else href)
        return self.url if base is None or base.startswith(("data:", "javascript:")) else base

    @cached_property
    def _escape(self) -> Callable[[str], str] | None:
        return in_encoding_of_page(self.encoding)


TOO_LONG = "too-long:"
"""The URL of an image whose reference is longer than any URL that is taken."""


def _resolved(reference: str, resolve: Callable[[str], str | None]) -> str | None:
    """The URL of a reference; for a longer one than is resolved, what it is."""
    if len(reference) > MAX_REFERENCE_CHARS:
        beginning = reference[:100].strip().lower()
        return "data:" if beginning.startswith("data:") else TOO_LONG
    if not reference.strip():
        return None
    if "#" in reference and is_template(reference):
        reference = reference.replace("#", "%23")  # what stands behind it shows the template
    return resolve(reference)


class ImageElement(NamedTuple):
    """An image of a page.

    - `position`: its number among the images, from 0.
    - `url`: what its reference means on this page; None if it means nothing.
    - `alt`: the raw alt; empty where it has none.
    - `attribute`: what named the picture.
    - `times`: how many images of the page have the same reference and texts.
    - `texts`: the raw text of each of the page's `captions`; empty where the image has none.
    """

    position: int
    url: str | None
    alt: str
    attribute: Attribute
    node: LexborNode
    times: int
    texts: tuple[str, ...]


def parse_page(
    page: Page, rule: ImageRule = "plain", captions: tuple[CaptionSource, ...] = ALT_ALONE
) -> ParsedPage:
    """Parse a page as browsers do (Lexbor). `rule` says which images it has, and `captions` where
    their words may stand. Never raises on any bytes.
    """
    content_type = page.content_type
    content, encoding = page_text(page.payload, content_type, page.url)
    if is_xhtml(content_type):
        content = as_html(content)
    tree = LexborHTMLParser(content)
    return ParsedPage(page.url, page.headers, tree, rule, captions, encoding)


def _found(tree: LexborHTMLParser, selector: str) -> list[LexborNode]:
    """The elements that a selector names. Raises PageTooCostly."""
    nodes = tree.css(selector)
    if len(nodes) > MAX_ELEMENTS:
        raise PageTooCostly("more elements than are looked at")
    return nodes


def _is_foreign(node: LexborNode) -> bool:
    """Whether an element is one of SVG or MathML: its `<title>` is no title of the page, and its
    `<base>` is nothing.
    """
    parent = node.parent
    for _ in range(MAX_FOREIGN_DEPTH):
        if parent is None or parent.tag in _HTML_INSIDE:
            return False
        if parent.tag in ("svg", "math"):
            return True
        parent = parent.parent
    return False


def _json(text: str) -> Any:
    """The value of a script; None if it is no JSON, with or without what authors put around it."""
    for form in (text, _without_comments_around(text)):
        try:
            return json_value(form)
        except ValueError:
            continue
    return None


def _without_comments_around(text: str) -> str:
    """What stands between comments or the marks of a CDATA section, which hide scripts from old
    browsers and from XML parsers.
    """
    unmarked = text.replace("<![CDATA[", "").replace("]]>", "")
    starts = [at for at in map(unmarked.find, "[{") if at >= 0]
    end = max(map(unmarked.rfind, "]}"))
    return unmarked[min(starts, default=0) : end + 1]


@dataclass(slots=True)
class FirstImage:
    """The first image of a page with some reference and texts, and how many there are."""

    position: int
    attribute: Attribute
    node: LexborNode
    times: int = 1


@dataclass(slots=True)
class PageImages:
    """The images that one walk over a page collects.

    - `first_of`: (reference, *texts) -> the first image that has them, in document order.
    - `number`: how many images have words, and `wordless` how many have none.
    - `base`: the first `<base href>`.
    """

    first_of: dict[tuple[str, ...], FirstImage] = field(default_factory=dict)
    number: int = 0
    wordless: int = 0
    base: str | None = None

    def add_base(self, node: LexborNode, href: str | None) -> None:
        """The first counts (HTML standard)."""
        if self.base is None and not _is_foreign(node):
            self.base = href or ""

    def add(
        self, reference: str, texts: tuple[str, ...], attribute: Attribute, node: LexborNode
    ) -> None:
        key = (reference, *texts)
        first = self.first_of.get(key)
        if first is None:
            self.first_of[key] = FirstImage(self.number, attribute, node)
        else:
            first.times += 1
        self.number += 1


Attributes = Mapping[str, str | None]
ReadTexts = Callable[[LexborNode, Attributes], tuple[str, ...] | None]
"""(image, its attributes) -> the text of each source; None if it has no source at all."""


def _read_alt(node: LexborNode, attributes: Attributes) -> tuple[str, ...] | None:
    return (attributes["alt"] or "",) if "alt" in attributes else None


def _reader_of_texts(captions: Sequence[CaptionSource]) -> ReadTexts:
    """The function that reads the texts of an image."""
    if tuple(captions) == ALT_ALONE:
        return _read_alt
    figcaptions = FigureCaptions() if "figcaption" in captions else None

    def read(node: LexborNode, attributes: Attributes) -> tuple[str, ...] | None:
        texts, has_source = list[str](), False
        for source in captions:
            if source == "figcaption":
                assert figcaptions is not None
                text = figcaptions.of(node)
            else:
                has_source = has_source or source in attributes
                text = attributes.get(source)
            has_source = has_source or text is not None
            texts.append(text or "")
        return tuple(texts) if has_source else None

    return read


def _plain_images(tree: LexborHTMLParser, captions: Sequence[CaptionSource]) -> PageImages:
    """LAION's rule.

    Galleries hold a thousand images on a page, so this loop asks for no more than it needs.
    """
    found = PageImages()
    first_of, texts_of = found.first_of, _reader_of_texts(captions)
    alt_alone, number = tuple(captions) == ALT_ALONE, 0
    for node in _found(tree, _PLAIN):
        attributes = node.attributes
        if "href" in attributes and node.tag == "base":
            found.add_base(node, attributes["href"])
            continue
        key: tuple[str, ...]
        if alt_alone and "alt" in attributes:  # without a call: this is most images of most runs
            key = (attributes["src"] or "", attributes["alt"] or "")
        else:
            texts = texts_of(node, attributes)
            if texts is None:
                found.wordless += 1
                continue
            key = (attributes["src"] or "", *texts)
        first = first_of.get(key)
        if first is None:
            first_of[key] = FirstImage(number, "src", node)
        else:
            first.times += 1
        number += 1
    found.number = number
    return found


class BestImage(NamedTuple):
    """An image with words, the reference to take, and whether it is in a `<noscript>`."""

    node: LexborNode
    texts: tuple[str, ...]
    reference: Reference | None
    in_noscript: bool


def _best_images(tree: LexborHTMLParser, captions: Sequence[CaptionSource]) -> PageImages:
    """The best reference of each image. An image and its copy in a `<noscript>` are one."""
    nodes: dict[str, list[LexborNode]] = {tag: [] for tag in ("img", "base", "picture", "noscript")}
    for node in _found(tree, _BEST):
        nodes[node.tag or ""].append(node)
    found = PageImages()
    for base in nodes["base"]:
        found.add_base(base, base.attributes["href"])
    pictures = picture_references(nodes["picture"])
    hidden = _inside(nodes["noscript"])
    texts_of = _reader_of_texts(captions)
    images = list[BestImage]()
    for node in nodes["img"]:
        attributes = node.attributes
        in_noscript = bool(hidden) and node.mem_id in hidden
        texts = texts_of(node, attributes)
        if texts is None:
            found.wordless += not in_noscript
            continue
        reference = best_reference(node, attributes, pictures)
        if hidden:
            # Which image is a copy shows only beside its neighbours.
            images.append(BestImage(node, texts, reference, in_noscript))
        elif reference is not None:
            found.add(reference.url, texts, reference.attribute, node)
    for before, image, after in zip([None, *images], images, [*images[1:], None], strict=False):
        if image.reference is not None and not _is_copy(image, before, after, found):
            found.add(image.reference.url, image.texts, image.reference.attribute, image.node)
    return found


def _is_copy(
    image: BestImage, before: BestImage | None, after: BestImage | None, found: PageImages
) -> bool:
    """Whether an image is the same as a neighbour that is taken.

    Scripts for lazy loading put a copy for browsers without scripts beside each image, before it or
    behind it. Of the two the first is taken, unless it only stands in for the picture.
    """
    assert image.reference is not None
    if image.in_noscript:
        has_same = (image.reference.url, *image.texts) in found.first_of
        return has_same or (
            _are_twins(before, image) and (_is_lazy(before) or _is_less(image, before))
        )
    if _are_twins(before, image):
        return _is_lazy(image) or not is_usable(image.reference) or _is_less(image, before)
    return _are_twins(after, image) and (not is_usable(image.reference) or _is_less(image, after))


def _is_less(image: BestImage, other: BestImage | None) -> bool:
    """Whether the URL of an image tells a smaller width than that of another."""
    if other is None or image.reference is None or other.reference is None:
        return False
    return is_smaller(image.reference.url, other.reference.url) is True


def _are_twins(image: BestImage | None, other: BestImage) -> bool:
    return (
        image is not None
        and image.in_noscript != other.in_noscript
        and image.texts == other.texts
        and image.reference is not None
    )


def _is_lazy(image: BestImage | None) -> bool:
    return image is not None and image.reference is not None and image.reference.attribute == "lazy"


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

    Quotation marks that are none to a parser belong to neither.
    """
    for node in page.elements["meta"]:
        attributes = node.attributes
        if "content" not in attributes:
            continue
        # An element may have several, and each says something by itself.
        for kind in ("name", "http-equiv", "property"):
            name = attributes.get(kind)
            if name:
                yield without_quotes(name).lower(), _content(attributes).strip().lower()


def _content(attributes: Attributes) -> str:
    """The content of a `<meta>`, also of `<meta name=”robots” content=”noai, noimageai”>`.

    A parser takes typographic quotes for letters, and what follows a blank for attributes.
    """
    content = attributes["content"] or ""
    if not content.startswith(TYPOGRAPHIC_QUOTES):
        return content
    words, names = [content], list(attributes)
    for name in names[names.index("content") + 1 :]:
        is_first_mark = len(words) == 1 and len(content) == 1
        if words[-1].endswith(TYPOGRAPHIC_QUOTES) and not is_first_mark:
            break
        value = attributes[name]
        words.append(f"{name}={value}" if value else name)
    return without_quotes(" ".join(words))
