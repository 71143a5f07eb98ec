"""Erase rows from a finished dataset: find them, write the next version, and search again.

1. `find` searches every shard for the rows that the requests name (a job).
2. Tombstones are written first: a crash after that point lets nothing come back.
3. Shards that hold matches are written without them, beside the present version (a job).
4. The next version replaces the present one (`pipeline/dataset/writer.py` survives a crash there).
5. The dataset is searched again (the first job). Nothing may match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pairsieve.erasure import feed as feeds
from pairsieve.erasure.requests import Request
from pairsieve.erasure.tombstones import (
    RECIPIENTS,
    make_keys,
    read_tombstones,
    recipients_key,
    write_tombstones,
)
from pairsieve.images.pdq import orientations
from pairsieve.records.manifest import MANIFEST
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.storage import files
from pairsieve.storage.lock import Lock
from pairsieve.storage.names import lies_in
from pairsieve.storage.shards import DELTAS
from pipeline.dataset.erasure_status import write_status
from pipeline.dataset.found_rows import Findings, find
from pipeline.dataset.manifest import NoSuchDataset
from pipeline.dataset.next_version import (
    NOTHING_BESIDE,
    Beside,
    ErasureRecord,
    RecipientsKeys,
    put_in_place,
    write_next_files,
    write_next_version,
)
from pipeline.dataset.writer import alone_in, only_writer
from pipeline.orchestrate.erase_job import EraseJobs, job_folder

_TOMBSTONES_INSIDE = (
    "the tombstones would lie in the dataset ({}); they are confidential: name another folder"
)


class ErasureIncomplete(RuntimeError):
    """Rows that should be gone were found again after the erasure."""


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
            moved = write_next_version(dataset, findings, record, NOTHING_BESIDE, jobs)
            # The job may have taken long: in an object store another command may have the lock by
            # now.
            lock.check()
            put_in_place(dataset, moved)
        # The new version is read from its place, as readers will read it.
        left = find(dataset, requests, files.join(folder, "again"), jobs)
        check_none_left(left)
        findings = replace(findings, version=left.version)
        write_status(tombstones, findings, requests)
    return findings


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
    pictures of the rows may come back from other places. If there are no rows, only the files of
    `beside` are put in place. Raises NoSuchDataset, NoTombstones, BadFeed, InUse, JobFailed.
    """
    if not findings.number:
        moved = write_next_files(dataset, beside)
        lock.check()
        put_in_place(dataset, moved)
        return
    if lies_in(tombstones, dataset):
        raise NoSuchDataset(_TOMBSTONES_INSIDE.format(tombstones))
    with alone_in(tombstones):
        _check_feed(dataset, tombstones)
        make_keys(tombstones)
        # Before the commit, as in `erase`: a crash lets nothing come back.
        write_tombstones(tombstones, read_tombstones(tombstones).adding(stay_out, []))
        moved = write_next_version(dataset, findings, _record(tombstones, 0), beside, jobs)
        lock.check()
        put_in_place(dataset, moved)


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


def check_none_left(left: Findings) -> None:
    """Raise ErasureIncomplete where a search after an erasure has found anything."""
    if left.number:
        raise ErasureIncomplete(
            f"{left.number} rows in {len(left.paths)} shards were found again; do not publish this "
            "version"
        )
