"""Puts a dataset on Hugging Face's Hub, and takes what was erased off it, with its history.

`push` uploads large files in parts, which the Hub keeps by their sha256, and then makes one commit
that names all of them. Readers see the earlier version or the new one. A push that was cut off is
repeated: what has been uploaded is not uploaded again.

`withdraw` pushes the version after an erasure, and removes whatever else answers: branches, tags,
history, and large files of earlier revisions. Each step may be repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairsieve.records.manifest import MANIFEST, BadManifest, Manifest, parse_manifest
from pairsieve.storage import files
from pairsieve.storage.shards import read_listed
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.pages import PAGES
from pipeline.dataset.writer import kept_unchanged

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

DATASET = "dataset"
MAIN = "main"
ATTRIBUTES = ".gitattributes"
"""The Hub's own file: which files are large."""
PART_FILES = 50
"""Large files that are uploaded before the next ones are looked at. The Hub advises 50 to 100."""
MAX_FILES = 20_000
"""Files of one commit. The Hub takes 25,000."""


class Outdated(ValueError):
    """The Hub has a newer version than the one at hand; the message says what to do."""


@dataclass(frozen=True)
class Hub:
    """A dataset's repository. Without an `endpoint` it is that of the environment (HF_ENDPOINT)."""

    repo: str
    endpoint: str = ""

    def api(self) -> HfApi:
        """The client; it takes its token from the environment or from `hf auth login`."""
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint or None)


@dataclass(frozen=True)
class Record:
    """A private file of the commits that were ever made: a Hub may still serve a commit by its hash
    when no name leads to it any more.
    """

    path: str

    def commits(self, repo: str) -> list[str]:
        """The commits of a repository. Raises NoSuchDataset where the file is damaged."""
        if not files.exists(self.path):
            return []
        try:
            content = json.loads(files.read_text(self.path))
            return [str(commit) for commit in content.get(repo, [])]
        except (ValueError, AttributeError, TypeError):
            raise NoSuchDataset(
                f"{self.path} is damaged; move it away: commits that only it knew are not looked "
                "at any more"
            ) from None

    def add(self, repo: str, commits: Sequence[str]) -> None:
        """Add commits of a repository."""
        content = json.loads(files.read_text(self.path)) if files.exists(self.path) else {}
        known = self.commits(repo)
        content[repo] = [
            *known,
            *(commit for commit in dict.fromkeys(commits) if commit not in known),
        ]
        files.write_private(self.path, json.dumps(content, indent=1) + "\n")


@dataclass
class Pushed:
    """The result of a push: files of the new revision, its commit, and what was removed."""

    files: int = 0
    commit: str = ""
    removed: list[str] = field(default_factory=list)


def push(dataset: str, hub: Hub, record: Record) -> Pushed:
    """Put a dataset on the Hub as one commit; a new repository is private.

    Raises NoSuchDataset, Damaged, InUse, Outdated, and what the client raises.
    """
    if not files.is_local(dataset):
        raise NoSuchDataset(f"{dataset} is in a store; copy it to a disk, and push it from there")
    with kept_unchanged(dataset):
        manifest = read_manifest(dataset)
        paths = _paths(dataset, manifest)
        api = hub.api()
        # A new one is private until its owner opens it. One that exists stays as it is.
        api.create_repo(hub.repo, repo_type=DATASET, private=True, exist_ok=True)
        if manifest.setting("publish", "gate_prompt"):
            # Before anything is there to be read.
            api.update_repo_settings(hub.repo, repo_type=DATASET, gated="manual")
        remote = remote_files(api, hub.repo)
        _check_version(api, hub.repo, manifest, remote)
        additions = list(_upload(api, hub.repo, dataset, paths))
        return _commit(api, hub.repo, additions, remote, manifest, record)


def _paths(dataset: str, manifest: Manifest) -> list[str]:
    """What is pushed, each file checked. Raises Damaged, NoSuchDataset."""
    for listed in manifest.files:
        # Here, so that a damaged file does not replace a whole one.
        read_listed(dataset, listed)
    pages = [page for page in PAGES if files.exists(files.join(dataset, page))]
    paths = [*manifest.by_path, *pages, MANIFEST]
    if len(paths) > MAX_FILES:
        raise NoSuchDataset(
            f"{dataset} has {len(paths)} files, and a commit takes {MAX_FILES}; publish it with "
            "fewer shards (publish.shards, publish.rows_per_shard)"
        )
    return paths


def remote_files(api: HfApi, repo: str, revision: str = MAIN) -> dict[str, str]:
    """Path -> sha256 of a large file, or the id of a small one; empty before the first commit."""
    from huggingface_hub import RepoFile
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        entries = list(
            api.list_repo_tree(repo, repo_type=DATASET, recursive=True, revision=revision)
        )
    except RevisionNotFoundError:
        return {}
    return {
        entry.path: entry.lfs.sha256 if entry.lfs else entry.blob_id
        for entry in entries
        if isinstance(entry, RepoFile)
    }


def _check_version(api: HfApi, repo: str, manifest: Manifest, remote: Mapping[str, str]) -> None:
    """Raise Outdated where the Hub has a later version: this one would bring rows back."""
    if MANIFEST not in remote:
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = api.hf_hub_download(repo, MANIFEST, repo_type=DATASET, local_dir=folder)
        try:
            there = parse_manifest(Path(path).read_text("utf-8"))
        except (BadManifest, UnicodeDecodeError):
            raise Outdated(
                f"{repo} holds a {MANIFEST} that pairsieve did not write; name another repository"
            ) from None
    if there.version > manifest.version:
        raise Outdated(
            f"{repo} has version {there.version}, and this is version {manifest.version}: rows "
            "that were taken out would come back. Take the present version"
        )


def _upload(
    api: HfApi, repo: str, dataset: str, paths: Sequence[str]
) -> Iterator[CommitOperationAdd]:
    """Upload large files in parts; what the Hub has is not uploaded again."""
    from huggingface_hub import CommitOperationAdd

    for start in range(0, len(paths), PART_FILES):
        additions = [
            CommitOperationAdd(path_in_repo=path, path_or_fileobj=files.join(dataset, path))
            for path in paths[start : start + PART_FILES]
        ]
        api.preupload_lfs_files(repo, additions, repo_type=DATASET, revision=MAIN)
        yield from additions


def _commit(
    api: HfApi,
    repo: str,
    additions: Sequence[CommitOperationAdd],
    remote: Mapping[str, str],
    manifest: Manifest,
    record: Record,
) -> Pushed:
    from huggingface_hub import CommitOperationDelete

    wanted = {addition.path_in_repo for addition in additions}
    gone = [path for path in remote if path not in wanted and path != ATTRIBUTES]
    # Additions and deletions in one commit: no reader sees both versions.
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *additions,
        *(CommitOperationDelete(path_in_repo=path) for path in gone),
    ]
    commit = api.create_commit(
        repo,
        operations,
        commit_message=f"Version {manifest.version}",
        repo_type=DATASET,
        revision=MAIN,
    )
    record.add(repo, [commit.oid])
    return Pushed(len(additions), commit.oid, gone)


def withdraw(dataset: str, hub: Hub, record: Record) -> Pushed:
    """Push the present version, and remove every other revision that the Hub serves. Raises as
    `push`.

    Pull requests cannot be removed by the Hub's interface: `revisions.readable` names those that
    still answer.
    """
    api = hub.api()
    # First, since the Hub lists no commit once its history is squashed.
    record.add(hub.repo, commits_of(api, hub.repo))
    pushed = push(dataset, hub, record)
    pushed.removed += list(_remove_refs(api, hub.repo))
    api.super_squash_history(
        hub.repo, repo_type=DATASET, branch=MAIN, commit_message="The present version"
    )
    pushed.removed += _remove_large_files(api, hub.repo)
    # Squashing makes a commit of its own.
    record.add(hub.repo, commits_of(api, hub.repo))
    return pushed


def refs_of(api: HfApi, repo: str) -> dict[str, str]:
    """Every name of a revision -> its commit: branches, tags, conversions, pull requests."""
    refs = api.list_repo_refs(repo, repo_type=DATASET, include_pull_requests=True)
    every = [*refs.branches, *refs.tags, *refs.converts, *(refs.pull_requests or ())]
    return {ref.ref: ref.target_commit for ref in every}


def commits_of(api: HfApi, repo: str) -> list[str]:
    """All commits that can be reached from any name."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        refs = refs_of(api, repo)
    except RepositoryNotFoundError:
        # Nothing was pushed so far.
        return []
    # A dictionary, since names share most of their commits and the order is kept.
    commits: dict[str, None] = {}
    for ref, target in refs.items():
        commits[target] = None
        history = api.list_repo_commits(repo, repo_type=DATASET, revision=ref)
        commits.update(dict.fromkeys(commit.commit_id for commit in history))
    return list(commits)


def _remove_refs(api: HfApi, repo: str) -> Iterator[str]:
    """Remove branches, tags and the Hub's conversions; yields their names."""
    from huggingface_hub.errors import HfHubHTTPError

    refs = api.list_repo_refs(repo, repo_type=DATASET)
    for branch in refs.branches:
        if branch.name != MAIN:
            api.delete_branch(repo, branch=branch.name, repo_type=DATASET)
            yield branch.ref
    for tag in refs.tags:
        api.delete_tag(repo, tag=tag.name, repo_type=DATASET)
        yield tag.ref
    for conversion in refs.converts:
        try:
            api.delete_branch(repo, branch=conversion.ref, repo_type=DATASET)
        except HfHubHTTPError:
            # The Hub makes them anew from `main` in any case; `verify` reads what they hold.
            continue
        yield conversion.ref


def _remove_large_files(api: HfApi, repo: str) -> list[str]:
    """Remove large files that the present version does not name; returns their paths."""
    present = set(remote_files(api, repo).values())
    old = [each for each in api.list_lfs_files(repo, repo_type=DATASET) if each.oid not in present]
    api.permanently_delete_lfs_files(repo, old, repo_type=DATASET)
    return sorted({str(each.filename) for each in old})


def errors() -> tuple[type[BaseException], ...]:
    """What the client raises; its library for HTTP differs from version to version."""
    from huggingface_hub.errors import HfHubHTTPError

    return HfHubHTTPError.__bases__


def planned(hub: Hub) -> list[str]:
    """What `withdraw` would remove, beside history and large files of earlier revisions."""
    refs: Any = hub.api().list_repo_refs(hub.repo, repo_type=DATASET)
    others = [branch for branch in refs.branches if branch.name != MAIN]
    return [ref.ref for ref in (*others, *refs.tags, *refs.converts)]
