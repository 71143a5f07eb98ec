"""Licences in RSL (Really Simple Licensing 1.0, rslstandard.org/rsl, December 2025, and its drafts
since July 2025).

A file says of paths or URLs what may be done with them, for whom and for what payment. Here one
question is asked: may a dataset for training be made of a URL and handed to anybody, for nothing?
Terms that such a dataset cannot keep to (only some users or countries, payment, reports, a token of
a licence server, encryption) are a no.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pairsieve.web.fields import header_links, media_type
from pairsieve.web.paths import PathPattern, comparable_target, most_specific, path_pattern
from pairsieve.web.urls import host_of, joined

RSL_TYPE = "application/rsl+xml"
NAMESPACE = "https://rslstandard.org/rsl"
RSL_MAX_BYTES = 256 * 1024
# a licence has five levels, a feed or XMP around it some more; each level is walked through again
MAX_DEPTH = 32
RSL_RESERVED, RSL_UNREADABLE = "rsl_reserved", "rsl_unreadable"
# of 1.0 (3.4.1.1) and of the drafts of July 2025
OUR_USES = frozenset(("all", "ai-all", "ai-train", "train-ai"))
FREE = ("free", "attribution")  # rows name page and picture; other payments are owed to somebody
_BETWEEN = re.compile(r"[\s,]+")  # blanks in 1.0, commas in the drafts


class UnreadableLicence(ValueError):
    """A file that was said to be a licence and is none; what it allows is not known."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Whether training is allowed, for URLs of a host (empty: of the site) whose path fits."""

    host: str
    path: PathPattern
    allowed: bool


@dataclass(frozen=True, slots=True)
class RslLicence:
    """What a licence file on a host says of its contents."""

    host: str
    terms: tuple[Terms, ...]

    def refuses(self, url: str, site: str) -> bool:
        """Whether training with a URL is refused; what no content covers is not.

        A path without a host is one of the site that names the file, whose origin is `site`, and of
        the file's own host: a picture may stand on pages of several sites. Scheme and port make no
        difference.
        """
        host = host_of(url)
        is_of_site = host in (host_of(site), self.host)
        fitting = [
            (terms.path, terms.allowed)
            for terms in self.terms
            if (host == terms.host if terms.host else is_of_site)
        ]
        return not all(most_specific(fitting, comparable_target(url)))

    @property
    def refuses_anything(self) -> bool:
        """Whether training with any of its contents is refused: of a licence that lies in a picture
        or page.
        """
        return not all(terms.allowed for terms in self.terms)


@lru_cache(64)
def read_licence(text: str | bytes, address: str) -> RslLicence:
    """A licence file, or the `<rsl>` inside another XML document (a feed, XMP).

    Raises UnreadableLicence.
    """
    try:
        root = fromstring(text.strip(), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        raise UnreadableLicence("no XML without a DTD") from None
    if _is_nested_deeper(root, MAX_DEPTH):
        raise UnreadableLicence("nested too deeply")
    contents = list(_named(root, "content"))
    if not contents:
        raise UnreadableLicence("no <content>")
    return RslLicence(host_of(address), tuple(_terms(content, address) for content in contents))


def _is_nested_deeper(root: Element, depth: int) -> bool:
    level = [root]
    for _ in range(depth):
        level = [child for element in level for child in element]
    return bool(level)


def _named(root: Element, name: str) -> Iterator[Element]:
    """Elements of RSL, or of no namespace at all, whatever the case of their names."""
    for element in root.iter():
        namespace, _, local = str(element.tag).rpartition("}")
        if local.lower() == name and namespace.strip("{").rstrip("/") in (NAMESPACE, ""):
            yield element


def _terms(content: Element, address: str) -> Terms:
    pattern = content.get("url", "").strip()
    names_host = "//" in pattern.partition("?")[0]
    host = host_of(joined(address, pattern)) if names_host else ""
    if names_host and not host:
        raise UnreadableLicence("a url that is none")
    return Terms(host, path_pattern(pattern), _allows(content))


def _allows(content: Element) -> bool:
    if content.get("server") or content.get("encrypted", "false").strip().lower() != "false":
        return False
    licences = list(_named(content, "license"))
    prohibited = any(_uses(licence, "prohibits", "usage") & OUR_USES for licence in licences)
    return not prohibited and any(_grants(licence) for licence in licences)


def _grants(licence: Element) -> bool:
    """One of several licences is enough; within one everything has to be kept to."""
    permitted = _uses(licence, "permits", "usage")
    if permitted and not permitted & OUR_USES:
        return False
    if any(
        _uses(licence, verb, kind) for verb in ("permits", "prohibits") for kind in ("user", "geo")
    ):
        return False
    payments = [
        payment.get("type", "free").strip().lower() for payment in _named(licence, "payment")
    ]
    return all(payment in FREE for payment in payments) and not any(
        True for _ in _named(licence, "reporting")
    )


def _uses(licence: Element, verb: str, kind: str) -> frozenset[str]:
    """The tokens of `<permits type="usage">` and the like; a list without tokens permits
    nothing.
    """
    listed = [
        element.text or ""
        for element in _named(licence, verb)
        if element.get("type", "usage").strip().lower() == kind
    ]
    return frozenset(word for text in listed for word in _BETWEEN.split(text.strip().lower()))


def linked_licences(link_headers: Iterable[str], base: str) -> Iterator[str]:
    """The addresses of RSL files that Link headers name."""
    for value in link_headers:
        for link in header_links(value):
            if "license" in link.relations and link.media_type == RSL_TYPE:
                yield joined(base, link.target)


def is_rsl_type(value: Any) -> bool:
    """Whether a type attribute is RSL's."""
    return isinstance(value, str) and media_type(value) == RSL_TYPE
