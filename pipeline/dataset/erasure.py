"""Erase rows from a finished dataset: find them, write the next version, and search again.

1. `find` searches every shard for the rows that the requests name.
2. Tombstones are written first: a crash after that point lets nothing come back.
3. Shards that hold matches are written without them, beside the present version.
4. The next version replaces the present one (`pipeline/dataset/writer.py` survives a crash there).
5. The dataset is searched again. Nothing may match.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.copies.erased import TOKENS
from pairsieve.erasure import feed as feeds
from pairsieve.erasure.decisions import RowCount, RowCounts
from pairsieve.erasure.match import COLUMNS, Hits, Matcher
from pairsieve.erasure.requests import Request
from pairsieve.erasure.tombstones import (
    RECIPIENTS,
    Key,
    make_keys,
    read_tombstones,
    recipients_key,
    write_tombstones,
)
from pairsieve.images.pdq import orientations
from pairsieve.records.foreign import as_ours
from pairsieve.records.manifest import MANIFEST, ListedErasure, ListedFile, Manifest
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.records.row import KEY
from pairsieve.storage import files
from pairsieve.storage.lock import Lock
from pairsieve.storage.marked import mark
from pairsieve.storage.names import lies_in
from pairsieve.storage.shards import DELTAS, read_listed, shard_bytes, shard_paths
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.writer import COMMIT, STAGING, alone_in, only_writer, recover

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

STATUS = "status.json"
PICTURE_COLUMNS = ("URL", "final_url", "sha256", "md5", *PDQ_COLUMNS)
"""Columns by which the picture of an erased row is recognised in a later crawl."""
MAX_REQUESTS_SHOWN = 50
_TOMBSTONES_INSIDE = (
    "the tombstones would lie in the dataset ({}); they are confidential: name another folder"
)


class ErasureIncomplete(RuntimeError):
    """Rows that should be gone were found again after the erasure."""


@dataclass
class Findings:
    """The rows that requests are about.

    `rows`: shard -> numbers of its rows. `rows_of` and `shards_of`: number of the request -> how
    many rows and shards it matches. `ids`: the TOKENS of each row. `pictures`: PICTURE_COLUMNS of
    rows that a request shows the picture of. `missing`: columns that no shard has. `version`: the
    version of the dataset.
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
    """Find the rows that requests are about, and change nothing. Raises NoSuchDataset."""
    manifest = read_manifest(dataset)
    findings = Findings(version=manifest.version)
    missing_in_shards = []
    for path, table, matches in _search_shards(dataset, manifest, requests):
        missing_in_shards.append(set(COLUMNS) - set(table.column_names))
        if matches:
            _add_matches(findings, path, table, matches, requests)
    if missing_in_shards:
        findings.missing = frozenset(set.intersection(*missing_in_shards))
    return findings


def count_rows(dataset: str, groups: Sequence[Sequence[Request]]) -> RowCounts:
    """Count the rows of groups of requests, such as those of a receipt. Raises NoSuchDataset.

    The dataset is read once, however many groups there are.
    """
    group_of = [number for number, group in enumerate(groups) for _ in group]
    requests = [request for group in groups for request in group]
    rows: Counter[int] = Counter()
    shards: Counter[int] = Counter()
    all_rows = all_shards = 0
    for _, _, matches in _search_shards(dataset, read_manifest(dataset), requests):
        groups_of_rows = [{group_of[number] for number in numbers} for numbers in matches.values()]
        for matched_groups in groups_of_rows:
            rows.update(matched_groups)
        shards.update(set().union(*groups_of_rows))
        all_rows += len(matches)
        all_shards += bool(matches)
    each = [RowCount(rows[number], shards[number]) for number in range(len(groups))]
    return RowCounts(each, RowCount(all_rows, all_shards))


def _search_shards(
    dataset: str, manifest: Manifest, requests: Sequence[Request]
) -> Iterator[tuple[str, pa.Table, Hits]]:
    """Yield path, table and matching rows of each shard."""
    matcher = Matcher(requests)
    for path in shard_paths(manifest):
        table = read_columns(files.join(dataset, path), (*COLUMNS, *TOKENS), manifest.columns)
        yield path, table, matcher.find(table)


def _add_matches(
    findings: Findings,
    path: str,
    table: pa.Table,
    matches: Mapping[int, set[int]],
    requests: Sequence[Request],
) -> None:
    """Add a shard's matches (row -> the numbers of the requests that match it) to the findings."""
    rows = sorted(matches)
    findings.rows[path] = rows
    for numbers in matches.values():
        findings.rows_of.update(numbers)
    findings.shards_of.update(set().union(*matches.values()))
    matched_values = table.take(pa.array(rows)).to_pylist()
    for row, values in zip(rows, matched_values, strict=True):
        findings.ids.append({name: values[name] for name in TOKENS if name in values})
        if any(requests[number].covers_copies for number in matches[row]):
            findings.pictures.append({name: values.get(name) for name in PICTURE_COLUMNS})


def read_columns(path: str, columns: Sequence[str], own_names: Mapping[str, str]) -> pa.Table:
    """Read those of the columns that a shard has; `own_names` maps ours to the dataset's."""
    with files.open_read(path) as stream:
        shard = pq.ParquetFile(stream)
        present = {}
        for name in columns:
            own_name = own_names.get(name, name)
            if own_name in shard.schema_arrow.names:
                present[name] = own_name
        table = shard.read(columns=list(present.values()))
    # A file gives columns in its own order: select before they are renamed.
    return as_ours(table.select(list(present.values())).rename_columns(list(present)))


def erase(dataset: str, requests: Sequence[Request], tombstones: str) -> Findings:
    """Take rows out, keep them out by tombstones, and search again.

    Raises NoSuchDataset, NoTombstones, BadFeed, ErasureIncomplete, Damaged, InUse.
    """
    if lies_in(tombstones, dataset):
        raise NoSuchDataset(_TOMBSTONES_INSIDE.format(tombstones))
    # Without this check the lock would create the folder.
    if not files.exists(dataset):
        raise NoSuchDataset(
            f"{dataset} holds no {MANIFEST}; give the output directory of a finished run"
        )
    with only_writer(dataset) as lock, alone_in(tombstones):
        _check_feed(dataset, tombstones)
        findings = find(dataset, requests)
        make_keys(tombstones)
        # Also without a match: a later crawl may have what the dataset does not have now.
        _write_tombstones(tombstones, findings, requests)
        if findings.number:
            _replace_dataset(dataset, findings, len(requests), tombstones, lock)
        _check_erased(dataset, requests)
        findings.version = read_manifest(dataset).version
        _write_status(tombstones, findings, requests)
    return findings


def rows_where(
    dataset: str, columns: Sequence[str], choose: Callable[[pa.Table], Sequence[int]]
) -> Findings:
    """The rows that a function chooses from each shard's `columns`. Raises NoSuchDataset."""
    manifest = read_manifest(dataset)
    findings = Findings(version=manifest.version)
    for path in shard_paths(manifest):
        names = dict.fromkeys((*columns, *TOKENS))
        table = read_columns(files.join(dataset, path), tuple(names), manifest.columns)
        rows = list(choose(table))
        if rows:
            findings.rows[path] = rows
            ids = table.take(pa.array(rows)).to_pylist()
            findings.ids += [{name: row[name] for name in TOKENS if name in row} for row in ids]
    return findings


@dataclass(frozen=True)
class Beside:
    """What is put in place together with a version: `files` (path -> content) of the dataset.

    `entry` is added to the version's entry in the manifest.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    entry: Mapping[str, Any] = field(default_factory=dict)


NOTHING_BESIDE = Beside()


def take_out(
    dataset: str,
    findings: Findings,
    stay_out: Sequence[Request],
    tombstones: str,
    beside: Beside,
    lock: Lock,
) -> None:
    """Take out rows that nobody has asked for, by the same commit as an erasure.

    The caller holds the dataset's `lock`. `stay_out` are places that later runs leave out; the
    pictures of the rows may come back from other places. Without a row only the files beside are
    put in place. Raises NoSuchDataset, NoTombstones, BadFeed, Damaged, InUse.
    """
    if not findings.number:
        moved = _stage_files(dataset, beside)
        lock.check()
        _put_in_place(dataset, moved)
        return
    if lies_in(tombstones, dataset):
        raise NoSuchDataset(_TOMBSTONES_INSIDE.format(tombstones))
    with alone_in(tombstones):
        _check_feed(dataset, tombstones)
        make_keys(tombstones)
        write_tombstones(tombstones, read_tombstones(tombstones).adding(stay_out, []))
        moved = _stage(dataset, findings, _record(tombstones, 0), beside)
        lock.check()
        _put_in_place(dataset, moved)


def _check_feed(dataset: str, tombstones: str) -> None:
    """Raise BadFeed where no entry can be added to the feed, before anything is changed."""
    path = files.join(dataset, DELTAS, feeds.FEED)
    if not files.exists(path):
        return
    try:
        for name in (feeds.SIGNING_KEY, RECIPIENTS):
            # They are made where they are missing, and then do not fit.
            if not files.exists(files.join(tombstones, name)):
                raise feeds.BadFeed(f"{name} is not in {tombstones}")
        key = feeds.public_text(feeds.signing_key(tombstones))
        entries = feeds.read_feed(files.read_text(path), key)
        feeds.check_tokens_key(entries, recipients_key(tombstones))
    except feeds.BadFeed as error:
        raise feeds.BadFeed(
            f"{path}: {error}. Nothing was changed. Put {feeds.SIGNING_KEY} and {RECIPIENTS} back "
            f"into {tombstones}, or get the feed back from a copy; without either move the feed "
            "away: a new one begins, under new keys, which those who hold copies must get"
        ) from None


def _write_tombstones(folder: str, findings: Findings, requests: Sequence[Request]) -> None:
    """Add what was asked for, and the pictures it led to, in all their orientations."""
    pictures = [_with_orientations(picture) for picture in findings.pictures]
    write_tombstones(folder, read_tombstones(folder).adding(requests, pictures))


def _with_orientations(picture: dict[str, Any]) -> dict[str, Any]:
    hashes: list[str] = []
    for name in PDQ_COLUMNS:
        if picture[name]:
            hashes += [bits.hex() for bits in orientations(bytes.fromhex(picture[name]))]
    return {**picture, "orientations": hashes}


def _replace_dataset(
    dataset: str, findings: Findings, requests: int, tombstones: str, lock: Lock
) -> None:
    """Write the next version beside the present one, and put it in place."""
    moved = _stage(dataset, findings, _record(tombstones, requests), NOTHING_BESIDE)
    lock.check()
    _put_in_place(dataset, moved)


def _record(tombstones: str, requests: int) -> ErasureRecord:
    """What is published of an erasure under the keys of a folder; they are made if missing."""
    newest = read_tombstones(tombstones).keys[0]
    had_key = files.exists(files.join(tombstones, RECIPIENTS))
    keys = RecipientsKeys(recipients_key(tombstones), feeds.signing_key(tombstones), had_key)
    return ErasureRecord(keys, newest.id, requests)


def _put_in_place(dataset: str, moved: Sequence[str]) -> None:
    """Commit what was staged."""
    # From this file on the next version counts: a later command would finish the move.
    files.write_text(files.join(dataset, STAGING, COMMIT), json.dumps(moved) + "\n")
    recover(dataset)


def _check_erased(dataset: str, requests: Sequence[Request]) -> None:
    """Search again. Raises ErasureIncomplete where anything matches."""
    left = find(dataset, requests)
    if left.number:
        raise ErasureIncomplete(
            f"{left.number} rows in {len(left.rows)} shards were found again; do not publish this "
            "version"
        )


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

    def delta(self, ids: Sequence[Mapping[str, Any]]) -> pa.Table:
        """What the erased rows are known by, as tokens.

        Plain ids would tell whoever has the crawl which pairs were erased: they could compute the
        ids of all pairs themselves.
        """
        names = [name for name in TOKENS if any(name in row for row in ids)]
        rows = [{name: self._token(name, row.get(name)) for name in names} for row in ids]
        rows.sort(key=lambda row: [token or "" for token in row.values()])
        return pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names]))

    def _token(self, name: str, value: Any) -> str | None:
        # Rows without a value must not share a token: a recipient would drop all of them.
        return None if value is None else self.keys.tokens.token(name, str(value))


def _stage_files(dataset: str, beside: Beside) -> list[str]:
    """Write files beside the present version, which stays the same otherwise."""
    manifest = read_manifest(dataset)
    staging = files.join(dataset, STAGING)
    mark(staging)
    listed = {**manifest.by_path, **_put_beside(staging, beside)}
    next_manifest = replace(manifest, files=tuple(listed.values()))
    files.write_text(files.join(staging, MANIFEST), next_manifest.text())
    return list(beside.files)


def _put_beside(staging: str, beside: Beside) -> dict[str, ListedFile]:
    return {path: put(staging, path, content, 0) for path, content in beside.files.items()}


def _stage(dataset: str, findings: Findings, record: ErasureRecord, beside: Beside) -> list[str]:
    """Write what is new in the next version beside the present one.

    Returns the paths of its files without the manifest. Raises Damaged.
    """
    manifest = read_manifest(dataset)
    staging = files.join(dataset, STAGING)
    mark(staging)
    listed = manifest.by_path
    for path, rows in findings.rows.items():
        for name, content, number in _files_without_rows(dataset, path, rows, listed):
            listed[name] = put(staging, name, content, number)
    version = manifest.version + 1
    delta_path = f"{DELTAS}/delta-{version:05d}.parquet"
    delta = shard_bytes(record.delta(findings.ids))
    listed[delta_path] = put(staging, delta_path, delta, len(findings.ids))
    feed_path = f"{DELTAS}/{feeds.FEED}"
    feed = _feed_with(dataset, manifest, listed[delta_path], version, record.keys)
    listed[feed_path] = put(staging, feed_path, feed.encode(), len(feed.splitlines()))

    erasure = ListedErasure(
        version,
        record.requests,
        findings.number,
        len(findings.rows),
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
    rewritten = [*findings.rows, *_embedding_paths(findings.rows, listed)]
    return [*rewritten, delta_path, feed_path, *beside.files]


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
    for each in (*sorted(earlier, key=lambda each: each.path), delta):
        number = version if each is delta else _version_of(each.path)
        entry = feeds.Entry(
            sequence=len(entries) + 1,
            previous=entries[-1].digest if entries else feeds.NOTHING,
            dataset=manifest.name,
            version=number,
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
    return int(delta_path.rpartition("-")[2].removesuffix(".parquet"))


def _files_without_rows(
    dataset: str, path: str, rows: Sequence[int], listed: Mapping[str, ListedFile]
) -> Iterator[tuple[str, bytes, int]]:
    """A shard without some rows, then its embeddings without the same rows.

    Yields path, content and number of rows. Raises Damaged.
    """
    shard = pq.ParquetFile(pa.BufferReader(read_listed(dataset, listed[path])))
    groups = shard.metadata.num_row_groups
    # The new shard is sorted only where the present one says that it is.
    is_sorted = bool(groups and shard.metadata.row_group(0).sorting_columns)
    table = shard.read()
    stays = np.ones(table.num_rows, bool)
    stays[list(rows)] = False
    number = int(stays.sum())
    yield path, shard_bytes(table.filter(pa.array(stays)), KEY if is_sorted else None), number
    for name in _embedding_paths([path], listed):
        vectors = np.load(io.BytesIO(read_listed(dataset, listed[name])))
        buffer = io.BytesIO()
        np.save(buffer, vectors[stays])
        yield name, buffer.getvalue(), number


def _embedding_paths(shards: Iterable[str], listed: Mapping[str, ListedFile]) -> list[str]:
    """The listed files of vectors that belong to shards, row by row.

    `embeddings/en/part-....npy` belongs to `dataset/en/part-....parquet`.
    """
    paths = []
    for shard in shards:
        stem = shard.replace("dataset/", "embeddings/", 1).removesuffix(".parquet")
        paths.append(f"{stem}.npy")
    return [path for path in paths if path in listed]


def put(folder: str, path: str, content: bytes, rows: int) -> ListedFile:
    """Write a file below a folder, and return its entry for a manifest."""
    with files.open_whole(files.join(folder, path)) as stream:
        stream.write(content)
    return ListedFile(path, rows, len(content), hashlib.sha256(content).hexdigest())


def _write_status(tombstones: str, findings: Findings, requests: Sequence[Request]) -> None:
    """Add the outcome of each request under its receipt, and nothing of what it was about."""
    earlier = _read_status(tombstones)["requests"]
    outcomes = []
    for number, request in enumerate(requests):
        outcomes.append(
            {
                "receipt": request.receipt,
                "kind": request.kind,
                "rows": findings.rows_of[number],
                "shards": findings.shards_of[number],
                "version": findings.version,
            }
        )
    content = {
        "requests": [*earlier, *outcomes],
        "last_verification": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": findings.version,
    }
    path = files.join(tombstones, STATUS)
    files.write_private(path, json.dumps(content, indent=1) + "\n")


def _read_status(tombstones: str) -> dict[str, Any]:
    path = files.join(tombstones, STATUS)
    if not files.exists(path):
        return {"requests": [], "last_verification": "never"}
    content: dict[str, Any] = json.loads(files.read_text(path))
    return content


def status(dataset: str, tombstones: str) -> str:
    """Requests, rows, shards and the last verification, as text.

    Raises NoSuchDataset, NoTombstones.
    """
    manifest = read_manifest(dataset)
    stones = read_tombstones(tombstones)
    history = _read_status(tombstones)
    rows = sum(erasure.rows for erasure in manifest.erasures)
    shards = sum(erasure.shards for erasure in manifest.erasures)
    tokens = sum(map(len, stones.tokens.values()))
    lines = [
        f"version {manifest.version} of {manifest.name or dataset}",
        f"{len(history['requests'])} requests, {rows} rows taken out of {shards} shards",
        f"{tokens} tombstones under {len(stones.tokens)} keys, {len(stones.pdq)} perceptual hashes",
        f"last verification {history['last_verification']}",
    ]
    public_key = files.join(tombstones, feeds.PUBLIC_KEY)
    if files.exists(public_key):
        lines.append(f"public key of the feed {files.read_text(public_key).strip()}")
    return "\n".join(lines) + "\n"


def summary(findings: Findings, requests: Sequence[Request], what_happened: str) -> str:
    """The findings as text: one line a request, and a last line for scripts."""
    lines = [f"{'request':<10}{'kind':<12}{'rows':>9}{'shards':>8}  receipt"]
    for number, request in enumerate(requests[:MAX_REQUESTS_SHOWN]):
        counts = f"{findings.rows_of[number]:>9}{findings.shards_of[number]:>8}"
        line = f"{number + 1:<10}{request.kind:<12}{counts}  {request.receipt}"
        lines.append(line.rstrip())
    if len(requests) > MAX_REQUESTS_SHOWN:
        lines.append(f"... and {len(requests) - MAX_REQUESTS_SHOWN} more")
    # Copies and datasets of others may lack columns: say which requests cannot be answered.
    unsearched = sorted(findings.missing & {"sha256", "md5", "pdq", "page_url"})
    if unsearched:
        lines.append(
            f"the dataset has no {', '.join(unsearched)}: requests by these find nothing in it"
        )
    lines.append(
        f"{findings.number} rows in {len(findings.rows)} shards {what_happened}; "
        f"version {findings.version}"
    )
    return "\n".join(lines) + "\n"
