"""A pair: one image URL with one caption, and the page evidence that came with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from operator import attrgetter

import pyarrow as pa

from pairsieve.records.packed import pack, unpack
from pairsieve.records.page import PageSource

Evidence = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PerImage:
    """Page evidence that is not the same for all images of the page: by the position of an image,
    else `default`.
    """

    by_position: Mapping[int, object]
    default: object


def evidence_of_image(evidence: Evidence, position: int) -> Evidence:
    """What a page's evidence says of one of its images; the evidence itself where it says the same
    of all.
    """
    if not any(isinstance(value, PerImage) for value in evidence.values()):
        return evidence
    return {
        name: value.by_position.get(position, value.default)
        if isinstance(value, PerImage)
        else value
        for name, value in evidence.items()
    }


@dataclass(frozen=True, slots=True)
class Pair:
    """One `<img>`: `position` counts the images of its page from 0; `evidence` holds the page
    detectors' columns; `image_attribute` says what named the image (src, srcset, picture, lazy;
    empty where no page was read); `page_source` says what is known of the page: all of it (warc),
    what a WAT tells (wat), or nothing (none).
    """

    key: bytes
    url: str
    caption: str
    subset: str
    language: str
    page_url: str
    warc_file: str
    record_offset: int
    payload_digest: str
    crawl_time: str
    position: int
    evidence: Evidence
    image_attribute: str = "src"
    record_id: str = ""
    page_source: PageSource = "warc"


PAIR_SCHEMA = pa.schema(
    [
        ("key", pa.binary(16)),
        ("url", pa.string()),
        ("caption", pa.string()),
        ("subset", pa.string()),
        ("language", pa.string()),
        ("page_url", pa.string()),
        ("warc_file", pa.string()),
        ("record_offset", pa.int64()),
        ("payload_digest", pa.string()),
        ("crawl_time", pa.string()),
        ("position", pa.int32()),
        ("image_attribute", pa.string()),
        ("record_id", pa.string()),
        ("page_source", pa.string()),
    ]
)


def key_of(url: str, caption: str) -> bytes:
    """The identity of a pair: 16 bytes of BLAKE2b over URL and caption, the lengths kept apart by a
    NUL.
    """
    return blake2b(f"{url}\0{caption}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


_FIELDS = attrgetter(*(f.name for f in fields(Pair)))


def pack_pairs(pairs: Iterable[Pair]) -> bytes:
    """Pairs as they go through a shuffle: those of a page share most of what they hold, so that
    some 100 bytes a pair do.
    """
    return pack(map(_FIELDS, pairs))


def unpack_pairs(packed: bytes) -> Iterator[Pair]:
    """What `pack_pairs` packed."""
    return (Pair(*values) for values in unpack(packed))
