"""Erase rows from a finished dataset: find them, write the next version, and search again.

1. `find` searches every shard for the rows that the requests name (a job).
2. Tombstones are written first: a crash after that point lets nothing come back.
3. Shards that hold matches are written without them, beside the present version (a job).
4. The next version replaces the present one (`pipeline/dataset/writer.py` survives a crash there).
5. The dataset is searched again (the first job). Nothing may match.
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
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pairsieve.copies.erased import TOKENS
from pairsieve.erasure import feed as feeds
from pairsieve.erasure.decisions import RowCount, RowCounts
from pairsieve.erasure.match import COLUMNS, Matcher
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
from pairsieve.storage import files
from pairsieve.storage.lock import Lock
from pairsieve.storage.marked import mark
from pairsieve.storage.names import lies_in
from pairsieve.storage.shards import (
    DELTAS,
    ROW_GROUP_ROWS,
    open_shard,
    shard_paths,
)
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.writer import COMMIT, STAGING, alone_in, only_writer, recover
from pipeline.orchestrate.erase_job import EraseJobs, job_folder
from transforms.erase.found import (
    COVERS_COPIES,
    PICTURE_COLUMNS,
    ROW,
    Found,
    FoundShard,
    merge_found,
    open_rows,
    read_row_numbers,
    read_rows,
)
from transforms.erase.rewrite import RewriteSettings, ShardToRewrite
from transforms.erase.search import SearchSettings, matches_in, search_shard

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

STATUS = "status.json"
MAX_REQUESTS_SHOWN = 50
TOKEN_BYTES = 16
_TOMBSTONES_INSIDE = (
    "the tombstones would lie in the dataset ({}); they are confidential: name another folder"
)


class ErasureIncomplete(RuntimeError):
    """Rows that should be gone were found again after the erasure."""


@dataclass(frozen=True)
class Findings:
    """The rows that requests are about: how many, and where they are described.

    `folder` is the private folder of the found rows, a file for each shard, while it is there.
    `found` has their numbers. `version` is that of the dataset.
    """

    folder: str
    found: Found
    version: int

    @property
    def number(self) -> int:
        """How many rows."""
        return self.found.rows

    @property
    def paths(self) -> list[str]:
        """The shards that hold them."""
        return [shard.path for shard in self.found.shards]

    @property
    def missing(self) -> frozenset[str]:
        """The columns that no shard has."""
        return frozenset(COLUMNS) - self.found.columns

    def rows_in(self, path: str) -> frozenset[int]:
        """The numbers of the rows of one shard."""
        if path not in self.paths:
            return frozenset()
        return frozenset(read_row_numbers(self.folder, path).tolist())

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows of all shards in pieces, with those of `columns` that they have."""
        for path in self.paths:
            yield from read_rows(self.folder, path, columns)

    def pictures(self) -> Iterator[dict[str, Any]]:
        """Yield PICTURE_COLUMNS of the rows whose pictures are to stay out wherever they appear."""
        for table in self.tables([*PICTURE_COLUMNS, COVERS_COPIES]):
            for row in table.filter(table[COVERS_COPIES]).to_pylist():
                yield {name: row.get(name) for name in PICTURE_COLUMNS}


def find(dataset: str, requests: Sequence[Request], folder: str, jobs: EraseJobs) -> Findings:
    """Find the rows that requests are about, and change nothing.

    They go to files below `folder`. Raises NoSuchDataset, JobFailed.
    """
    manifest = read_manifest(dataset)
    found = jobs.find(dataset, manifest, requests, folder)
    return Findings(folder, found, manifest.version)


def find_here(dataset: str, requests: Sequence[Request], folder: str) -> Findings:
    """As `find`, in this process and without a job, because a page waits for the answer.

    Raises NoSuchDataset, and OSError or ArrowInvalid for a shard that cannot be read.
    """
    manifest = read_manifest(dataset)
    settings = SearchSettings(dataset, folder, manifest.columns)
    matcher = Matcher(requests)
    searched = (search_shard(path, settings, matcher) for path in shard_paths(manifest))
    return Findings(folder, merge_found(searched), manifest.version)


def count_rows(dataset: str, groups: Sequence[Sequence[Request]]) -> RowCounts:
    """Count the rows of groups of requests, such as those of a receipt. Raises NoSuchDataset.

    The dataset is read once, however many groups there are. It is read here and without a job,
    because a page waits for the answer.
    """
    group_of = [number for number, group in enumerate(groups) for _ in group]
    matcher = Matcher([request for group in groups for request in group])
    manifest = read_manifest(dataset)
    rows: Counter[int] = Counter()
    shards: Counter[int] = Counter()
    all_rows = all_shards = 0
    for path in shard_paths(manifest):
        groups_in_shard = set[int]()
        for numbers in matches_in(files.join(dataset, path), manifest.columns, matcher):
            groups_of_row = {group_of[number] for number in numbers}
            rows.update(groups_of_row)
            groups_in_shard |= groups_of_row
            all_rows += 1
        shards.update(groups_in_shard)
        all_shards += bool(groups_in_shard)
    each = [RowCount(rows[number], shards[number]) for number in range(len(groups))]
    return RowCounts(each, RowCount(all_rows, all_shards))


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


def erase(dataset: str, requests: Sequence[Request], tombstones: str, jobs: EraseJobs) -> Findings:
    """Take rows out, keep them out by tombstones, and search again.

    Raises NoSuchDataset, NoTombstones, BadFeed, ErasureIncomplete, InUse, NotOurs, JobFailed (also
    for a shard that is damaged).
    """
    if lies_in(tombstones, dataset):
        raise NoSuchDataset(_TOMBSTONES_INSIDE.format(tombstones))
    # Without this check the lock would create the folder.
    if not files.exists(dataset):
        raise NoSuchDataset(
            f"{dataset} holds no {MANIFEST}; give the output directory of a finished run"
        )
    with (
        only_writer(dataset) as lock,
        alone_in(tombstones),
        job_folder(dataset) as folder,
    ):
        _check_feed(dataset, tombstones)
        findings = find(dataset, requests, files.join(folder, "found"), jobs)
        make_keys(tombstones)
        # Also without a match: a later crawl may have what the dataset does not have now.
        _write_tombstones(tombstones, findings, requests)
        if findings.number:
            record = _record(tombstones, len(requests))
            moved = _stage(dataset, findings, record, NOTHING_BESIDE, jobs)
            # The job may have taken long: in an object store another command may have the lock by
            # now.
            lock.check()
            _put_in_place(dataset, moved)
        # The new version is read from its place, as readers will read it.
        left = find(dataset, requests, files.join(folder, "again"), jobs)
        check_none_left(left)
        findings = replace(findings, version=left.version)
        _write_status(tombstones, findings, requests)
    return findings


def rows_where(
    dataset: str,
    columns: Sequence[str],
    choose: Callable[[pa.Table], Sequence[int]],
    folder: str,
) -> Findings:
    """The rows that a function chooses from each shard's `columns`; they go to files in `folder`.

    Raises NoSuchDataset.
    """
    manifest = read_manifest(dataset)
    # What an earlier search has left: a shard without a row now would keep its file.
    files.remove_tree(folder)
    shards = []
    for path in shard_paths(manifest):
        names = dict.fromkeys((*columns, *TOKENS))
        table = read_columns(files.join(dataset, path), tuple(names), manifest.columns)
        rows = pa.array(choose(table), pa.int64())
        if len(rows):
            tokens = table.select([name for name in TOKENS if name in table.column_names])
            with open_rows(folder, path) as add:
                add(tokens.take(rows).append_column(ROW, rows))
            shards.append(FoundShard(path, len(rows), {}))
    return Findings(folder, Found(shards), manifest.version)


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
    jobs: EraseJobs,
) -> None:
    """Take out rows that nobody has asked for, by the same commit as an erasure.

    The caller holds the dataset's `lock`. `stay_out` are places that later runs leave out; the
    pictures of the rows may come back from other places. Without a row only the files beside are
    put in place. Raises NoSuchDataset, NoTombstones, BadFeed, InUse, JobFailed.
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
        # Before the commit, as in `erase`: a crash lets nothing come back.
        write_tombstones(tombstones, read_tombstones(tombstones).adding(stay_out, []))
        moved = _stage(dataset, findings, _record(tombstones, 0), beside, jobs)
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
    pictures = [_with_orientations(picture) for picture in findings.pictures()]
    write_tombstones(folder, read_tombstones(folder).adding(requests, pictures))


def _with_orientations(picture: dict[str, Any]) -> dict[str, Any]:
    hashes: list[str] = []
    for name in PDQ_COLUMNS:
        if picture[name]:
            hashes += [bits.hex() for bits in orientations(bytes.fromhex(picture[name]))]
    return {**picture, "orientations": hashes}


def _record(tombstones: str, requests: int) -> ErasureRecord:
    """What is published of an erasure under the keys of a folder; they are made if missing."""
    newest = read_tombstones(tombstones).keys[0]
    # Asked first: the next line makes the key where there is none.
    had_key = files.exists(files.join(tombstones, RECIPIENTS))
    keys = RecipientsKeys(recipients_key(tombstones), feeds.signing_key(tombstones), had_key)
    return ErasureRecord(keys, newest.id, requests)


def _put_in_place(dataset: str, moved: Mapping[str, str]) -> None:
    """Commit what was staged: `moved` has the path of each file, and its path in the staging."""
    # From this file on the next version counts: a later command would finish the move.
    files.write_text(files.join(dataset, STAGING, COMMIT), json.dumps(moved) + "\n")
    recover(dataset)


def check_none_left(left: Findings) -> None:
    """Raise ErasureIncomplete where a search after an erasure has found anything."""
    if left.number:
        raise ErasureIncomplete(
            f"{left.number} rows in {len(left.paths)} shards were found again; do not publish this "
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

    def delta(self, findings: Findings) -> bytes:
        """What the erased rows are known by, as tokens; a parquet file sorted by all its columns.

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
        columns = {
            name: pa.array(
                [self._token(name, value) for value in table[name].to_pylist()],
                pa.binary(TOKEN_BYTES),
            )
            for name in table.column_names
        }
        return pa.table(columns)

    def _token(self, name: str, value: Any) -> bytes | None:
        # Rows without a value must not share a token: a recipient would drop all of them.
        if value is None:
            return None
        return bytes.fromhex(self.keys.tokens.token(name, str(value)))


def _as_text(tokens: pa.RecordBatch) -> pa.Table:
    """Tokens as hex digits."""
    columns = {
        name: pa.array(
            [None if token is None else token.hex() for token in tokens[name].to_pylist()],
            pa.string(),
        )
        for name in tokens.schema.names
    }
    return pa.table(columns)


def _stage_files(dataset: str, beside: Beside) -> dict[str, str]:
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


def _stage(
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
    rewritten = jobs.rewrite(_shards_to_rewrite(findings.paths, listed), settings)
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


def _shards_to_rewrite(
    paths: Iterable[str], listed: Mapping[str, ListedFile]
) -> list[ShardToRewrite]:
    """Shards, with the listed files of vectors that belong to them, row by row.

    `embeddings/en/part-....npy` belongs to `dataset/en/part-....parquet`.
    """
    shards = []
    for path in paths:
        stem = path.replace("dataset/", "embeddings/", 1).removesuffix(".parquet")
        vectors = listed.get(f"{stem}.npy")
        shards.append(ShardToRewrite(listed[path], (vectors,) if vectors else ()))
    return shards


def put(folder: str, path: str, content: bytes, rows: int) -> ListedFile:
    """Write a file below a folder, and return its entry for a manifest."""
    with files.open_whole(files.join(folder, path)) as stream:
        stream.write(content)
    return ListedFile(path, rows, len(content), hashlib.sha256(content).hexdigest())


def _write_status(tombstones: str, findings: Findings, requests: Sequence[Request]) -> None:
    """Add the outcome of each request under its receipt, and nothing of what it was about."""
    earlier = _read_status(tombstones)["requests"]
    outcomes = []
    rows_of, shards_of = findings.found.rows_of, findings.found.shards_of
    for number, request in enumerate(requests):
        outcomes.append(
            {
                "receipt": request.receipt,
                "kind": request.kind,
                "rows": rows_of[number],
                "shards": shards_of[number],
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
    rows_of, shards_of = findings.found.rows_of, findings.found.shards_of
    for number, request in enumerate(requests[:MAX_REQUESTS_SHOWN]):
        counts = f"{rows_of[number]:>9}{shards_of[number]:>8}"
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
        f"{findings.number} rows in {len(findings.paths)} shards {what_happened}; "
        f"version {findings.version}"
    )
    return "\n".join(lines) + "\n"
