"""The licence of an image, with what it was said of: the image itself, its figure, or the whole
page.

Sources: `rel=license` (HTML standard), schema.org ImageObject with `license` or
`acquireLicensePage` (as Google Images reads them), Creative Commons links as LAION took them. Where
on the page a link stands makes no difference, but a licence inside a figure is said of that figure
alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
from selectolax.lexbor import LexborNode

from filters.detector import Columns, Needs, Observe
from pairsieve.records.pair import Evidence, PerImage
from pairsieve.web.html import LICENSED, ImageElement, ParsedPage
from pairsieve.web.rsl import is_rsl_type
from pairsieve.web.urls import absolute, without_credentials

LICENCE_MAX_CHARS = 80  # as LAION cut it
MAX_DEPTH = 20
_CREATIVE_COMMONS = re.compile(r"//creativecommons\.org/(licenses|publicdomain)/", re.IGNORECASE)
NONE = (None, None)
Licensed = tuple[str | None, str | None]
"""URL and scope: `image` (JSON-LD), `figure`, `page`."""


@dataclass(frozen=True)
class Licence:
    """Licence URL and scope of each image; the narrowest scope wins."""

    name: ClassVar[str] = "licence"
    version: ClassVar[int] = 3
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {"licence": pa.string(), "licence_scope": pa.string()}

    def load(self) -> Observe:
        return observe_licences


def observe_licences(page: ParsedPage) -> Evidence:
    """The columns of Licence for one page."""
    links = [
        link for node in (*page.elements[LICENSED], *page.elements["link"]) if (link := _link(node))
    ]
    figures, of_page = _figures(links), _page_licence(links)
    of_images = dict(_json_ld_images(page))
    default = (of_page, "page") if of_page else NONE
    if not (figures or of_images):
        return dict(zip(Licence.columns, default, strict=True))
    found = {
        image.position: own for image in page.images if (own := _own(image, of_images, figures))
    }
    return {
        name: PerImage({position: own[i] for position, own in found.items()}, default[i])
        for i, name in enumerate(Licence.columns)
    }


@dataclass(frozen=True, slots=True)
class Link:
    """A link that may name a licence: its URL, whether it says so itself, and the figure that it
    stands in.
    """

    url: str
    declared: bool
    figure: int | None


def _link(node: LexborNode) -> Link | None:
    attributes = node.attributes
    url, declared = (
        (attributes.get("href") or "").strip(),
        "license" in (attributes.get("rel") or "").lower().split(),
    )
    if is_rsl_type(attributes.get("type")):
        return None  # terms for machines, which filters/rights/rights.py reads
    if not url or not (declared or (node.tag != "link" and _CREATIVE_COMMONS.search(url))):
        return None
    return Link(without_credentials(url)[:LICENCE_MAX_CHARS], declared, _figure_around(node))


def _figure_around(node: LexborNode) -> int | None:
    parent = node.parent
    while parent is not None:
        if parent.tag == "figure":
            return int(parent.mem_id)
        parent = parent.parent
    return None


def _figures(links: list[Link]) -> Mapping[int, str]:
    """The licence of each figure that has one: what is declared before what is only linked."""
    return {
        link.figure: link.url
        for link in sorted(links, key=lambda link: link.declared)
        if link.figure is not None
    }


def _page_licence(links: list[Link]) -> str | None:
    """Of the links outside of figures: declared Creative Commons, then linked Creative Commons,
    then another declared one.
    """
    outside = [link for link in links if link.figure is None]
    free = [link for link in outside if _CREATIVE_COMMONS.search(link.url)]
    ordered = [*(link for link in free if link.declared), *free, *outside]
    return ordered[0].url if ordered else None


def _own(
    image: ImageElement, of_images: Mapping[str, str], figures: Mapping[int, str]
) -> Licensed | None:
    if image.url is not None and image.url in of_images:
        return of_images[image.url], "image"
    figure = _figure_around(image.node) if figures else None
    return (figures[figure], "figure") if figure is not None and figure in figures else None


def _json_ld_images(page: ParsedPage) -> Iterator[tuple[str, str]]:
    for value in _objects(list(page.json_ld)):
        kinds = value.get("@type", ())
        if "ImageObject" in (kinds if isinstance(kinds, list) else [kinds]):
            licence = _url_in(value.get("license")) or _url_in(value.get("acquireLicensePage"))
            for name in ("contentUrl", "url", "@id"):
                url = (
                    absolute(page.base, _url_in(value.get(name)) or "") if value.get(name) else None
                )
                if licence and url:
                    yield url, without_credentials(licence)[:LICENCE_MAX_CHARS]


def _url_in(value: Any) -> str | None:
    """The URL in a property that holds it as text, or as an object with an `@id` or `url`."""
    if isinstance(value, dict):
        value = value.get("@id") or value.get("url")
    return value.strip() if isinstance(value, str) and value.strip() else None


def _objects(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        yield value
    for child in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _objects(child, depth + 1)
