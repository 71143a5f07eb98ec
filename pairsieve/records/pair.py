"""A pair: an image URL and a caption, with the evidence of its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from operator import attrgetter

import pyarrow as pa

from pairsieve.records.packed import pack_rows, unpack_rows
from pairsieve.records.page import PageSource

Evidence = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PerImage:
    """Page evidence that differs between the images of a page.

    `by_position` is position of an image -> value. All other images have the value `default`.
    """

    by_position: Mapping[int, object]
    default: object


def evidence_of_image(evidence: Evidence, position: int) -> Evidence:
    """The evidence of one image of a page, from the evidence of the page."""
    # Most pages say the same of all images. Then their pairs share one mapping.
    if not any(isinstance(value, PerImage) for value in evidence.values()):
        return evidence
    of_image = dict(evidence)
    for name, value in evidence.items():
        if isinstance(value, PerImage):
            of_image[name] = value.by_position.get(position, value.default)
    return of_image


@dataclass(frozen=True, slots=True)
class PerCaption:
    """Picture evidence that depends on the caption as well: a function of the caption.

    Only its values are stored. So a detector may compare a caption with what it read in a picture,
    and what it read is gone when the picture has been scored.
    """

    of: Callable[[str], object]


def evidence_of_caption(evidence: Evidence, caption: str) -> Evidence:
    """The evidence of one pair of a picture, from the evidence of the picture."""
    # Most detectors do not look at captions. Then all pairs of a picture share one mapping.
    if not any(isinstance(value, PerCaption) for value in evidence.values()):
        return evidence
    return {
        name: value.of(caption) if isinstance(value, PerCaption) else value
        for name, value in evidence.items()
    }


@dataclass(frozen=True, slots=True)
class Pair:
    """The pair of one `<img>`.

    - `position`: the number of the image on its page, from 0.
    - `evidence`: the columns of page detectors.
    - `image_attribute`: what named the image: src, srcset, picture or lazy; empty if no page was
      read.
    - `caption_source`: where the caption stood: alt, title, aria-label or figcaption; empty if no
      page was read.
    - `page_source`: how much of the page was read: all of it (warc), what a WAT record holds (wat),
      or nothing (none).
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
    caption_source: str = "alt"


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
        ("caption_source", pa.string()),
    ]
)


def key_of(url: str, caption: str) -> bytes:
    """The key of a pair: 16 bytes of BLAKE2b over URL and caption, with a NUL between them."""
    content = f"{url}\0{caption}".encode("utf-8", "surrogatepass")
    return blake2b(content, digest_size=16).digest()


_FIELDS = attrgetter(*(f.name for f in fields(Pair)))


def pack_pairs(pairs: Iterable[Pair]) -> bytes:
    """Pack pairs into bytes, to pass a shuffle.

    The pairs of a page share most values, so that they need about 100 bytes each.
    """
    return pack_rows(map(_FIELDS, pairs))


def unpack_pairs(packed: bytes) -> Iterator[Pair]:
    """The pairs in bytes from `pack_pairs`."""
    return (Pair(*values) for values in unpack_rows(packed))
