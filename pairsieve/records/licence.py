"""What a licence URL names."""

from __future__ import annotations

import re

OTHER = "other"
_CREATIVE_COMMONS = re.compile(
    r"//(?:www\.)?creativecommons\.org/(?:licenses/(?P<kind>[a-z+-]+)|publicdomain/(?P<domain>zero|mark))(?:/(?P<version>\d+\.\d+))?",
    re.IGNORECASE,
)


def licence_kind(url: str | None) -> str | None:
    """`cc-by-4.0`, `cc0-1.0`, `public-domain`, `other`; None where there is no URL."""
    if not url:
        return None
    found = _CREATIVE_COMMONS.search(url)
    if not found:
        return OTHER
    if (found["domain"] or "").lower() == "mark":
        return "public-domain"
    kind = "cc0" if found["domain"] else f"cc-{found['kind'].lower()}"
    return f"{kind}-{found['version']}" if found["version"] else kind


def is_among(kind: str | None, allowed: tuple[str, ...]) -> bool:
    """Whether a kind is one of these, named with its version or without."""
    return kind is not None and (kind in allowed or kind.rpartition("-")[0] in allowed)
