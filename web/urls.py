"""Image URLs: made absolute by the WHATWG rules, and LAION's reasons not to take one."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import urlsplit

import ada_url


@dataclass(frozen=True)
class UrlSettings:
    """What LAION-5B left out: suffixes svg and gif, hosts over 60 characters, URLs over 2,000."""

    max_chars: int
    max_host_chars: int
    drop_suffixes: tuple[str, ...]
    drop_hosts: tuple[str, ...]


def absolute(base: str, reference: str) -> str | None:
    """The URL that a reference on a page means, without its fragment; None where it means none."""
    try:
        url = str(ada_url.join_url(base, reference.strip()))
    except ValueError:
        return None
    return url.partition("#")[0]


def host_of(url: str) -> str:
    """The host name in lower case, or an empty string."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def url_problem(url: str, settings: UrlSettings) -> str | None:
    """The reason why an absolute URL is not taken, if there is one."""
    if not url.startswith(("http://", "https://")):
        return "url_scheme"
    host = host_of(url)
    if not host or len(host) > settings.max_host_chars:
        return "url_host"
    if len(url) > settings.max_chars:
        return "url_too_long"
    if urlsplit(url).path.lower().endswith(settings.drop_suffixes):
        return "url_suffix"
    return "url_dropped_host" if is_below(host, settings.drop_hosts) else None


def is_below(host: str, domains: tuple[str, ...]) -> bool:
    """Whether a host is one of the domains or below one of them."""
    return any(host == domain or host.endswith("." + domain) for domain in domains)


def bucket_of_url(url: str, buckets: int) -> int:
    """The bucket of a URL's host: the same host is always in the same bucket."""
    return int.from_bytes(url_digest(host_of(url)), "big") % buckets


def url_digest(text: str) -> bytes:
    """Eight bytes that spread URLs and hosts evenly, the same on every machine."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
