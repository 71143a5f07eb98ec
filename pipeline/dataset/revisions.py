"""Whether erased rows can still be read: in any revision on a Hub, or in a version in a store.

Every file of every revision that answers is read once by its content, and judged by the tokens of
the dataset's erasures, as a copy is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.copies.erased import Erased, erased_of
from pairsieve.copies.layout import ARCHIVES, TABLES, layout_of
from pairsieve.copies.take_out import Copy, Outcome, change_of
from pairsieve.erasure.feed import (
    FEED,
    PUBLIC_KEY,
    BadFeed,
    check_tokens_key,
    parse_public_key,
    read_feed,
)
from pairsieve.erasure.tombstones import RECIPIENTS, Key
from pairsieve.storage import files
from pairsieve.storage.names import LeadsOut, check_names
from pairsieve.storage.secret import BadSecret, read_secret
from pairsieve.storage.shards import DELTAS, read_listed
from pipeline.dataset.hub_push import DATASET, Hub, Record, commits_of, refs_of
from pipeline.dataset.manifest import NoSuchDataset, read_manifest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

JUDGED = (*TABLES, *ARCHIVES)
"""Files that rows are read from. Text files of ours (card, manifest, report) hold none."""


@dataclass
class Readable:
    """A file with erased rows, or one that could not be looked into.

    `places`: the revisions, or the id of the version, where it answers. `rows`: how many erased
    rows; 0 where it could not be looked into, and `why` says why.
    """

    path: str
    rows: int
    places: list[str] = field(default_factory=list)
    why: str = ""


@dataclass
class Verified:
    """Numbers of revisions (or versions) and of distinct files, and the files with problems."""

    revisions: int = 0
    files: int = 0
    wrong: list[Readable] = field(default_factory=list)


def erasures_of(dataset: str, tombstones: str) -> Erased:
    """All rows that were ever erased. Raises NoSuchDataset, Damaged."""
    manifest = read_manifest(dataset)
    deltas = [
        pq.read_table(pa.BufferReader(read_listed(dataset, listed)))
        for listed in manifest.below(f"{DELTAS}/")
        if listed.path.endswith(".parquet")
    ]
    if not deltas:
        raise NoSuchDataset(f"nobody was taken out of {dataset} so far: there is nothing to verify")
    # Not `recipients_key`, which makes a key where there is none: no token would match.
    try:
        key = Key("", read_secret(files.join(tombstones, RECIPIENTS)))
        feed = files.join(dataset, DELTAS, FEED)
        # Datasets of earlier versions have no feed.
        if files.exists(feed):
            public_key = parse_public_key(files.read_text(files.join(tombstones, PUBLIC_KEY)))
            check_tokens_key(read_feed(files.read_text(feed), public_key), key)
    except (BadSecret, BadFeed, FileNotFoundError) as error:
        raise NoSuchDataset(
            f"{tombstones}: {error}. Name the folder that was given to `pairsieve erase "
            "--tombstones`"
        ) from None
    return erased_of(key, deltas)


def verify_hub(hub: Hub, erased: Erased, record: Record) -> Verified:
    """Read every revision that still answers on a Hub."""
    from huggingface_hub import RepoFile

    api = hub.api()
    names = {commit: ref for ref, commit in refs_of(api, hub.repo).items()}
    commits = dict.fromkeys([*commits_of(api, hub.repo), *record.commits(hub.repo)])
    verified, judged = Verified(), dict[str, Readable | None]()
    for commit in commits:
        entries = _tree(api, hub.repo, commit)
        if entries is None:
            continue
        verified.revisions += 1
        for entry in entries:
            if not isinstance(entry, RepoFile) or not entry.path.endswith(JUDGED):
                continue
            content = f"{entry.path} {entry.lfs.sha256 if entry.lfs else entry.blob_id}"
            # Most files are the same in many revisions, and are downloaded once.
            if content not in judged:
                judged[content] = _judge_remote(api, hub.repo, commit, entry.path, erased)
            wrong = judged[content]
            if wrong:
                wrong.places.append(names.get(commit, commit))
    verified.files = len(judged)
    verified.wrong = [wrong for wrong in judged.values() if wrong]
    return verified


def _tree(api: HfApi, repo: str, commit: str) -> list[Any] | None:
    """The files of a revision; None where it does not answer any more."""
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        return list(api.list_repo_tree(repo, repo_type=DATASET, recursive=True, revision=commit))
    except RevisionNotFoundError:
        return None


def _judge_remote(api: HfApi, repo: str, commit: str, path: str, erased: Erased) -> Readable | None:
    """What is wrong with a file of a revision; None where nothing is, or where it is gone."""
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    with TemporaryDirectory() as folder:
        try:
            api.hf_hub_download(repo, path, repo_type=DATASET, revision=commit, local_dir=folder)
        except EntryNotFoundError:
            # The name is left, and the large file behind it is gone.
            return None
        except HfHubHTTPError as error:
            return Readable(path, 0, why=f"it cannot be read ({type(error).__name__})")
        return judge_file(folder, path, erased)


def judge_file(folder: str, path: str, erased: Erased) -> Readable | None:
    """What is wrong with a file below a local folder."""
    outcome = Outcome()
    # Lists of erased ids and the ledger hold no rows, and layout_of leaves them out.
    for group in layout_of([path]).groups:
        change_of(Copy(folder, erased, {}), group, outcome)
    rows = outcome.taken_out.total()
    if rows:
        return Readable(path, rows)
    # Tables of ours always tell; what cannot be judged may hold anybody.
    why = "; ".join(outcome.unreached.values())
    return Readable(path, 0, why=why) if why else None


def verify_store(store: str, erased: Erased) -> Verified:
    """Read every version that a bucket keeps of the objects below a path, the present ones too.

    Raises NoSuchDataset for a store without versions.
    """
    verified = Verified()
    for version in _versions(store):
        verified.revisions += 1
        if not version.path.endswith(JUDGED):
            continue
        verified.files += 1
        wrong = _judge_version(version, erased)
        if wrong:
            state = "present" if version.is_present else "noncurrent"
            wrong.places.append(f"{version.id} ({state})")
            verified.wrong.append(wrong)
    return verified


@dataclass(frozen=True)
class Version:
    """One version of an object: its path below the store, and what names and reads it."""

    path: str
    id: str
    is_present: bool
    fs: Any
    name: str

    def content(self) -> bytes:
        """The bytes of this version."""
        return bytes(self.fs.cat_file(self.name))


def noncurrent(store: str) -> list[Version]:
    """The versions that a bucket keeps beside the present ones. Raises NoSuchDataset."""
    return [version for version in _versions(store) if not version.is_present]


def _versions(store: str) -> Iterator[Version]:
    scheme = store.partition("://")[0]
    if scheme == "s3":
        yield from _versions_of_s3(store)
    elif scheme in ("gs", "gcs"):
        yield from _versions_of_gs(store)
    else:
        raise NoSuchDataset(f"{store} is no bucket; give s3://... or gs://...")


def _versions_of_s3(store: str) -> Iterator[Version]:
    fs, root = files.filesystem(store.rstrip("/"), {"version_aware": True})
    bucket = root.partition("/")[0]
    try:
        listed = fs.object_version_info(f"{root}/")
    except KeyError:
        # s3fs wants a list of versions, and S3 sends none where nothing is left.
        listed = []
    for each in listed:
        name = f"{bucket}/{each['Key']}"
        yield Version(
            path=name.removeprefix(f"{root}/"),
            id=each["VersionId"],
            is_present=bool(each["IsLatest"]),
            fs=fs,
            name=f"{name}?versionId={each['VersionId']}",
        )


def _versions_of_gs(store: str) -> Iterator[Version]:
    fs, root = files.filesystem(store.rstrip("/"), {"version_aware": True})
    for name, entry in fs.find(root, versions=True, detail=True).items():
        plain = name.partition("#")[0]
        generation = str(entry["generation"])
        yield Version(
            path=plain.removeprefix(f"{root}/"),
            id=generation,
            is_present="timeDeleted" not in entry,
            fs=fs,
            name=f"{plain}#{generation}",
        )


def _judge_version(version: Version, erased: Erased) -> Readable | None:
    try:
        content = version.content()
    except FileNotFoundError:
        # It was removed since it was listed.
        return None
    name = version.path
    try:
        check_names("memory://versions", [name])
    except LeadsOut:
        # The key of an object may be any text.
        name = f"object{Path(name).suffix}"
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return judge_file(folder, name, erased)
