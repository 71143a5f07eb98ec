"""Published columns: each one once, with its type, its source and its meaning. LAION's names and
types come first.

LAION-400M and LAION-5B swapped WIDTH and HEIGHT; here they are what they say.
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
RIGHTS_SOURCES = ("page", "response", "picture", "c2pa")
Sources = Mapping[str, Any]
"""A sample's columns with `text` (the caption as published), `public_key` and `tags` beside them.
"""


@dataclass(frozen=True)
class Column:
    """One published column.

    `source`: the stage or the detector that it comes from. `value` takes it from a sample.
    """

    name: str
    type: pa.DataType
    unit: str
    source: str
    privacy: Privacy
    meaning: str
    value: Callable[[Sources], Any]


def _taken(name: str) -> Callable[[Sources], Any]:
    return lambda sources: sources.get(name)


def _sample_id(sources: Sources) -> int:
    return int.from_bytes(sources["public_key"][:8], "big") >> 1


def _hash(sources: Sources) -> int:
    return int(mmh3.hash64(sources["url"] + sources["text"])[0])


def _licence(sources: Sources) -> tuple[str | None, str | None]:
    """URL and scope: what the page says of the image, else what the picture's file says of
    itself.
    """
    if sources.get("licence"):
        return sources["licence"], sources.get("licence_scope")
    return (sources["picture_licence"], "xmp") if sources.get("picture_licence") else (None, None)


def _rights_signals(sources: Sources) -> list[str]:
    return [
        f"{source}:{signal}"
        for source in RIGHTS_SOURCES
        for signal in sources.get(f"{source}_rights_signals") or ()
    ]


def _laion_licence(sources: Sources) -> str:
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
        _taken("url"),
    ),
    Column(
        "TEXT",
        pa.string(),
        "",
        "extract",
        "words",
        "caption: the alt text, cleaned and redacted",
        _taken("text"),
    ),
    Column(
        "HEIGHT",
        pa.int32(),
        "pixels",
        "score",
        "neutral",
        "height of the picture, upright",
        _taken("height"),
    ),
    Column(
        "WIDTH",
        pa.int32(),
        "pixels",
        "score",
        "neutral",
        "width of the picture, upright",
        _taken("width"),
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
        _taken("nsfw"),
    ),
    Column(
        "similarity",
        pa.float64(),
        "cosine",
        "score",
        "neutral",
        "of picture and caption under `model`",
        _taken("similarity"),
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
        _taken("language"),
    ),
    Column(
        "punsafe",
        pa.float32(),
        "0 to 1",
        "nsfw_head",
        "sensitive",
        "chance that the picture is unsafe, by a head on its embedding; empty without one",
        _taken("punsafe"),
    ),
    Column(
        "AESTHETIC_SCORE",
        pa.float64(),
        "about 1 to 10",
        "aesthetic_head",
        "neutral",
        "how much it is liked, by a head; empty without one",
        _taken("aesthetic_score"),
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
        lambda s: _licence(s)[0],
    ),
    Column(
        "licence_kind",
        pa.string(),
        "",
        "licence",
        "neutral",
        "what that URL names: cc-by-4.0, cc0-1.0, public-domain, other",
        lambda s: licence_kind(_licence(s)[0]),
    ),
    Column(
        "licence_scope",
        pa.string(),
        "",
        "licence",
        "neutral",
        "what that licence was said of: image (JSON-LD), figure or page; xmp: the picture's file "
        "says it",
        lambda s: _licence(s)[1],
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
        _taken("face_count"),
    ),
    Column(
        "medical_picture_score",
        pa.float32(),
        "0 to 1",
        "medical_picture",
        "sensitive",
        "share of medical prompts among CLIP prompts",
        _taken("medical_picture_score"),
    ),
    Column(
        "page_source",
        pa.string(),
        "",
        "extract",
        "neutral",
        "what was seen of the page: warc (all), wat (a part) or none",
        _taken("page_source"),
    ),
    Column(
        "page_url",
        pa.string(),
        "",
        "extract",
        "address",
        "page on which the image stands",
        _taken("page_url"),
    ),
    Column(
        "image_attribute",
        pa.string(),
        "",
        "extract",
        "neutral",
        "what named the image: src, srcset, picture, lazy; empty where no page was seen",
        _taken("image_attribute"),
    ),
    Column(
        "warc_file",
        pa.string(),
        "",
        "extract",
        "neutral",
        "file that holds the page, or the row of the dataset that it came from",
        _taken("public_warc_file"),
    ),
    Column(
        "record_offset",
        pa.int64(),
        "bytes",
        "extract",
        "neutral",
        "where the page's record begins, or the number of the row",
        _taken("record_offset"),
    ),
    Column(
        "record_id",
        pa.string(),
        "",
        "extract",
        "neutral",
        "WARC-Record-ID of the page, or the row's own identifier",
        _taken("record_id"),
    ),
    Column(
        "payload_digest",
        pa.string(),
        "",
        "extract",
        "fingerprint",
        "WARC-Payload-Digest of the page",
        _taken("payload_digest"),
    ),
    Column(
        "crawl_time",
        pa.string(),
        "ISO 8601 UTC",
        "extract",
        "neutral",
        "when the page was crawled",
        _taken("crawl_time"),
    ),
    Column(
        "final_url",
        pa.string(),
        "",
        "fetch",
        "address",
        "image URL after redirects",
        _taken("final_url"),
    ),
    Column(
        "fetched_at",
        pa.string(),
        "ISO 8601 UTC",
        "fetch",
        "neutral",
        "when the image was fetched (or crawled)",
        _taken("fetched_at"),
    ),
    Column(
        "http_status",
        pa.int32(),
        "",
        "fetch",
        "neutral",
        "HTTP status of the image",
        _taken("http_status"),
    ),
    Column(
        "content_type",
        pa.string(),
        "",
        "fetch",
        "neutral",
        "Content-Type of the image as served",
        _taken("content_type"),
    ),
    Column(
        "size_bytes",
        pa.int64(),
        "bytes",
        "fetch",
        "neutral",
        "size of the image as served",
        _taken("size_bytes"),
    ),
    Column(
        "format", pa.string(), "", "score", "neutral", "image format by content", _taken("format")
    ),
    Column(
        "sha256", pa.string(), "hex", "fetch", "fingerprint", "of the image bytes", _taken("sha256")
    ),
    Column("md5", pa.string(), "hex", "fetch", "fingerprint", "of the image bytes", _taken("md5")),
    Column(
        "pdq",
        pa.string(),
        "hex",
        "picture_hash",
        "fingerprint",
        "perceptual hash of the picture; empty where no detector made one",
        _taken("pdq"),
    ),
    Column(
        "model",
        pa.string(),
        "",
        "score",
        "neutral",
        "architecture@weights of the CLIP model",
        _taken("model"),
    ),
)

LAION_COLUMNS = 12
"""So many of COLUMNS, the first ones, are LAION's own."""
EMBEDDING = Column(
    "embedding",
    pa.list_(pa.float16()),
    "",
    "score",
    "fingerprint",
    "the picture's vector under `model`, of length 1",
    lambda s: s["vector"],
)
"""Stands last, where `publish.embeddings` is `column`."""
ROW_SCHEMA = pa.schema([(column.name, column.type) for column in COLUMNS])


def with_embedding(schema: pa.Schema) -> pa.Schema:
    """The columns, and the picture's vector behind them."""
    return schema.append(pa.field(EMBEDDING.name, EMBEDDING.type))


def published_columns(names: Collection[str]) -> list[Column]:
    """What is known of a dataset's columns, in their order here."""
    return [column for column in (*COLUMNS, EMBEDDING) if column.name in names]


def row_of(sources: Sources) -> tuple[Any, ...]:
    """One published row, in the order of COLUMNS."""
    return tuple(column.value(sources) for column in COLUMNS)
