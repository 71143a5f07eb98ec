"""Erasure of a finished dataset: found, written anew beside it, put in place at one point, and
searched again.

pipeline/dataset/writer.py says how a crash is survived.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.erasure.match import COLUMNS, Matcher
from pairsieve.erasure.requests import Request
from pairsieve.erasure.tombstones import (
    Key,
    make_keys,
    read_tombstones,
    recipients_key,
    write_tombstones,
)
from pairsieve.images.pdq import orientations
from pairsieve.records.foreign import as_ours
from pairsieve.records.manifest import MANIFEST, ListedErasure, ListedFile
from pairsieve.records.row import KEY
from pairsieve.storage import files
from pairsieve.storage.lock import Lock
from pairsieve.storage.marked import mark
from pairsieve.storage.names import lies_in
from pairsieve.storage.shards import DELTAS, read_listed, shard_bytes, shard_paths
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.writer import COMMIT, STAGING, alone_in, only_writer, recover

STATUS = "status.json"
IDS = ("key", "SAMPLE_ID", "hash", "uid")  # by which recipients know a row
FOUND = ("URL", "final_url", "sha256", "md5", "pdq")


class ErasureIncomplete(RuntimeError):
    """The search found something again after it was taken out."""


@dataclass
class Findings:
    """What requests are about: rows by shard, and by request. `ids` and `pictures` of the rows that
    go.
    """

    rows: dict[str, list[int]] = field(default_factory=dict)
    rows_of: Counter[int] = field(default_factory=Counter)
    shards_of: Counter[int] = field(default_factory=Counter)
    ids: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    missing: frozenset[str] = frozenset()
    version: int = 0

    @property
    def number(self) -> int:
        """How many rows."""
        return sum(map(len, self.rows.values()))


def find(dataset: str, requests: Sequence[Request]) -> Findings:
    """The rows that requests are about; nothing is changed. Raises NoSuchDataset."""
    manifest = read_manifest(dataset)
    matcher, found = Matcher(requests), Findings(version=manifest.version)
    missing: set[str] | None = None
    for path in shard_paths(manifest):
        table = _read(files.join(dataset, path), (*COLUMNS, *IDS), manifest.columns)
        missing = (
            set(COLUMNS) - set(table.column_names)
            if missing is None
            else missing & (set(COLUMNS) - set(table.column_names))
        )
        hits = matcher.find(table)
        if hits:
            _note(found, path, table, hits, requests)
    found.missing = frozenset(missing or ())
    return found


def _note(
    found: Findings,
    path: str,
    table: pa.Table,
    hits: Mapping[int, set[int]],
    requests: Sequence[Request],
) -> None:
    rows = sorted(hits)
    found.rows[path] = rows
    found.rows_of.update(number for numbers in hits.values() for number in numbers)
    found.shards_of.update({number for numbers in hits.values() for number in numbers})
    for row, values in zip(rows, table.take(pa.array(rows)).to_pylist(), strict=True):
        found.ids.append({name: values[name] for name in IDS if name in values})
        if any(requests[number].is_about_picture for number in hits[row]):
            found.pictures.append({name: values.get(name) for name in FOUND})


def _read(path: str, columns: Sequence[str], names: Mapping[str, str]) -> pa.Table:
    """Those of the columns that a shard has; `names`: ours -> the dataset's own."""
    with files.open_read(path) as stream:
        shard = pq.ParquetFile(stream)
        there = {
            name: names.get(name, name)
            for name in dict.fromkeys(columns)
            if names.get(name, name) in shard.schema_arrow.names
        }
        return as_ours(
            shard.read(columns=list(there.values()))
            .select(list(there.values()))
            .rename_columns(list(there))
        )


def erase(dataset: str, requests: Sequence[Request], tombstones: str) -> Findings:
    """Take rows out, keep them out, and search again.

    Raises NoSuchDataset, NoTombstones, ErasureIncomplete.
    """
    if lies_in(tombstones, dataset):
        raise NoSuchDataset(
            f"the tombstones would lie in the dataset ({tombstones}); they are confidential: name "
            "another folder"
        )
    if not files.exists(dataset):
        raise NoSuchDataset(
            f"{dataset} holds no {MANIFEST}; give the output directory of a finished run"
        )
    with only_writer(dataset) as lock, alone_in(tombstones):
        found = find(dataset, requests)
        make_keys(tombstones)
        return _erase(dataset, requests, tombstones, found, lock)


def _erase(
    dataset: str, requests: Sequence[Request], tombstones: str, found: Findings, lock: Lock
) -> Findings:
    stones = read_tombstones(tombstones)
    pictures = [
        {**p, "orientations": [h.hex() for h in orientations(bytes.fromhex(p["pdq"]))]}
        if p["pdq"]
        else p
        for p in found.pictures
    ]
    write_tombstones(tombstones, stones.adding(requests, pictures))
    if found.number:
        said = Said(recipients_key(tombstones), [key.id for key in stones.keys][:1], len(requests))
        moved = _stage(dataset, found, said)
        lock.check()
        files.write_text(files.join(dataset, STAGING, COMMIT), json.dumps(moved) + "\n")
        recover(dataset)
    _verify(dataset, requests)
    found.version = read_manifest(dataset).version
    _write_status(tombstones, found, requests)
    return found


def _verify(dataset: str, requests: Sequence[Request]) -> None:
    left = find(dataset, requests)
    if left.number:
        raise ErasureIncomplete(
            f"{left.number} rows in {len(left.rows)} shards were found again; do not publish this "
            "version"
        )


@dataclass(frozen=True)
class Said:
    """What the next version says of an erasure: ids under a key, the ids of tombstones' keys, how
    many requests there were.
    """

    key: Key
    key_ids: Sequence[str]
    requests: int

    def delta(self, ids: Sequence[Mapping[str, Any]]) -> pa.Table:
        """The ids of rows that are gone, as tokens: whoever has the crawl could compute the ids
        themselves.
        """
        rows = (
            {name: self.key.token(name, str(value)) for name, value in row.items()} for row in ids
        )
        return pa.Table.from_pylist(sorted(rows, key=lambda row: list(row.values())))


def _stage(dataset: str, found: Findings, erasure: Said) -> list[str]:
    """Write all that is new in the next version beside the present one; its files but for the
    manifest.
    """
    manifest = read_manifest(dataset)
    staging = files.join(dataset, STAGING)
    mark(staging)
    version = manifest.version + 1
    listed = manifest.by_path
    for path, rows in found.rows.items():
        for name, content, number in _without(dataset, path, rows, listed):
            listed[name] = put(staging, name, content, number)
    delta = f"{DELTAS}/delta-{version:05d}.parquet"
    listed[delta] = put(staging, delta, shard_bytes(erasure.delta(found.ids)), len(found.ids))
    done = ListedErasure(
        version, erasure.requests, found.number, len(found.rows), tuple(erasure.key_ids)
    )
    following = replace(
        manifest,
        version=version,
        erasures=(*manifest.erasures, done),
        files=tuple(listed.values()),
    )
    files.write_text(files.join(staging, MANIFEST), following.text())
    return [*found.rows, *_embeddings(found.rows, listed), delta]


def _without(
    dataset: str, path: str, rows: Sequence[int], listed: Mapping[str, ListedFile]
) -> Iterator[tuple[str, bytes, int]]:
    """A shard without some rows, and its embeddings without the same. Raises Damaged."""
    shard = pq.ParquetFile(pa.BufferReader(read_listed(dataset, listed[path])))
    is_sorted = bool(shard.metadata.num_row_groups and shard.metadata.row_group(0).sorting_columns)
    table = shard.read()
    stays = np.ones(table.num_rows, bool)
    stays[list(rows)] = False
    yield (
        path,
        shard_bytes(table.filter(pa.array(stays)), KEY if is_sorted else None),
        int(stays.sum()),
    )
    for name in _embeddings([path], listed):
        vectors = np.load(io.BytesIO(read_listed(dataset, listed[name])))
        buffer = io.BytesIO()
        np.save(buffer, vectors[stays])
        yield name, buffer.getvalue(), int(stays.sum())


def _embeddings(paths: Iterable[str], listed: Mapping[str, ListedFile]) -> list[str]:
    """The files whose rows stand beside those of shards: `embeddings/en/part-....npy` beside
    `dataset/en/part-....parquet`.
    """
    beside = (
        path.replace("dataset/", "embeddings/", 1).removesuffix(".parquet") + ".npy"
        for path in paths
    )
    return [name for name in beside if name in listed]


def put(staging: str, path: str, content: bytes, rows: int) -> ListedFile:
    """Write a file below a folder, and give its entry for a manifest."""
    with files.open_whole(files.join(staging, path)) as stream:
        stream.write(content)
    return ListedFile(path, rows, len(content), hashlib.sha256(content).hexdigest())


def _write_status(tombstones: str, found: Findings, requests: Sequence[Request]) -> None:
    """What became of each request, by its receipt; nothing of what it was about."""
    path = files.join(tombstones, STATUS)
    before = json.loads(files.read_text(path)) if files.exists(path) else {"requests": []}
    said = [
        {
            "receipt": r.receipt,
            "kind": r.kind,
            "rows": found.rows_of[n],
            "shards": found.shards_of[n],
            "version": found.version,
        }
        for n, r in enumerate(requests)
    ]
    verified = datetime.now(UTC).isoformat(timespec="seconds")
    content = {
        "requests": [*before["requests"], *said],
        "last_verification": verified,
        "version": found.version,
    }
    files.write_private(path, json.dumps(content, indent=1) + "\n")


def status(dataset: str, tombstones: str) -> str:
    """Requests, rows, shards and the last verification, as text.

    Raises NoSuchDataset, NoTombstones.
    """
    manifest = read_manifest(dataset)
    stones = read_tombstones(tombstones)
    path = files.join(tombstones, STATUS)
    said = (
        json.loads(files.read_text(path))
        if files.exists(path)
        else {"requests": [], "last_verification": "never"}
    )
    rows = sum(erasure.rows for erasure in manifest.erasures)
    shards = sum(erasure.shards for erasure in manifest.erasures)
    lines = [
        f"version {manifest.version} of {manifest.name or dataset}",
        f"{len(said['requests'])} requests, {rows} rows taken out of {shards} shards",
        (
            f"{sum(map(len, stones.tokens.values()))} tombstones under {len(stones.tokens)} keys, "
            f"{len(stones.pdq)} perceptual hashes"
        ),
        f"last verification {said['last_verification']}",
    ]
    return "\n".join(lines) + "\n"


def told(found: Findings, requests: Sequence[Request], what: str) -> str:
    """What was found, a line a request that has anything to say, and a last line for scripts."""
    lines = [f"{'request':<10}{'kind':<12}{'rows':>9}{'shards':>8}  receipt"]
    for n, request in enumerate(requests[:MOST_TOLD]):
        numbers = f"{found.rows_of[n]:>9}{found.shards_of[n]:>8}"
        lines.append(f"{n + 1:<10}{request.kind:<12}{numbers}  {request.receipt}".rstrip())
    if len(requests) > MOST_TOLD:
        lines.append(f"... and {len(requests) - MOST_TOLD} more")
    unseen = sorted(found.missing & {"sha256", "md5", "pdq", "page_url"})
    if unseen:
        lines.append(
            f"the dataset has no {', '.join(unseen)}: requests by these find nothing in it"
        )
    lines.append(f"{found.number} rows in {len(found.rows)} shards {what}; version {found.version}")
    return "\n".join(lines) + "\n"


MOST_TOLD = 50
