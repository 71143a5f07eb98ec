"""Writes the next version of a dataset beside the present one, and puts it in place.

The next version has shards without the rows that were found, a list of these rows as tokens (the
delta), an entry in the signed feed, and a new manifest.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from pairsieve.copies.erased import TOKENS
from pairsieve.erasure import feed as feeds
from pairsieve.erasure.tombstones import Key
from pairsieve.records.manifest import MANIFEST, ListedErasure, ListedFile, Manifest
from pairsieve.storage import files
from pairsieve.storage.marked import mark
from pairsieve.storage.shards import DELTAS, ROW_GROUP_ROWS, open_shard
from pipeline.dataset.found_rows import Findings
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.writer import COMMIT, STAGING, recover
from pipeline.orchestrate.erase_job import EraseJobs
from transforms.erase.found import FoundShard
from transforms.erase.rewrite import RewriteSettings, ShardToRewrite

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


TOKEN_BYTES = 16


@dataclass(frozen=True)
class Beside:
    """What is put in place together with a version: `files` (path -> content) of the dataset.

    `entry` is added to the version's entry in the manifest.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    entry: Mapping[str, Any] = field(default_factory=dict)


NOTHING_BESIDE = Beside()


@dataclass(frozen=True)
class RecipientsKeys:
    """What those who hold a copy rely on: `tokens` makes the tokens of row ids, `feed` signs.

    `reads_earlier`: the lists of earlier erasures are under this key too.
    """

    tokens: Key
    feed: Ed25519PrivateKey
    reads_earlier: bool


@dataclass(frozen=True)
class ErasureRecord:
    """What the next version publishes of an erasure.

    `key_id` is the id of the tombstones' newest secret. `requests` is how many there were.
    """

    keys: RecipientsKeys
    key_id: str
    requests: int

    def delta(self, findings: Findings) -> bytes:
        """The ids of the erased rows as tokens: a parquet file, sorted by all its columns.

        Plain ids would tell whoever has the crawl which pairs were erased: they could compute the
        ids of all pairs themselves.
        """
        pieces = [self._tokens_of(table) for table in findings.tables(TOKENS)]
        tokens = pa.concat_tables(pieces, promote_options="default")
        names = [name for name in TOKENS if name in tokens.column_names]
        order = [(name, "ascending", "at_start") for name in names]
        tokens = tokens.select(names).take(pc.sort_indices(tokens, sort_keys=order))
        buffer = io.BytesIO()
        with open_shard(buffer, pa.schema([(name, pa.string()) for name in names])) as writer:
            # In pieces: as text they take twice the memory.
            for batch in tokens.to_batches(ROW_GROUP_ROWS):
                writer.write_table(_as_text(batch))
        return buffer.getvalue()

    def _tokens_of(self, table: pa.Table) -> pa.Table:
        columns: dict[str, pa.Array] = {}
        for name in table.column_names:
            tokens = [self._token(name, value) for value in table[name].to_pylist()]
            columns[name] = pa.array(tokens, pa.binary(TOKEN_BYTES))
        return pa.table(columns)

    def _token(self, name: str, value: Any) -> bytes | None:
        # Rows without a value must not share a token: a recipient would drop all of them.
        if value is None:
            return None
        return bytes.fromhex(self.keys.tokens.token(name, str(value)))


def _as_text(tokens: pa.RecordBatch) -> pa.Table:
    """Tokens as hex digits."""
    columns: dict[str, pa.Array] = {}
    for name in tokens.schema.names:
        cells = tokens[name].to_pylist()
        digits = [None if token is None else token.hex() for token in cells]
        columns[name] = pa.array(digits, pa.string())
    return pa.table(columns)


def write_next_version(
    dataset: str, findings: Findings, record: ErasureRecord, beside: Beside, jobs: EraseJobs
) -> dict[str, str]:
    """Write what is new in the next version beside the present one.

    Returns the paths of its files without the manifest, and their paths in the staging folder.
    Raises JobFailed.
    """
    manifest = read_manifest(dataset)
    staging = files.join(dataset, STAGING)
    mark(staging)
    listed = manifest.by_path
    # A job that was given up may go on writing somewhere: each has a folder of its own.
    attempt = f"rewritten-{uuid4().hex}"
    settings = RewriteSettings(dataset, files.join(staging, attempt), findings.folder)
    rewritten = jobs.rewrite(_shards_to_rewrite(findings.found.shards, listed), settings)
    listed |= {each.path: each for each in rewritten}
    version = manifest.version + 1
    delta_path = f"{DELTAS}/delta-{version:05d}.parquet"
    listed[delta_path] = put(staging, delta_path, record.delta(findings), findings.number)
    feed_path = f"{DELTAS}/{feeds.FEED}"
    feed = _feed_with(dataset, manifest, listed[delta_path], version, record.keys)
    listed[feed_path] = put(staging, feed_path, feed.encode(), len(feed.splitlines()))

    erasure = ListedErasure(
        version,
        record.requests,
        findings.number,
        len(findings.paths),
        (record.key_id,),
        dict(beside.entry),
    )
    listed |= _put_beside(staging, beside)
    next_manifest = replace(
        manifest,
        version=version,
        erasures=(*manifest.erasures, erasure),
        files=tuple(listed.values()),
    )
    files.write_text(files.join(staging, MANIFEST), next_manifest.text())
    moved = {each.path: f"{attempt}/{each.path}" for each in rewritten}
    return moved | {path: path for path in (delta_path, feed_path, *beside.files)}


def _shards_to_rewrite(
    found: Iterable[FoundShard], listed: Mapping[str, ListedFile]
) -> list[ShardToRewrite]:
    """Shards, with the listed files of vectors that belong to them, row by row.

    `embeddings/en/part-....npy` belongs to `dataset/en/part-....parquet`.
    """
    shards = []
    for shard in found:
        stem = shard.path.replace("dataset/", "embeddings/", 1).removesuffix(".parquet")
        vectors = listed.get(f"{stem}.npy")
        beside = (vectors,) if vectors else ()
        shards.append(ShardToRewrite(listed[shard.path], shard.rows, beside))
    return shards


def _feed_with(
    dataset: str, manifest: Manifest, delta: ListedFile, version: int, keys: RecipientsKeys
) -> str:
    """The feed with an entry for an erasure. Raises BadFeed."""
    path = files.join(dataset, DELTAS, feeds.FEED)
    feed = files.read_text(path) if files.exists(path) else ""
    entries = list(feeds.read_feed(feed, feeds.public_text(keys.feed)))
    signed = {f"{DELTAS}/{entry.delta}" for entry in entries}
    # Versions before there was a feed have lists of their own, and get their entries now.
    deltas = manifest.below(f"{DELTAS}/delta-") if keys.reads_earlier else []
    earlier = [each for each in deltas if each.path not in signed]
    earlier.sort(key=lambda listed: listed.path)
    for each in (*earlier, delta):
        entry = feeds.Entry(
            sequence=len(entries) + 1,
            previous=entries[-1].digest if entries else feeds.NOTHING,
            dataset=manifest.name,
            version=version if each is delta else _version_of(each.path),
            delta=each.path.removeprefix(f"{DELTAS}/"),
            rows=each.rows,
            bytes=each.bytes,
            sha256=each.sha256,
            tokens_key=feeds.name_of(keys.tokens),
            made_on=datetime.now(UTC).date().isoformat(),
        )
        feed = feeds.with_entry(feed, entry, keys.feed)
        entries.append(entry)
    return feed


def _version_of(delta_path: str) -> int:
    """The version that a list of erased rows led to: 2 for `erasures/delta-00002.parquet`."""
    _, _, number = delta_path.removesuffix(".parquet").rpartition("-")
    return int(number)


def write_next_files(dataset: str, beside: Beside) -> dict[str, str]:
    """Write files beside the present version, which stays the same otherwise."""
    manifest = read_manifest(dataset)
    staging = files.join(dataset, STAGING)
    mark(staging)
    listed = {**manifest.by_path, **_put_beside(staging, beside)}
    next_manifest = replace(manifest, files=tuple(listed.values()))
    files.write_text(files.join(staging, MANIFEST), next_manifest.text())
    return {path: path for path in beside.files}


def _put_beside(staging: str, beside: Beside) -> dict[str, ListedFile]:
    return {path: put(staging, path, content, 0) for path, content in beside.files.items()}


def put(folder: str, path: str, content: bytes, rows: int) -> ListedFile:
    """Write a file below a folder, and return its entry for a manifest."""
    with files.open_whole(files.join(folder, path)) as stream:
        stream.write(content)
    return ListedFile(path, rows, len(content), hashlib.sha256(content).hexdigest())


def put_in_place(dataset: str, moved: Mapping[str, str]) -> None:
    """Commit what was staged: `moved` has the path of each file, and its path in the staging."""
    # From this file on the next version counts: a later command would finish the move.
    files.write_text(files.join(dataset, STAGING, COMMIT), json.dumps(moved) + "\n")
    recover(dataset)
