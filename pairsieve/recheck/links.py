"""What is known of each published link from the times that it was asked again.

It is private, and lies in the work directory: one file for each bucket of hosts, with a digest in
place of each URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import pyarrow as pa

from pairsieve.storage import files
from pairsieve.storage.sealed import read_sealed, write_sealed

Outcome = Literal["same", "changed", "gone", "reserved", "unreachable", "not_asked"]
OUTCOMES: tuple[Outcome, ...] = ("same", "changed", "gone", "reserved", "unreachable", "not_asked")
"""What a link can turn out to be; pairsieve/recheck/outcome.py says when it is which."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it was at its latest answers. Times are ISO 8601 in UTC; empty where there is none.

    - `link_id`: `url_id` of its URL, and `final_id` that of the URL after redirects.
    - `round`: the recheck that wrote this, from 1.
    - `asked_at`: when it was asked last, `seen_at`: when it served its picture last.
    - `etag`, `last_modified`, `size_bytes`, `first_bytes`: of the picture that it serves
      (pairsieve/web/again.py).
    - `sha256`: of the picture that it serves; empty where that was never read.
    - `pdq_distance`: bits between that picture and the published one, of 256; None where they are
      the same, or one of them has no hash.
    - `gone_times`: in how many rechecks there was no picture, `gone_at`: when that was counted.
    - `unreachable_times`: how often in a row nothing answered, `unreachable_at`: when that was
      counted.
    - `reserved_since`, `changed_since`, `gone_since`: when that was seen first.
    - `reason`: why it is not the same (a status of the client), the latest one.
    - `moved`: it is served by another URL than when it was fetched.
    - `row_hashes`: how many different sha256 its rows have.
    """

    link_id: bytes
    final_id: bytes = b""
    round: int = 0
    asked_at: str = ""
    seen_at: str = ""
    etag: str = ""
    last_modified: str = ""
    size_bytes: int | None = None
    first_bytes: str = ""
    sha256: str = ""
    pdq_distance: int | None = None
    gone_times: int = 0
    gone_at: str = ""
    gone_since: str = ""
    unreachable_times: int = 0
    unreachable_at: str = ""
    reserved_since: str = ""
    changed_since: str = ""
    reason: str = ""
    moved: bool = False
    row_hashes: int = 1


LINK_SCHEMA = pa.schema(
    [
        ("link_id", pa.binary(16)),
        ("final_id", pa.binary()),
        ("round", pa.int32()),
        ("asked_at", pa.string()),
        ("seen_at", pa.string()),
        ("etag", pa.string()),
        ("last_modified", pa.string()),
        ("size_bytes", pa.int64()),
        ("first_bytes", pa.string()),
        ("sha256", pa.string()),
        ("pdq_distance", pa.int32()),
        ("gone_times", pa.int32()),
        ("gone_at", pa.string()),
        ("gone_since", pa.string()),
        ("unreachable_times", pa.int32()),
        ("unreachable_at", pa.string()),
        ("reserved_since", pa.string()),
        ("changed_since", pa.string()),
        ("reason", pa.string()),
        ("moved", pa.bool_()),
        ("row_hashes", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class AskedLink:
    """A link that is to be asked in this recheck, with what its rows say of it.

    `hashes` are the sha256 of its rows; all of them are of the published picture. `rows` is their
    number. `before` is what earlier rechecks know. With `whole` the whole picture is asked for.
    """

    url: str
    hashes: tuple[str, ...]
    size_bytes: int | None
    fetched_at: str
    pdq: str
    final_url: str
    rows: int
    whole: bool
    before: Link | None


ASKED_SCHEMA = pa.schema(
    [
        ("url", pa.string()),
        ("hashes", pa.list_(pa.string())),
        ("size_bytes", pa.int64()),
        ("fetched_at", pa.string()),
        ("pdq", pa.string()),
        ("final_url", pa.string()),
        ("rows", pa.int32()),
        ("whole", pa.bool_()),
        ("before", pa.struct(list(LINK_SCHEMA))),
    ]
)


@dataclass(frozen=True, slots=True)
class SeenLink:
    """The result of asking a link: `outcome` (pairsieve/recheck/outcome.py) and the reason for it.

    `link` is what is known from now on; None where nothing was learned. `fetched_at` and `rows` are
    those of the asked link.
    """

    outcome: str
    reason: str
    fetched_at: str
    rows: int
    link: Link | None


SEEN_SCHEMA = pa.schema(
    [
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("fetched_at", pa.string()),
        ("rows", pa.int32()),
        ("link", pa.struct(list(LINK_SCHEMA))),
    ]
)


def readable_sha256(cell: str | None) -> str:
    """The sha256 in a cell of a dataset, in small letters; empty where it is none.

    What is no hash would differ from the hash of every picture.
    """
    digits = (cell or "").lower()
    return digits if _SHA256.fullmatch(digits) else ""


def table_of(records: Iterable[Any], schema: pa.Schema) -> pa.Table:
    """A table with a row for each Link, AskedLink or SeenLink."""
    return pa.Table.from_pylist([asdict(record) for record in records], schema)


def links_in(table: pa.Table) -> list[Link]:
    """The links in a table that `table_of` made."""
    return [_link(row) for row in table.to_pylist()]


def asked_in(table: pa.Table) -> list[AskedLink]:
    """The asked links in a table that `table_of` made."""
    return [
        AskedLink(**{**row, "hashes": tuple(row["hashes"]), "before": _optional(row["before"])})
        for row in table.to_pylist()
    ]


def seen_in(table: pa.Table) -> list[SeenLink]:
    """The seen links in a table that `table_of` made."""
    return [SeenLink(**{**row, "link": _optional(row["link"])}) for row in table.to_pylist()]


def _optional(values: Mapping[str, Any] | None) -> Link | None:
    return None if values is None else _link(values)


_NAMES = tuple(each.name for each in fields(Link))


def _link(values: Mapping[str, Any]) -> Link:
    return Link(**{name: values[name] for name in _NAMES})


def bucket_path(folder: str, bucket: int) -> str:
    """The file with the links of a bucket of hosts."""
    return files.join(folder, f"links-{bucket:05d}.parquet")


def read_links(folder: str, bucket: int) -> dict[bytes, Link]:
    """Id -> link, of one bucket; empty where none was asked so far. Raises Damaged."""
    path = bucket_path(folder, bucket)
    if not files.exists(path):
        return {}
    return {link.link_id: link for link in links_in(read_sealed(path))}


def write_links(folder: str, bucket: int, links: Mapping[bytes, Link]) -> None:
    """Write the links of one bucket: all of them or none."""
    in_order = [links[link_id] for link_id in sorted(links)]
    write_sealed(bucket_path(folder, bucket), table_of(in_order, LINK_SCHEMA))


def merged(known: Mapping[bytes, Link], seen: Iterable[Link]) -> dict[bytes, Link]:
    """What is known, with what a recheck has seen. Merging the same again changes nothing."""
    links = dict(known)
    for link in seen:
        before = links.get(link.link_id)
        if before is None or before.round <= link.round:
            links[link.link_id] = link
    return links
