"""Places on the web: as people type them, and those that a URL lies below.

A place is a host, a host with a path, or a whole URL.

Requests for erasure, opt-out lists, configs and searches are read here, so that the same text means
the same place everywhere. The URL Standard decides what a host is (https://url.spec.whatwg.org/,
host parsing): `MÜLLER.example`, `xn--mller-kva.example.` and `https://müller.example:443/` are one
host, and `0x7f.1` is 127.0.0.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from pairsieve.web.addresses import is_address
from pairsieve.web.paths import comparable_target
from pairsieve.web.urls import absolute, canonical, host_of, parts_of, public_suffixes

MAX_HOST_CHARS = 253  # RFC 1035, 2.3.4
MAX_FOLDERS = 32  # of a URL's path, that are compared with prefixes
# A request has at most 2,000 letters (pairsieve/erasure/requests.py), and an escaped letter takes
# up to 9 characters: no prefix is longer.
MAX_COMPARED_CHARS = 20_000
KNOWN_ADDRESSES = 64  # whose form is remembered
# A colon before digits alone stands before a port.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?![0-9]+(?:[/?#]|$))/*")
_WEB = ("http", "https")
# After the URL Standard has read it: labels of letters, digits, hyphens and underscores (RFC 1035,
# 2.3.1, and the underscore, which real hosts have).
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}")
_ORIGIN = re.compile(r"(https?://[^/?#:]*)([^/?#]*)")
# `*.a.example` and `.a.example` are other ways to write "a.example and all below it".
_ALL_BELOW = re.compile(r"^(?:\*?\.)+")


class NotAPlace(ValueError):
    """A text that names no place on the web. The message does not repeat the text."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that somebody typed.

    `host`: a name in lower case and punycode without a dot at its end, or an IP address. `path`:
    with escapes undone where that is safe (pairsieve/web/paths.py); "/" is the whole host. `query`:
    with its question mark; empty if there is none.
    """

    host: str
    path: str
    query: str

    @property
    def is_whole_host(self) -> bool:
        return self.path == "/" and not self.query


def read_place(text: str) -> Place:
    """Read a host, a host with a path, or a URL. Scheme, port and credentials do not count.

    Raises NotAPlace, also for a public suffix such as co.uk or github.io: the sites below it belong
    to people who have nothing to do with each other.
    """
    place = _parse(text)
    if _is_public_suffix(place.host):
        raise NotAPlace(
            "this is a public suffix (https://publicsuffix.org), under which unrelated sites lie; "
            "name one site, such as a.example"
        )
    return place


def read_host(text: str) -> str:
    """Read a host, typed with or without a scheme, a port and `*.`. Raises NotAPlace."""
    place = read_place(text)
    if not place.is_whole_host:
        raise NotAPlace("this is a part of a host; name a whole host, such as a.example")
    return place.host


def read_url(text: str) -> str:
    """Read the URL of one picture or page; https stands in for a missing scheme.

    Raises NotAPlace.
    """
    stripped = text.strip()
    url = absolute(_with_scheme(stripped, "https"), "")
    if url is None or not _is_host(host_of(url)):
        raise NotAPlace("this is not a URL, such as https://a.example/me.jpg")
    return url


def address_key(url: str) -> str:
    """The one form of all spellings of an address; of a text that is no URL, the text."""
    key = canonical(_as_browsers_read(url))
    origin = _ORIGIN.match(key)
    if origin is None:
        return key
    # A dot at the end of a host makes no other host of it (RFC 1034, 3.1).
    return f"{origin[1].rstrip('.')}{origin[2]}{key[origin.end() :]}"


def spellings(url: str) -> tuple[str, ...]:
    """The keys of an address under https and http, which show the same in nearly all cases.

    Who asks for a picture to be taken out means both.
    """
    key = address_key(url)
    scheme, mark, rest = key.partition("://")
    if scheme not in _WEB:
        return (key,)
    return tuple(f"{other}{mark}{rest}" for other in _WEB)


def _parse(text: str) -> Place:
    url = absolute(_with_scheme(text.strip(), "http"), "")
    host = host_of(url) if url else ""
    if not url or not _is_host(host):
        raise NotAPlace("this is not a host, such as a.example, nor a URL")
    target = comparable_target(url)
    path, _, query = target.partition("?")
    # `a.example/~anna/*` means the same as `a.example/~anna/`, and an empty query says nothing.
    path = path.removesuffix("%2A")
    behind_path = f"?{query}" if query else ""
    return Place(host.rstrip("."), path, behind_path)


def _with_scheme(text: str, default: str) -> str:
    """A typed text as a URL. Raises NotAPlace for the scheme of something else than a page."""
    if is_address(text) and ":" in text:
        return f"{default}://[{text}]/"
    scheme = _SCHEME.match(text)
    if scheme is None:
        rest = _ALL_BELOW.sub("", text.lstrip("/"))
        # Whoever types an e-mail address does not mean all pictures of the mail's provider.
        if "@" in rest.partition("/")[0]:
            raise NotAPlace("this is an e-mail address; name a host, such as a.example, or a URL")
        return f"{default}://{rest}"
    name = scheme[1].lower()
    if name not in _WEB:
        raise NotAPlace("an address of the web begins with http or https")
    return f"{name}://{_ALL_BELOW.sub('', text[scheme.end() :])}"


def _is_host(host: str) -> bool:
    name = host.rstrip(".")
    is_name = len(name) <= MAX_HOST_CHARS and _HOST.fullmatch(name) is not None
    return is_name or is_address(host)


def _is_public_suffix(host: str) -> bool:
    return not is_address(host) and public_suffixes().privatesuffix(host) is None


def places_of(url: str) -> Iterator[str]:
    """Yield every domain and prefix that a URL lies below.

    A prefix is a path of the whole host. What is not a URL has an empty host.
    """
    for form in _forms(url):
        hosts = list(_hosts(form))
        yield from hosts
        # Requests hold the comparable form; those of earlier versions held what was typed.
        comparable = comparable_target(form[:MAX_COMPARED_CHARS]).partition("?")[0]
        for path in dict.fromkeys((comparable, parts_of(form).path or "/")):
            for end in _prefix_ends(path):
                yield f"{hosts[0]}{path[:end]}"


def hosts_of(url: str) -> Iterator[str]:
    """Yield the host of a URL and every domain above it, down to the last two labels."""
    hosts: list[str] = []
    for form in _forms(url):
        hosts += _hosts(form)
    yield from dict.fromkeys(hosts)


def _forms(url: str) -> Iterable[str]:
    """Return a URL as browsers read it, and as it is written.

    Browsers change hosts in full-width letters, backslashes and dots.
    """
    return dict.fromkeys((_as_browsers_read(url), url))


# The steps that look at a row ask for the same address one after the other.
@lru_cache(KNOWN_ADDRESSES)
def _as_browsers_read(url: str) -> str:
    """Return a URL by the URL Standard; of a text that is no URL, the text."""
    return absolute(url, "") or url


def _hosts(url: str) -> Iterator[str]:
    return domains_of(host_of(url))


def domains_of(host: str) -> Iterator[str]:
    """Yield a host in lower case, and every domain above it."""
    labels = host.rstrip(".").split(".")
    for first in range(max(1, len(labels) - 1)):
        yield ".".join(labels[first:])


def _prefix_ends(path: str) -> Iterator[int]:
    """Yield where prefixes of a path end: before and after each slash, and at its end.

    Only the first MAX_FOLDERS slashes count.
    """
    # The slash at the beginning ends no folder.
    slashes = [place for place, letter in enumerate(path) if letter == "/" and place > 0]
    slashes = slashes[:MAX_FOLDERS]
    after_slashes = [place + 1 for place in slashes]
    yield from sorted({*slashes, *after_slashes, len(path)})
