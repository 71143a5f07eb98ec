"""Rows of a dataset as the index takes them, whoever made the dataset: what is looked for, and what
is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.erasure.requests import hosts_of
from pairsieve.records.foreign import as_ours
from pairsieve.storage import files
from pairsieve.web.urls import address_key, registered_domain

SHOWN = (
    "URL", "TEXT", "WIDTH", "HEIGHT", "similarity", "LANGUAGE", "LICENSE", "licence_url",
    "licence_kind", "NSFW", "punsafe", "face_count",
    "medical_picture_score", "tags", "rights_signals", "page_url", "warc_file", "record_offset",
    "crawl_time", "fetched_at", "key",
    "sha256", "pdq", "model", "SAMPLE_ID", "uid",
)  # fmt: skip
READ = (*SHOWN, "final_url", "md5")
BATCH_ROWS = 10_000
FACE, MEDICAL, NUDITY = "face", "medical", "nudity"
"""Marks: pictures that are not shown before somebody asks twice."""
MEDICAL_FROM = 0.5  # where no rule has tagged: half of the prompts' share
UNSAFE = ("NSFW", "UNSURE")


def batches(
    path: str, columns: Sequence[str], names: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    """A shard's rows with those of the columns that it has, under our names; `names`: ours -> the
    dataset's own.
    """
    with files.open_read(path) as stream:
        shard = pq.ParquetFile(stream)
        there = {
            ours: names.get(ours, ours)
            for ours in columns
            if names.get(ours, ours) in shard.schema_arrow.names
        }
        for batch in shard.iter_batches(BATCH_ROWS, columns=list(there.values())):
            table = pa.Table.from_arrays(
                [batch.column(theirs) for theirs in there.values()], names=list(there)
            )
            yield from as_ours(table).combine_chunks().to_batches()


def entry(row: Mapping[str, Any], subset: str) -> dict[str, Any]:
    """A row's words, the exact values that it is found by, and what is shown of it."""
    url, page = row.get("URL") or "", row.get("page_url") or ""
    addresses = [address for address in (url, row.get("final_url"), page) if address]
    return {
        "similarity": row.get("similarity"),
        "caption": row.get("TEXT") or "",
        "address": " ".join(dict.fromkeys(addresses)),
        "image": [
            address_key(address)
            for address in dict.fromkeys((url, row.get("final_url") or url))
            if address
        ],
        "page": [address_key(page)] if page else [],
        "sha256": _value(row.get("sha256")),
        "md5": _value(row.get("md5")),
        "host": sorted({place for address in addresses for place in hosts_of(address)}),
        "domain": [registered_domain(url)] if url else [],
        "subset": [subset] if subset else [],
        "language": _value(row.get("LANGUAGE")),
        "licence": _value(row.get("licence_kind")),
        "tag": list(row.get("tags") or ()),
        "mark": list(marks(row, subset)),
        "row": {
            **{name: row[name] for name in SHOWN if row.get(name) not in (None, [], "")},
            **({"subset": subset} if subset else {}),
        },
    }


def _value(value: object) -> list[str]:
    return [str(value)] if value else []


def marks(row: Mapping[str, Any], subset: str) -> Iterator[str]:
    """Why a picture is not shown at once."""
    tags = row.get("tags") or ()
    if row.get("face_count"):
        yield FACE
    if (
        subset == MEDICAL
        or (row.get("medical_picture_score") or 0) >= MEDICAL_FROM
        or any(tag.startswith(MEDICAL) for tag in tags)
    ):
        yield MEDICAL
    if (
        row.get("NSFW") in UNSAFE
        or (row.get("punsafe") or 0) >= MEDICAL_FROM
        or any(tag.startswith(NUDITY) for tag in tags)
    ):
        yield NUDITY
