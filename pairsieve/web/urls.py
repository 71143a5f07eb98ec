"""Image URLs: made absolute by the WHATWG rules, their canonical form, and LAION's reasons not to
take one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from urllib.parse import SplitResult, urlsplit

import ada_url
from publicsuffixlist import PublicSuffixList

from pairsieve.records.privacy import Public
from pairsieve.web.picture_urls import is_template

# RFC 9110, 4.1: as much as everybody should take; it comes again in every URL of a page
MAX_BASE_CHARS = 8_000
MAX_REFERENCE_CHARS = 100_000  # the longest URL that a config of ours takes (laion400m.yaml)
KNOWN = 1 << 13  # URLs and hosts that a worker remembers: pages of a site share theirs
KNOWN_HOSTS = 1 << 16  # whose registered domain a worker remembers
# Nothing in it that the WHATWG rules would change: no scheme, dot segment, escape, query or
# fragment.
_PLAIN_PATH = re.compile(r"/?[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_PLAIN_BASE = re.compile(
    r"https?://(?!.*xn--)[a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*\.[a-z]+/(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*)?"
)
# A host without a user, a port, capitals or brackets.
_PLAIN_HOST = re.compile(r"https?://([a-z0-9.-]+)(?=[/?#]|\Z)")
# host, path
_PARTS = re.compile(
    r"https?://(?:[^/?#@]*@)?(\[[^\]/?#]*\]|[^/?#:\[\]]*)(?::[0-9]*)?(?=[/?#]|$)([^?#]*)", re.DOTALL
)
_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/?#@]*@")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True)
class UrlSettings:
    """What LAION-5B left out: suffixes svg and gif, hosts over 60 characters, URLs over 2,000.

    `drop_hosts`: a host and all below it. `drop_domains`: the registered domain of each, with all
    its hosts: for shop.example.co.uk that is example.co.uk (Public Suffix List, as it is in the
    installed publicsuffixlist).
    """

    max_chars: Public[int]
    max_host_chars: Public[int]
    drop_suffixes: Public[tuple[str, ...]]
    drop_hosts: Public[tuple[str, ...]]
    drop_domains: Public[tuple[str, ...]] = ()


def absolute(base: str, reference: str) -> str | None:
    """The URL that a reference on a page means, without its fragment; None where it means none, or
    one of them is too long.
    """
    if len(base) > MAX_REFERENCE_CHARS or len(reference) > MAX_REFERENCE_CHARS:
        return None
    # most URLs of datasets are written as the rules write them
    if not reference and len(base) <= MAX_BASE_CHARS and _PLAIN_BASE.fullmatch(base):
        return base
    try:
        url = str(ada_url.join_url(base, reference))
    except ValueError:
        return None
    return url.partition("#")[0]


def redirect_target(at: str, location: str) -> str | None:
    """The URL that a Location header means, without credentials; None where it means none."""
    target = absolute(at, location) if location.strip() else None
    return without_credentials(target) if target else None


def without_credentials(url: str) -> str:
    """An absolute URL without the user name and password that stand before its host."""
    return _CREDENTIALS.sub(r"\1", url)


def has_credentials(url: str) -> bool:
    """Whether a user name or a password stands before the host of an absolute URL."""
    return _CREDENTIALS.match(url) is not None


def resolver(base: str, escape: Callable[[str], str] | None = None) -> Callable[[str], str | None]:
    """The function that makes references on a page absolute.

    Plain paths, as most pages write them, are put behind the origin or the folder of the base. All
    other references go through `escape` (`in_encoding_of_page`) and `absolute`.
    """
    whole = absolute(base, "")
    if whole is None or not whole.startswith(("http://", "https://")):
        return partial(absolute, base)
    path = whole.partition("?")[0]
    folder, origin = path[: path.rindex("/") + 1], "/".join(path.split("/", 3)[:3])

    def resolve(reference: str) -> str | None:
        if len(reference) <= MAX_REFERENCE_CHARS and _PLAIN_PATH.fullmatch(reference):
            return origin + reference if reference[0] == "/" else folder + reference
        return absolute(base, escape(reference) if escape else reference)

    return resolve


def canonical(url: str) -> str:
    """The form in which two spellings of one absolute URL are the same (RFC 3986, 6.2.2): host,
    port and path are so already by the WHATWG rules; escapes of unreserved characters are undone,
    the digits of others put in upper case, and an empty query is taken off. The order of a query's
    arguments is kept: servers may mean something by it.
    """
    if "%" in url:
        url = _ESCAPE.sub(_canonical_escape, url)
    # The first question mark begins the query, and further ones belong to it.
    has_empty_query = url.endswith("?") and url.index("?") == len(url) - 1
    return url[:-1] if has_empty_query else url


def _canonical_escape(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


@lru_cache(1)
def public_suffixes() -> PublicSuffixList:
    """The Public Suffix List of the installed publicsuffixlist, read once a process."""
    return PublicSuffixList()


def registered_domain(url: str) -> str:
    """example.co.uk of https://shop.example.co.uk/a (Public Suffix List); the host itself where it
    has none, or is an address. A dot at the end makes no other host of it (RFC 1034, 3.1).
    """
    return _registered_domain_of(host_of(url).rstrip("."))


# The rows of a shard have far fewer hosts than addresses.
@lru_cache(KNOWN_HOSTS)
def _registered_domain_of(host: str) -> str:
    if not host.rpartition(".")[2].isalpha() and "xn--" not in host:
        return host
    return public_suffixes().privatesuffix(host) or host


@dataclass(frozen=True, slots=True)
class UrlParts:
    """The parts of a URL; those that it does not have are empty. `host` is in lower case and
    without brackets; `port` is None where none is said, and NO_PORT where something else stands in
    its place.
    """

    scheme: str = ""
    host: str = ""
    port: int | None = None
    path: str = ""


NO_PARTS, NO_PORT = UrlParts(), -1


def parts_of(url: str) -> UrlParts:
    """The parts of whatever stands where a URL should: NO_PARTS of what is none. Never raises.

    The one place where text from outside is taken apart: urlsplit raises ValueError for brackets
    that are left open, hosts that change under NFKC, and ports that are no numbers.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return NO_PARTS
    return UrlParts(parts.scheme, host, _port(parts), parts.path)


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        return NO_PORT


def joined(base: str, reference: str) -> str:
    """`absolute`; or the reference as it is where it means no URL, so that a request for it fails
    and says why.
    """
    return absolute(base, reference) or reference


def host_of(url: str) -> str:
    """The host name in lower case, or an empty string."""
    # what `parts_of` finds, in a tenth of the time
    plain = _PLAIN_HOST.match(url)
    return plain[1] if plain else parts_of(url).host


def origin_of(url: str) -> str:
    """Scheme, host and port of an absolute URL."""
    return "/".join(url.split("/", 3)[:3])


UrlProblem = Callable[[str], str | None]


def url_checker(settings: UrlSettings) -> UrlProblem:
    """The function that gives the reason why an absolute URL is not taken, if there is one."""
    suffixes = public_suffixes() if settings.drop_domains else None
    dropped = (
        frozenset(
            suffixes.privatesuffix(name.lower()) or name.lower() for name in settings.drop_domains
        )
        if suffixes
        else frozenset()
    )

    @lru_cache(KNOWN)
    def host_problem(host: str) -> str | None:
        if not host or len(host) > settings.max_host_chars:
            return "url_host"
        # A dot at the end makes no other host of it (RFC 1034, 3.1).
        host = host.rstrip(".")
        if is_below(host, settings.drop_hosts):
            return "url_dropped_host"
        return (
            "url_dropped_domain" if suffixes and suffixes.privatesuffix(host) in dropped else None
        )

    @lru_cache(KNOWN)
    def problem(url: str) -> str | None:
        if not url.startswith(("http://", "https://")):
            return "url_scheme"
        if len(url) > settings.max_chars:
            return "url_too_long"
        if has_credentials(url):
            return "url_credentials"
        if is_template(url):
            return "url_template"
        parts = _PARTS.match(url)
        if parts is None:
            return "url_host"
        return (
            "url_suffix"
            if parts[2].lower().endswith(settings.drop_suffixes)
            else host_problem(parts[1].strip("[]").lower())
        )

    return problem


def is_below(host: str, domains: tuple[str, ...]) -> bool:
    """Whether a host is one of the domains or below one of them."""
    return any(host == domain or host.endswith("." + domain) for domain in domains)


def bucket_of_url(url: str, buckets: int) -> int:
    """The bucket of a URL's host: the same host is always in the same bucket."""
    # All URLs of a site share their origin, and to take one apart is most of the work. Others than
    # these have no end of an origin: a data URL would be remembered whole.
    if url.startswith(("http://", "https://")):
        return _bucket_of_origin(origin_of(url), buckets)
    return _bucket_of_host(host_of(url), buckets)


@lru_cache(KNOWN_HOSTS)
def _bucket_of_origin(origin: str, buckets: int) -> int:
    return _bucket_of_host(host_of(origin), buckets)


def _bucket_of_host(host: str, buckets: int) -> int:
    return int.from_bytes(url_digest(host), "big") % buckets


def url_id(url: str) -> bytes:
    """16 bytes that stand for a URL: of all URLs of a dataset no two have the same."""
    return blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def url_digest(text: str) -> bytes:
    """Eight bytes that spread URLs and hosts evenly, the same on every machine."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
