"""Short names of licences, from their URLs."""

from __future__ import annotations

import re

OTHER = "other"
LICENCE_MAX_CHARS = 80  # of a URL, as LAION cut it
_CREATIVE_COMMONS = re.compile(
    r"(?:https?:)?//(?:www\.)?creativecommons\.org/"
    r"(?:licenses/(?P<kind>[a-z+-]+)|publicdomain/(?P<domain>zero|mark))"
    # Nothing else may follow the kind: "by%2Dnc" and "by/nc" are no "by".
    r"(?:/(?P<version>\d+\.\d+)(?=[/?#]|\Z)|(?=/?(?:[?#]|\Z)))",
    re.IGNORECASE,
)
_ANY_CREATIVE_COMMONS = re.compile(
    r"//(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/", re.IGNORECASE
)
_VERSION = re.compile(r"-\d+\.\d+")


def names_creative_commons(url: str) -> bool:
    """Whether a URL names a licence or a dedication of Creative Commons."""
    return _ANY_CREATIVE_COMMONS.search(url) is not None


def licence_kind(url: str | None) -> str | None:
    """The short name of a licence: `cc-by-4.0`, `cc0-1.0`, `public-domain` or `other`.

    None if there is no URL.
    """
    if not url:
        return None
    match = _CREATIVE_COMMONS.match(url.strip())
    # Where the URL was cut inside its kind, "by" may be the start of "by-nc".
    is_cut = match is not None and match.end() == len(url) >= LICENCE_MAX_CHARS
    if match is None or is_cut:
        return OTHER
    domain = (match["domain"] or "").lower()
    if domain == "mark":
        return "public-domain"
    # The other public domain tool is "zero".
    kind = "cc0" if domain else f"cc-{match['kind'].lower()}"
    version = match["version"]
    return f"{kind}-{version}" if version else kind


def is_among(kind: str | None, allowed: tuple[str, ...]) -> bool:
    """Whether a licence is allowed. `allowed` may name it with its version or without."""
    if kind is None:
        return False
    # Only a version is taken off: "cc-by-nc" is no "cc-by".
    without_version = _VERSION.sub("", kind)
    return kind in allowed or without_version in allowed
