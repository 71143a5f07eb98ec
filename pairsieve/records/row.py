"""The published columns: name, type, source and meaning of each. LAION's columns come first.

LAION-400M and LAION-5B swapped WIDTH and HEIGHT. Here each is what its name says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import mmh3
import pyarrow as pa

from pairsieve.records.licence import licence_kind

KEY = "key"
Privacy = Literal["address", "words", "fingerprint", "sensitive", "neutral"]
PRIVACY: Mapping[Privacy, str] = {
    "address": "leads to a page or picture, which may show or name somebody",
    "words": "written by people; may name somebody in spite of redaction",
    "fingerprint": "finds other copies of the same picture, page or pair",
    "sensitive": "a guess at what a picture or caption shows: people, health, nudity",
    "neutral": "says nothing of people by itself",
}
"""Kind of content -> why its columns need care, or none. Shown in the data card."""

RIGHTS_SOURCES = ("page", "response", "picture", "c2pa")

Sources = Mapping[str, Any]
"""The columns of a sample, and those made for a row: `text` (the published caption), `public_key`
and `tags`.
"""


@dataclass(frozen=True)
class Column:
    """A published column.

    `source` is the stage or the detector that it comes from. `value` computes the cell of a row.
    """

    name: str
    type: pa.DataType
    unit: str
    source: str
    privacy: Privacy
    meaning: str
    value: Callable[[Sources], Any]


def _copy(name: str) -> Callable[[Sources], Any]:
    """A function that copies a column of the sample."""
    return lambda sources: sources.get(name)


def _sample_id(sources: Sources) -> int:
    # SAMPLE_ID is a signed 64-bit integer, and one bit is its sign.
    return int.from_bytes(sources["public_key"][:8], "big") >> 1


def _hash(sources: Sources) -> int:
    return int(mmh3.hash64(sources["url"] + sources["text"])[0])


def _licence(sources: Sources) -> tuple[str | None, str | None]:
    """(URL, scope) of the licence of an image; (None, None) without one.

    The licence that the page names comes first, then the one in the picture's own metadata.
    """
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
    for source in RIGHTS_SOURCES:
        of_source = sources.get(f"{source}_rights_signals") or ()
        signals += [f"{source}:{signal}" for signal in of_source]
    return signals


def _laion_licence(sources: Sources) -> str:
    # As in LAION, ? stands for no Creative Commons licence.
    licence: str = sources.get("licence") or ""
    return licence if "//creativecommons.org/" in licence.lower() else "?"


COLUMNS: tuple[Column, ...] = (
    Column(
        "SAMPLE_ID",
        pa.int64(),
        "",
        "publish",
        "fingerprint",
        "the first 63 bits of `key`",
        _sample_id,
    ),
    Column(
        "URL",
        pa.string(),
        "",
        "extract",
        "address",
        "image URL as the page gave it, made absolute",
        _copy("url"),
    ),
    Column(
        "TEXT",
        pa.string(),
        "",
        "extract",
        "words",
        "caption: the alt text, cleaned and redacted",
        _copy("text"),
    ),
    Column(
        "HEIGHT",
        pa.int32(),
        "pixels",
        "score",
        "neutral",
        "height of the picture, upright",
        _copy("height"),
    ),
    Column(
        "WIDTH",
        pa.int32(),
        "pixels",
        "score",
        "neutral",
        "width of the picture, upright",
        _copy("width"),
    ),
    Column(
        "LICENSE",
        pa.string(),
        "",
        "licence",
        "neutral",
        "Creative Commons URL that the page names for the image, or ?",
        _laion_licence,
    ),
    Column(
        "NSFW",
        pa.string(),
        "",
        "nsfw_head",
        "sensitive",
        "UNLIKELY, UNSURE or NSFW by `punsafe`; empty where no head judged it",
        _copy("nsfw"),
    ),
    Column(
        "similarity",
        pa.float64(),
        "cosine",
        "score",
        "neutral",
        "of picture and caption under `model`",
        _copy("similarity"),
    ),
    Column(
        "hash",
        pa.int64(),
        "",
        "publish",
        "fingerprint",
        "LAION-5B's hash: mmh3.hash64(URL + TEXT)[0]",
        _hash,
    ),
    Column(
        "LANGUAGE",
        pa.string(),
        "",
        "extract",
        "neutral",
        "CLD3's code for the caption; empty where not reliable",
        _copy("language"),
    ),
    Column(
        "punsafe",
        pa.float32(),
        "0 to 1",
        "nsfw_head",
        "sensitive",
        "chance that the picture is unsafe, by a head on its embedding; empty without one",
        _copy("punsafe"),
    ),
    Column(
        "AESTHETIC_SCORE",
        pa.float64(),
        "about 1 to 10",
        "aesthetic_head",
        "neutral",
        "how much it is liked, by a head; empty without one",
        _copy("aesthetic_score"),
    ),
    Column(
        "key",
        pa.string(),
        "",
        "extract",
        "fingerprint",
        "identity of the pair, 128 bits in hex",
        lambda s: s["public_key"].hex(),
    ),
    Column(
        "tags",
        pa.list_(pa.string()),
        "",
        "publish",
        "sensitive",
        "reasons of rules that redacted or tagged the pair",
        lambda s: list(s["tags"]),
    ),
    Column(
        "licence_url",
        pa.string(),
        "",
        "licence",
        "neutral",
        "any licence that is named for the image, Creative Commons or not",
        _licence_url,
    ),
    Column(
        "licence_kind",
        pa.string(),
        "",
        "licence",
        "neutral",
        "what that URL names: cc-by-4.0, cc0-1.0, public-domain, other",
        _licence_kind,
    ),
    Column(
        "licence_scope",
        pa.string(),
        "",
        "licence",
        "neutral",
        "what that licence was said of: image (JSON-LD), figure or page; xmp: the picture's file "
        "says it",
        _licence_scope,
    ),
    Column(
        "rights_signals",
        pa.list_(pa.string()),
        "",
        "page_rights",
        "neutral",
        "opt-outs that were found, as source:signal; source is page, response, picture or c2pa",
        _rights_signals,
    ),
    Column(
        "face_count",
        pa.int32(),
        "faces",
        "faces",
        "sensitive",
        "how many are in the picture, whoever they are; empty where no detector looked",
        _copy("face_count"),
    ),
    Column(
        "medical_picture_score",
        pa.float32(),
        "0 to 1",
        "medical_picture",
        "sensitive",
        "share of medical prompts among CLIP prompts",
        _copy("medical_picture_score"),
    ),
    Column(
        "page_source",
        pa.string(),
        "",
        "extract",
        "neutral",
        "what was seen of the page: warc (all), wat (a part) or none",
        _copy("page_source"),
    ),
    Column(
        "page_url",
        pa.string(),
        "",
        "extract",
        "address",
        "page on which the image stands",
        _copy("page_url"),
    ),
    Column(
        "image_attribute",
        pa.string(),
        "",
        "extract",
        "neutral",
        "what named the image: src, srcset, picture, lazy; empty where no page was seen",
        _copy("image_attribute"),
    ),
    Column(
        "caption_source",
        pa.string(),
        "",
        "extract",
        "neutral",
        "where the caption stood: alt, title, aria-label or figcaption; empty without a page",
        _copy("caption_source"),
    ),
    Column(
        "warc_file",
        pa.string(),
        "",
        "extract",
        "neutral",
        "file that holds the page, or the row of the dataset that it came from",
        _copy("public_warc_file"),
    ),
    Column(
        "record_offset",
        pa.int64(),
        "bytes",
        "extract",
        "neutral",
        "where the page's record begins, or the number of the row",
        _copy("record_offset"),
    ),
    Column(
        "record_id",
        pa.string(),
        "",
        "extract",
        "neutral",
        "WARC-Record-ID of the page, or the row's own identifier",
        _copy("record_id"),
    ),
    Column(
        "payload_digest",
        pa.string(),
        "",
        "extract",
        "fingerprint",
        "WARC-Payload-Digest of the page",
        _copy("payload_digest"),
    ),
    Column(
        "crawl_time",
        pa.string(),
        "ISO 8601 UTC",
        "extract",
        "neutral",
        "when the page was crawled",
        _copy("crawl_time"),
    ),
    Column(
        "final_url",
        pa.string(),
        "",
        "fetch",
        "address",
        "image URL after redirects",
        _copy("final_url"),
    ),
    Column(
        "fetched_at",
        pa.string(),
        "ISO 8601 UTC",
        "fetch",
        "neutral",
        "when the image was fetched (or crawled)",
        _copy("fetched_at"),
    ),
    Column(
        "http_status",
        pa.int32(),
        "",
        "fetch",
        "neutral",
        "HTTP status of the image",
        _copy("http_status"),
    ),
    Column(
        "content_type",
        pa.string(),
        "",
        "fetch",
        "neutral",
        "Content-Type of the image as served",
        _copy("content_type"),
    ),
    Column(
        "size_bytes",
        pa.int64(),
        "bytes",
        "fetch",
        "neutral",
        "size of the image as served",
        _copy("size_bytes"),
    ),
    Column(
        "format", pa.string(), "", "score", "neutral", "image format by content", _copy("format")
    ),
    Column(
        "sha256", pa.string(), "hex", "fetch", "fingerprint", "of the image bytes", _copy("sha256")
    ),
    Column("md5", pa.string(), "hex", "fetch", "fingerprint", "of the image bytes", _copy("md5")),
    Column(
        "pdq",
        pa.string(),
        "hex",
        "picture_hash",
        "fingerprint",
        "perceptual hash of the picture; empty where no detector made one",
        _copy("pdq"),
    ),
    Column(
        "model",
        pa.string(),
        "",
        "score",
        "neutral",
        "architecture@weights of the CLIP model",
        _copy("model"),
    ),
)

LAION_COLUMNS = 12
"""How many of COLUMNS are LAION's own. They are the first."""

EMBEDDING = Column(
    "embedding",
    pa.list_(pa.float16()),
    "",
    "score",
    "fingerprint",
    "the picture's vector under `model`, of length 1",
    lambda s: s["vector"],
)
"""The last column, if `publish.embeddings` is `column`."""

ROW_SCHEMA = pa.schema([(column.name, column.type) for column in COLUMNS])


def with_embedding(schema: pa.Schema) -> pa.Schema:
    """A schema with the column of the picture's vector behind its own."""
    return schema.append(pa.field(EMBEDDING.name, EMBEDDING.type))


def published_columns(names: Collection[str]) -> list[Column]:
    """The columns that a dataset has, of those that are known here, in their order here."""
    return [column for column in (*COLUMNS, EMBEDDING) if column.name in names]


def row_of(sources: Sources) -> tuple[Any, ...]:
    """A published row: the cells of a sample, in the order of COLUMNS."""
    return tuple(column.value(sources) for column in COLUMNS)
