"""Find the licence of each image, and its scope: the image itself, its figure, or the whole page.

Sources: `rel=license` (HTML standard); schema.org ImageObject with `license` or
`acquireLicensePage` in JSON-LD or microdata (as Google Images reads them); Creative Commons links
as LAION took them.

The position of a link on the page makes no difference, except that a licence inside a figure
applies to that figure alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
from selectolax.lexbor import LexborNode

from filters.detector import Columns, Needs, Observe
from filters.pages.page_types import without_namespace
from pairsieve.records.licence import LICENCE_MAX_CHARS, names_creative_commons
from pairsieve.records.pair import Evidence, PerImage
from pairsieve.web.html import LICENSED, TYPED, ImageElement, ParsedPage
from pairsieve.web.rsl import is_rsl_type
from pairsieve.web.urls import MAX_REFERENCE_CHARS, absolute, without_credentials

MAX_DEPTH = 20  # of JSON-LD, which may be nested without end
MAX_PROPERTIES = 5_000  # of microdata on a page
_READ_PROPERTIES = frozenset(("license", "acquireLicensePage", "contentUrl", "url"))
MAX_PROPERTY_DEPTH = 20  # elements between a property and its item

LicenceAndScope = tuple[str | None, str | None]
"""URL of a licence, and its scope: `image` (from schema.org), `figure` or `page`."""
NO_LICENCE: LicenceAndScope = (None, None)


@dataclass(frozen=True)
class Licence:
    """`licence` and `licence_scope`: URL and scope of each image's licence.

    The scope is `image`, `figure` or `page`; where several apply, the narrowest wins.
    """

    name: ClassVar[str] = "licence"
    version: ClassVar[int] = 4
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {"licence": pa.string(), "licence_scope": pa.string()}

    def load(self) -> Observe:
        return observe_licences


def observe_licences(page: ParsedPage) -> Evidence:
    """The columns of Licence for one page.

    Values are PerImage when the images of the page have different licences.
    """
    links = _licence_links(page)
    by_figure = _licences_of_figures(links)
    by_image_url = dict(_schema_org_licences(page))
    page_licence = _licence_of_page(links)
    default = (page_licence, "page") if page_licence else NO_LICENCE
    if not by_figure and not by_image_url:
        return {"licence": default[0], "licence_scope": default[1]}
    urls: dict[int, object] = {}
    scopes: dict[int, object] = {}
    for image in page.images:
        own = _own_licence(image, by_image_url, by_figure)
        if own:
            urls[image.position], scopes[image.position] = own
    return {
        "licence": PerImage(urls, default[0]),
        "licence_scope": PerImage(scopes, default[1]),
    }


@dataclass(frozen=True, slots=True)
class Link:
    """A link that may name a licence.

    - `declared`: whether the link itself says that it names a licence (`rel=license`).
    - `figure`: id of the figure that the link is in; None outside of figures.
    """

    url: str
    declared: bool
    figure: int | None


def _licence_links(page: ParsedPage) -> list[Link]:
    links: list[Link] = []
    for node in (*page.elements[LICENSED], *page.elements["link"]):
        link = _licence_link(node, page.base)
        if link:
            links.append(link)
    return links


def _licence_link(node: LexborNode, base: str) -> Link | None:
    attributes = node.attributes
    # licences for machines are read by filters/rights/rights.py
    if is_rsl_type(attributes.get("type")):
        return None
    url = (attributes.get("href") or "").strip()
    declared = "license" in (attributes.get("rel") or "").lower().split()
    # a <link> in the head must declare itself; an <a> may also just lead to Creative Commons
    is_creative_commons = node.tag != "link" and names_creative_commons(url)
    if not url or not (declared or is_creative_commons):
        return None
    # Elsewhere than on its page a relative URL names nothing.
    is_absolute = url.startswith(("http://", "https://"))
    target = url if is_absolute else absolute(base, url) or url
    return Link(without_credentials(target)[:LICENCE_MAX_CHARS], declared, _figure_around(node))


def _figure_around(node: LexborNode) -> int | None:
    """The id of the nearest figure that a node is in."""
    parent = node.parent
    while parent is not None:
        if parent.tag == "figure":
            return int(parent.mem_id)
        parent = parent.parent
    return None


def _licences_of_figures(links: Sequence[Link]) -> Mapping[int, str]:
    """Figure id -> licence URL; a declared licence wins over one that is only linked."""
    by_figure: dict[int, str] = {}
    # later links overwrite earlier ones, so the declared ones come last
    for link in sorted(links, key=lambda link: link.declared):
        if link.figure is not None:
            by_figure[link.figure] = link.url
    return by_figure


def _licence_of_page(links: Sequence[Link]) -> str | None:
    """The licence that the page names outside of figures.

    Declared Creative Commons licences come first, then linked ones, then any declared licence.
    """
    outside = [link for link in links if link.figure is None]
    creative_commons = [link for link in outside if names_creative_commons(link.url)]
    declared = [link for link in creative_commons if link.declared]
    by_preference = [*declared, *creative_commons, *outside]
    return by_preference[0].url if by_preference else None


def _own_licence(
    image: ImageElement, by_image_url: Mapping[str, str], by_figure: Mapping[int, str]
) -> LicenceAndScope | None:
    """The licence of the image itself, or else of its figure."""
    if image.url is not None and image.url in by_image_url:
        return by_image_url[image.url], "image"
    # walking up the tree costs time, and few pages have licensed figures
    figure = _figure_around(image.node) if by_figure else None
    if figure is not None and figure in by_figure:
        return by_figure[figure], "figure"
    return None


def _schema_org_licences(page: ParsedPage) -> Iterator[tuple[str, str]]:
    """Image URL and licence URL of each schema.org ImageObject that has both."""
    for value in (*_json_ld_images(page), *_microdata_images(page)):
        licence = _url_in(value.get("license")) or _url_in(value.get("acquireLicensePage"))
        if not licence:
            continue
        for name in ("contentUrl", "url", "@id"):
            if not value.get(name):
                continue
            image_url = absolute(page.base, _url_in(value.get(name)) or "")
            if licence.startswith(("/", "./", "../")):  # else it is absolute, or mere text
                licence = absolute(page.base, licence) or licence
            if image_url:
                yield image_url, without_credentials(licence)[:LICENCE_MAX_CHARS]


def _json_ld_images(page: ParsedPage) -> Iterator[Mapping[str, Any]]:
    """The ImageObjects of the page's JSON-LD, with their properties by name."""
    for written in _objects(list(page.json_ld)):
        value = {without_namespace(name): part for name, part in written.items()}
        if "ImageObject" in _type_names(value):
            yield value


def _microdata_images(page: ParsedPage) -> Iterator[Mapping[str, Any]]:
    """The ImageObjects of the page's microdata, with their properties by name."""
    found: dict[int, dict[str, str]] = {
        node.mem_id: {} for node in page.elements[TYPED] if _is_image_object(node)
    }
    # looking for properties costs a walk over the page
    for node in page.tree.css("[itemprop]")[:MAX_PROPERTIES] if found else ():
        item = found.get(_item_around(node))
        if item is not None:
            names = map(without_namespace, (node.attributes["itemprop"] or "").split())
            # A hostile page gives its whole text to thousands of names.
            for name in _READ_PROPERTIES.intersection(names) - item.keys():
                item[name] = _property_value(node)[:MAX_REFERENCE_CHARS]
    yield from found.values()


def _is_image_object(node: LexborNode) -> bool:
    types = (node.attributes["itemtype"] or "").split()
    return "ImageObject" in map(without_namespace, types)


def _item_around(node: LexborNode) -> int:
    """The id of the item that a property belongs to; 0 if there is none near."""
    parent = node.parent
    for _ in range(MAX_PROPERTY_DEPTH):
        if parent is None:
            break
        if "itemscope" in parent.attributes:
            return int(parent.mem_id)
        parent = parent.parent
    return 0


def _property_value(node: LexborNode) -> str:
    """The value of a property (HTML standard, 5.2.4); a `content` counts on any element."""
    attributes = node.attributes
    for name in ("content", "href", "src"):
        if name in attributes:
            return attributes[name] or ""
    return node.text().strip()


def _type_names(value: Mapping[str, Any]) -> list[str]:
    types = value.get("@type", [])
    names = types if isinstance(types, list) else [types]
    return [without_namespace(name) for name in names if isinstance(name, str)]


def _url_in(value: Any) -> str | None:
    """The URL in a property that holds it as text, or as an object with `@id`, `url` or `@value`.

    Of a list it is that of the first element.
    """
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("@id") or value.get("url") or value.get("@value")
    return value.strip() if isinstance(value, str) and value.strip() else None


def _objects(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Every JSON object in a value, to a bounded depth."""
    if depth > MAX_DEPTH:
        return
    children: Sequence[Any] = ()
    if isinstance(value, dict):
        yield value
        children = list(value.values())
    elif isinstance(value, list):
        children = value
    for child in children:
        yield from _objects(child, depth + 1)
