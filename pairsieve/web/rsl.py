"""Reads licences in RSL, Really Simple Licensing.

Source: RSL 1.0 (rslstandard.org/rsl, December 2025) and its drafts since July 2025.

A file says what may be done with paths or URLs, by whom and for which payment. Here only one
question is asked: may anybody get a training dataset with a URL in it, for nothing? Terms that such
a dataset cannot meet are a no: only some users or countries, payment, reports, a token of a licence
server, encryption.
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

from pairsieve.web.fields import header_links
from pairsieve.web.media_type import media_type
from pairsieve.web.paths import (
    PathPattern,
    comparable_target,
    is_same_host,
    most_specific,
    path_pattern,
)
from pairsieve.web.urls import host_of, joined

RSL_TYPE = "application/rsl+xml"
NAMESPACE = "https://rslstandard.org/rsl"
RSL_MAX_BYTES = 256 * 1024
# A licence has five levels, a feed or XMP around it a few more. Each level is walked through again.
MAX_DEPTH = 32
RSL_RESERVED, RSL_UNREADABLE = "rsl_reserved", "rsl_unreadable"
OUR_USES = frozenset(("all", "ai-all", "ai-train", "train-ai"))  # 1.0, 3.4.1.1; July 2025
# Payments that a dataset can make: its rows name page and picture.
FREE = ("free", "attribution")
# Its scheme does not matter: it may be missing, or a wildcard (`*://a.example/*`).
_WHOLE_URL = re.compile(r"(?:[^/?#]*:)?(//.*)", re.DOTALL)
_BETWEEN = re.compile(r"[\s,]+")  # blanks in 1.0, commas in the drafts


class UnreadableLicence(ValueError):
    """A licence file cannot be read, so it is not known what it allows."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Whether training is allowed with the URLs of a host whose path matches.

    An empty `host` stands for the site that names the file.
    """

    host: str
    path: PathPattern
    allowed: bool


@dataclass(frozen=True, slots=True)
class RslLicence:
    """The terms of a licence file that lies on `host`."""

    host: str
    terms: tuple[Terms, ...]

    def refuses(self, url: str, site: str) -> bool:
        """Tell whether training with a URL is refused; a URL that no term covers is not.

        `site` is the origin that names the file. A path without a host applies to that site and to
        the file's own host, because a picture may stand on pages of several sites. Scheme and port
        do not matter.
        """
        host = host_of(url)
        own_hosts = (host_of(site), self.host)
        fitting = []
        for terms in self.terms:
            covers_host = is_same_host(terms.host, host) if terms.host else host in own_hosts
            if covers_host:
                fitting.append((terms.path, terms.allowed))
        return not all(most_specific(fitting, comparable_target(url)))

    @property
    def refuses_anything(self) -> bool:
        """Whether training with any of the contents is refused.

        This is the question for a licence inside a picture or a page.
        """
        return not all(terms.allowed for terms in self.terms)


@lru_cache(64)
def read_licence(text: str | bytes, address: str) -> RslLicence:
    """Read a licence file, or the `<rsl>` inside another XML document (a feed, XMP).

    `address` is the file's URL. Raises UnreadableLicence.
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
    """Yield the elements of this name, in RSL's namespace or in none; case does not matter."""
    for element in root.iter():
        # ElementTree writes a name as {namespace}name.
        namespace, _, local_name = str(element.tag).rpartition("}")
        namespace = namespace.strip("{").rstrip("/")
        if local_name.lower() == name and namespace in (NAMESPACE, ""):
            yield element


def _terms(content: Element, address: str) -> Terms:
    """Read a `<content>`. Raises UnreadableLicence where its url names no host."""
    # A fragment is no part of what is requested.
    pattern = content.get("url", "").strip().partition("#")[0]
    whole = _WHOLE_URL.match(pattern)
    if whole is None:
        return Terms("", path_pattern(pattern), _allows(content))
    host = host_of(joined(address, whole[1]))
    if not host:
        raise UnreadableLicence("a url that is none")
    return Terms(host, path_pattern("https:" + whole[1]), _allows(content))


def _allows(content: Element) -> bool:
    """Tell whether a `<content>` may be in a training dataset."""
    needs_token = bool(content.get("server"))
    is_encrypted = content.get("encrypted", "false").strip().lower() != "false"
    if needs_token or is_encrypted:
        return False
    licences = list(_named(content, "license"))
    for licence in licences:
        if _tokens(licence, "prohibits", "usage") & OUR_USES:
            return False
    # One licence that can be met is enough.
    return any(_grants(licence) for licence in licences)


def _grants(licence: Element) -> bool:
    """Tell whether a dataset can meet all terms of one licence."""
    permitted = _tokens(licence, "permits", "usage")
    # A licence that lists no uses permits all of them.
    if permitted and not permitted & OUR_USES:
        return False
    # Nobody can say who will use a published dataset, or where.
    for verb in ("permits", "prohibits"):
        if _tokens(licence, verb, "user") or _tokens(licence, verb, "geo"):
            return False
    for payment in _named(licence, "payment"):
        if payment.get("type", "free").strip().lower() not in FREE:
            return False
    requires_reports = any(True for _ in _named(licence, "reporting"))
    return not requires_reports


def _tokens(licence: Element, verb: str, kind: str) -> frozenset[str]:
    """Return the tokens of elements such as `<permits type="usage">`.

    An element without text has one empty token, so a list without tokens permits nothing.
    """
    tokens: set[str] = set()
    for element in _named(licence, verb):
        if element.get("type", "usage").strip().lower() == kind:
            text = element.text or ""
            tokens.update(_BETWEEN.split(text.strip().lower()))
    return frozenset(tokens)


def linked_licences(link_headers: Iterable[str], base: str) -> Iterator[str]:
    """Yield the addresses of RSL files that Link headers name."""
    for value in link_headers:
        for link in header_links(value):
            if "license" in link.relations and link.media_type == RSL_TYPE:
                yield joined(base, link.target)


def is_rsl_type(value: Any) -> bool:
    """Tell whether a type attribute is that of RSL."""
    return isinstance(value, str) and media_type(value).essence == RSL_TYPE
