"""Which of the references of an `<img>` to take: the largest candidate, not the placeholder.

srcset is split as the HTML standard does ("parse a srcset attribute"); sizes and media are not looked at: the largest
candidate is the picture at its best.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from selectolax.lexbor import LexborNode

Attribute = Literal["src", "srcset", "picture", "lazy"]

LAZY_SOURCES = ("data-src", "data-original", "data-lazy-src", "data-lazy", "data-url")
LAZY_SRCSETS = ("data-srcset", "data-lazy-srcset")
PICTURE_TYPES = ("", "image/jpeg", "image/jpg", "image/png", "image/webp")
_STAND_INS = "blank|spacer|placeholder|loading|loader|transparent|pixel|1x1|lazy"
_PLACEHOLDER = re.compile(rf"(?:^data:|(?:^|[/_-])(?:{_STAND_INS})[^/]*$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reference:
    """A URL as the page wrote it, and the attribute that named it."""

    url: str
    attribute: Attribute


def candidates(srcset: str) -> Iterator[tuple[str, float]]:
    """(URL, size) of a srcset: the width of `w` descriptors, the density of `x` ones, 1 where there is none."""
    rest = srcset
    while rest := rest.lstrip(" \t\n\r\f,"):
        url, rest = _split(rest, r"[ \t\n\r\f]")
        if url.endswith(","):
            yield url.rstrip(","), 1.0
            continue
        descriptors, rest = _split(rest, ",")
        yield url, _size(descriptors)


def _split(text: str, at: str) -> tuple[str, str]:
    found = re.search(at, text)
    return (text[: found.start()], text[found.end() :]) if found else (text, "")


def _size(descriptors: str) -> float:
    found = re.search(r"(?:^|\s)(\d{1,6}(?:\.\d{1,3})?)[wx](?:\s|$)", descriptors)
    return float(found[1]) if found else 1.0


def best_reference(node: LexborNode) -> Reference | None:
    """The largest candidate of `<picture>` or srcset, else src, or the lazy attribute that src stands in for."""
    attributes = node.attributes
    src = (attributes.get("src") or "").strip()
    lazy = [value for name in LAZY_SOURCES if (value := (attributes.get(name) or "").strip())]
    found = [(size, Reference(url, "picture")) for srcset in _picture_srcsets(node) for url, size in candidates(srcset)]
    for name in ("srcset", *LAZY_SRCSETS):
        kind: Attribute = "srcset" if name == "srcset" else "lazy"
        found += [(size, Reference(url, kind)) for url, size in candidates(attributes.get(name) or "")]
    real = [(size, reference) for size, reference in found if not _PLACEHOLDER.search(reference.url)]
    if real:
        return max(real, key=lambda pair: pair[0])[1]
    if lazy and (not src or _PLACEHOLDER.search(src)):
        return Reference(lazy[0], "lazy")
    return Reference(src, "src") if src else None


def _picture_srcsets(node: LexborNode) -> Iterator[str]:
    parent = node.parent
    if parent is None or parent.tag != "picture":
        return
    for source in parent.css("source"):
        kind = (source.attributes.get("type") or "").strip().lower()
        if kind in PICTURE_TYPES:
            yield from (value for name in ("srcset", *LAZY_SRCSETS) if (value := source.attributes.get(name)))
