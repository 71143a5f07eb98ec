"""The columns of a pair's key, of what rules decided, and of the evidence that users filter by."""

from __future__ import annotations

import pyarrow as pa

from pairsieve.records.column import Column, Sources, copied
from pairsieve.records.licence import licence_kind

RIGHTS_SOURCES = ("page", "response", "picture", "c2pa")


def _key(sources: Sources) -> str:
    # The public key: a keyed hash where the caption was redacted.
    key: bytes = sources["public_key"]
    return key.hex()


def _tags(sources: Sources) -> list[str]:
    return list(sources["tags"])


def _licence(sources: Sources) -> tuple[str | None, str | None]:
    """Return (URL, scope) of the licence of an image; (None, None) without one.

    The licence that the page names comes first, then the one in the picture's own metadata.
    """
    # A page names the licence of what it shows; the picture's file may come from elsewhere.
    if sources.get("licence"):
        return sources["licence"], sources.get("licence_scope")
    if sources.get("picture_licence"):
        return sources["picture_licence"], "xmp"
    return None, None


def _licence_url(sources: Sources) -> str | None:
    url, _ = _licence(sources)
    return url


def _licence_kind(sources: Sources) -> str | None:
    return licence_kind(_licence_url(sources))


def _licence_scope(sources: Sources) -> str | None:
    _, scope = _licence(sources)
    return scope


def _rights_signals(sources: Sources) -> list[str]:
    signals = []
    # Every source counts, so a signal may appear with several of them.
    for source in RIGHTS_SOURCES:
        of_source = sources.get(f"{source}_rights_signals") or ()
        signals += [f"{source}:{signal}" for signal in of_source]
    return signals


def _private_tags(sources: Sources) -> list[str]:
    return list(sources["private_tags"])


PRIVATE_TAGS = Column(
    name="private_tags",
    type=pa.list_(pa.string()),
    source="publish",
    privacy="sensitive",
    meaning="reasons of rules that tagged the pair and say what it shows",
    value=_private_tags,
)
"""Never a column of published rows."""

DECISIONS: tuple[Column, ...] = (
    Column(
        name="key",
        type=pa.string(),
        source="extract",
        privacy="fingerprint",
        meaning="identity of the pair, 128 bits in hex",
        value=_key,
    ),
    Column(
        name="tags",
        type=pa.list_(pa.string()),
        source="publish",
        privacy="sensitive",
        meaning=(
            "reasons of rules that redacted or tagged the pair; those that say what it shows are "
            "here where `publish.sensitive` is `published`"
        ),
        value=_tags,
    ),
    Column(
        name="licence_url",
        type=pa.string(),
        source="licence",
        privacy="neutral",
        meaning="any licence that is named for the image, Creative Commons or not",
        value=_licence_url,
    ),
    Column(
        name="licence_kind",
        type=pa.string(),
        source="licence",
        privacy="neutral",
        meaning="what that URL names: cc-by-4.0, cc0-1.0, public-domain, other",
        value=_licence_kind,
    ),
    Column(
        name="licence_scope",
        type=pa.string(),
        source="licence",
        privacy="neutral",
        meaning=(
            "what that licence was said of: image (schema.org), figure or page; xmp: the picture's "
            "file says it"
        ),
        value=_licence_scope,
    ),
    Column(
        name="rights_signals",
        type=pa.list_(pa.string()),
        source="page_rights",
        privacy="neutral",
        meaning=(
            "opt-outs that were found, as source:signal; source is page, response, picture or c2pa"
        ),
        value=_rights_signals,
    ),
    Column(
        name="face_count",
        type=pa.int32(),
        unit="faces",
        source="faces",
        privacy="sensitive",
        meaning="how many are in the picture, whoever they are; empty where no detector looked",
        value=copied("face_count"),
    ),
    Column(
        name="medical_picture_score",
        type=pa.float32(),
        unit="0 to 1",
        source="medical_picture",
        privacy="sensitive",
        meaning="share of medical prompts among CLIP prompts",
        value=copied("medical_picture_score"),
    ),
)
