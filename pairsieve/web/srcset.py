"""Which of the references of an `<img>` to take: the largest candidate, not the placeholder.

srcset is split as the HTML standard does ("parse a srcset attribute"); sizes and media are not
looked at: the largest candidate is the picture at its best.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from selectolax.lexbor import LexborNode

Attribute = Literal["src", "srcset", "picture", "lazy"]

LAZY_SOURCES = ("data-src", "data-original", "data-lazy-src", "data-lazy", "data-url")
LAZY_SRCSETS = ("data-srcset", "data-lazy-srcset")
_SRCSETS: tuple[tuple[str, Attribute], ...] = (
    ("srcset", "srcset"),
    *((name, "lazy") for name in LAZY_SRCSETS),
)
PICTURE_TYPES = ("", "image/jpeg", "image/jpg", "image/png", "image/webp")
_STAND_IN = re.compile(
    r"(?:^|[_-])(?:blank|spacer|placeholder|loading|loader|transparent|pixel|1x1|lazy)",
    re.IGNORECASE,
)
_CANDIDATE = re.compile(r"[ \t\n\r\f,]*([^ \t\n\r\f,][^ \t\n\r\f]*)")
_DESCRIPTOR = re.compile(r"(?:^|\s)(\d{1,6}(?:\.\d{1,3})?)[wx](?:\s|$)")


@dataclass(frozen=True, slots=True)
class Reference:
    """A URL as the page wrote it, the attribute that named it, and how large it says to be (`w` or
    `x`, else 1).
    """

    url: str
    attribute: Attribute
    size: float = 1.0


def candidates(srcset: str) -> Iterator[tuple[str, float]]:
    """(URL, size) of a srcset: the width of `w` descriptors, the density of `x` ones, 1 where there
    is none.
    """
    at = 0
    while found := _CANDIDATE.match(srcset, at):
        url, at = found[1], found.end()
        if url.endswith(","):
            yield url.rstrip(","), 1.0
            continue
        comma = srcset.find(",", at)
        end = len(srcset) if comma < 0 else comma
        yield url, _size(srcset[at:end])
        at = end


def _size(descriptors: str) -> float:
    found = _DESCRIPTOR.search(descriptors)
    return float(found[1]) if found else 1.0


def is_placeholder(url: str) -> bool:
    """Whether a URL stands in for a picture that a script loads later: data, or a file named so."""
    return url[:5].lower() == "data:" or _STAND_IN.search(url.rpartition("/")[2]) is not None


def best_reference(
    node: LexborNode, attributes: Mapping[str, str | None], pictures: Mapping[int, Reference]
) -> Reference | None:
    """The largest candidate of `<picture>` or srcset, else src, or the lazy attribute that src
    stands in for.

    `attributes` are those of the node, `pictures` the `picture_references` of the page.
    """
    own = [_largest(value, kind) for name, kind in _SRCSETS if (value := attributes.get(name))]
    around = pictures.get(node.parent.mem_id) if pictures and node.parent is not None else None
    found = [reference for reference in (around, *own) if reference]
    if found:
        return max(found, key=_by_size)
    src = (attributes.get("src") or "").strip()
    lazy = next(
        (value for name in LAZY_SOURCES if (value := (attributes.get(name) or "").strip())), None
    )
    if lazy and (not src or is_placeholder(src)):
        return Reference(lazy, "lazy")
    return Reference(src, "src") if src else None


def picture_references(pictures: Iterable[LexborNode]) -> dict[int, Reference]:
    """The largest candidate of each `<picture>` by the node's `mem_id`: looked up once, however
    many images it holds.
    """
    found = ((picture.mem_id, _largest_source(picture)) for picture in pictures)
    return {mem_id: reference for mem_id, reference in found if reference}


def _largest_source(picture: LexborNode) -> Reference | None:
    sources = [child.attributes for child in picture.iter() if child.tag == "source"]
    taken = [
        source for source in sources if (source.get("type") or "").strip().lower() in PICTURE_TYPES
    ]
    found = [
        _largest(source.get(name), "picture")
        for source in taken
        for name in ("srcset", *LAZY_SRCSETS)
    ]
    return max(filter(None, found), key=_by_size, default=None)


def _largest(srcset: str | None, attribute: Attribute) -> Reference | None:
    found = (
        Reference(url, attribute, size)
        for url, size in candidates(srcset or "")
        if not is_placeholder(url)
    )
    return max(found, key=_by_size, default=None)


def _by_size(reference: Reference) -> float:
    return reference.size
