"""Rows of any dataset in the form in which the index stores them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.records.foreign import as_ours
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.storage import openers
from pairsieve.web.pasted_addresses import alike_of
from pairsieve.web.places import address_key, hosts_of
from pairsieve.web.urls import registered_domain

SHOWN = (
    "URL", "TEXT", "WIDTH", "HEIGHT", "similarity", "LANGUAGE", "LICENSE", "licence_url",
    "licence_kind", "NSFW", "punsafe", "face_count",
    "medical_picture_score", "tags", "rights_signals", "page_url", "warc_file", "record_offset",
    "crawl_time", "fetched_at", "key",
    "sha256", *PDQ_COLUMNS, "model", "SAMPLE_ID", "uid",
)  # fmt: skip
"""Columns that search results show."""
READ = (*SHOWN, "final_url", "md5")
BATCH_ROWS = 10_000
FACE, MEDICAL, NUDITY, CHILDREN = "face", "medical", "nudity", "children"
NOT_JUDGED = "not_judged"
"""Marks of pictures that are shown only after a second click."""
# The shorter side in pixels: the first models were trained on 256 (LAION-400M), those of pictures
# on 1,024.
SIZES = ((256, "<256"), (1024, "256–1023"), (float("inf"), "≥1024"))
# A row without a tag is marked from this score on: half of the prompts' share, half of punsafe.
MARKED_FROM = 0.5
UNSAFE = ("NSFW", "UNSURE")


def batches(
    path: str, columns: Sequence[str], names: Mapping[str, str], rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Yield a shard's rows, with those of `columns` that it has, under our names.

    `rows` is the most of a batch. `names` maps our names to the dataset's own.
    """
    with openers.open_columns(path) as stream:
        shard = pq.ParquetFile(stream)
        present = set(shard.schema_arrow.names)
        our_names = [name for name in columns if names.get(name, name) in present]
        their_names = [names.get(name, name) for name in our_names]
        for batch in shard.iter_batches(rows, columns=their_names):
            arrays = [batch.column(name) for name in their_names]
            table = pa.Table.from_arrays(arrays, names=our_names)
            yield from as_ours(table).combine_chunks().to_batches()


def entry(row: Mapping[str, Any], subset: str) -> dict[str, Any]:
    """Return what the index stores of a row: its words, exact values, and what is shown of it."""
    url = row.get("URL") or ""
    final_url = row.get("final_url") or ""
    page = row.get("page_url") or ""
    # An image is found by the address on the page and by the one that it was redirected to.
    image_urls = _distinct(url, final_url)
    addresses = _distinct(url, final_url, page)
    hosts = {host for address in addresses for host in hosts_of(address)}
    image_keys = [address_key(address) for address in image_urls]
    page_keys = [address_key(page)] if page else []
    return {
        "similarity": row.get("similarity"),
        "caption": row.get("TEXT") or "",
        "address": " ".join(addresses),
        "image": image_keys,
        "page": page_keys,
        "image_alike": _distinct(*map(alike_of, image_keys)),
        "page_alike": [alike_of(key) for key in page_keys],
        "sha256": _values(row.get("sha256")),
        "md5": _values(row.get("md5")),
        "host": sorted(hosts),
        "domain": [registered_domain(url)] if url else [],
        "subset": _values(subset),
        "language": _values(row.get("LANGUAGE")),
        "licence": _values(row.get("licence_kind")),
        "size": _values(size_of(row)),
        "tag": list(row.get("tags") or ()),
        "mark": list(marks(row, subset)),
        "row": _shown(row, subset),
    }


def size_of(row: Mapping[str, Any]) -> str:
    """Return the range in which the shorter side of a row's picture lies; empty if not known."""
    shorter = min(row.get("WIDTH") or 0, row.get("HEIGHT") or 0)
    if shorter <= 0:
        return ""
    return next(name for below, name in SIZES if shorter < below)


def _distinct(*addresses: str) -> list[str]:
    """Return addresses in their order, without empty and repeated ones."""
    return list(dict.fromkeys(address for address in addresses if address))


def _values(value: object) -> list[str]:
    return [str(value)] if value else []


def _shown(row: Mapping[str, Any], subset: str) -> dict[str, Any]:
    """Return the cells that search results show."""
    cells = {name: row[name] for name in SHOWN if row.get(name) not in (None, [], "")}
    if subset:
        cells["subset"] = subset
    return cells


def marks(row: Mapping[str, Any], subset: str) -> Iterator[str]:
    """Yield the reasons why a picture is not shown at once.

    NOT_JUDGED where there is no other: nobody looked for faces in it, or what was found is private.
    """
    known = list(_known_marks(row, subset))
    if not known and row.get("face_count") is None:
        yield NOT_JUDGED
    yield from known


def _known_marks(row: Mapping[str, Any], subset: str) -> Iterator[str]:
    tags = row.get("tags") or ()
    if row.get("face_count"):
        yield FACE
    medical_score = row.get("medical_picture_score") or 0
    if subset == MEDICAL or medical_score >= MARKED_FROM or _has_tag(tags, MEDICAL):
        yield MEDICAL
    nudity_score = row.get("punsafe") or 0
    if row.get("NSFW") in UNSAFE or nudity_score >= MARKED_FROM or _has_tag(tags, NUDITY):
        yield NUDITY
    if _has_tag(tags, CHILDREN):
        yield CHILDREN


def _has_tag(tags: Sequence[str], prefix: str) -> bool:
    return any(tag.startswith(prefix) for tag in tags)
