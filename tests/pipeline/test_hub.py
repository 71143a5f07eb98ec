"""A release on a Hub: pushed whole or not at all, withdrawn with its history, and read again in
every revision that answers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.commands.erase import main as erase
from pipeline.commands.hub import main as hub
from tests.support.datasets import hashes, manifest_of, rows_of
from tests.support.fake_hub import FakeHub, serve_hub
from tests.support.paths import REPOSITORY

pytestmark = [
    pytest.mark.timeout(600),
    # The client's own: it gives its library for HTTP a file as `data`.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@dataclass(frozen=True)
class Release:
    """A dataset in a folder of its own, before and after an erasure, and the Hub."""

    root: Path
    hub: FakeHub

    @property
    def dataset(self) -> Path:
        return self.root / "ds"

    def arguments(self, verb: str, *more: str) -> list[str]:
        place = ["--dataset", str(self.dataset), "--repo", "me/mine", "--endpoint", self.hub.url]
        return [verb, *place, *more]

    def erase_one(self, number: int = 0) -> dict[str, Any]:
        """Take a row out."""
        row = rows_of(self.dataset)[number]
        (self.root / "r.jsonl").write_text(json.dumps({"key": row["key"]}) + "\n")
        requests = ["--requests", str(self.root / "r.jsonl")]
        assert erase(["--dataset", str(self.dataset), *requests]) == 0
        return row

    def files_there(self, name: str = "main") -> dict[str, bytes]:
        oid = self.hub.resolved(name)
        assert oid
        tree = self.hub.commits[oid].tree
        return {path: self.hub.content(oid, path) or b"" for path in tree}


@pytest.fixture
def release(demo_run, tmp_path, monkeypatch):
    from huggingface_hub import constants

    # The fake one speaks the older protocol for large files, which the client has too.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    shutil.copytree(demo_run.output, tmp_path / "ds")
    with serve_hub() as served:
        yield Release(tmp_path, served)


def is_there(release: Release) -> bool:
    """Whether the Hub shows the dataset at hand, file by file."""
    there = release.files_there()
    del there[".gitattributes"]
    paths = {path for path in hashes(release.dataset) if not path.startswith(".")}
    return there == {path: (release.dataset / path).read_bytes() for path in paths}


def test_push(release, capsys):
    assert hub(release.arguments("push")) == 0, capsys.readouterr().err
    assert is_there(release)
    assert release.hub.private
    assert release.hub.gated is False
    uploads = release.hub.uploads
    assert uploads == len(list(release.dataset.rglob("*.parquet")))
    # Again: nothing is uploaded twice.
    assert hub(release.arguments("push")) == 0
    assert release.hub.uploads == uploads
    assert (release.root / "ds.hub.json").stat().st_mode & 0o777 == 0o600


def test_people_must_apply_before_anything_is_there(release):
    manifest = manifest_of(release.dataset)
    manifest["config"]["publish"]["gate_prompt"] = "I delete what is erased"
    (release.dataset / "manifest.json").write_text(json.dumps(manifest))
    assert hub(release.arguments("push")) == 0
    assert release.hub.gated == "manual"
    assert release.hub.gated_at == 1, "when the repository had its first, empty commit"


def test_a_new_version_takes_files_off(release):
    assert hub(release.arguments("push")) == 0
    manifest = manifest_of(release.dataset)
    gone = manifest["files"].pop()["path"]
    (release.dataset / gone).unlink()
    (release.dataset / "manifest.json").write_text(json.dumps(manifest))
    assert hub(release.arguments("push")) == 0
    assert gone not in release.files_there()
    assert is_there(release)


def test_an_old_version_is_refused(release, capsys):
    shutil.copytree(release.dataset, release.root / "old")
    release.erase_one()
    assert hub(release.arguments("push")) == 0
    before = dict(release.hub.refs)
    shutil.rmtree(release.dataset)
    (release.root / "old").rename(release.dataset)
    assert hub(release.arguments("push")) == 2
    assert "has version 2, and this is version 1" in capsys.readouterr().err
    assert release.hub.refs == before


def test_a_damaged_file_is_not_pushed(release, capsys):
    shard = next(release.dataset.glob("dataset/en/*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    assert hub(release.arguments("push")) == 1
    assert "is damaged" in capsys.readouterr().err
    assert release.hub.changes == []


def with_old_names(release: Release) -> dict[str, Any]:
    """A release with a branch, a tag, a conversion and a pull request; then a row is erased."""
    assert hub(release.arguments("push")) == 0
    target = release.hub.refs["refs/heads/main"]
    for ref in ("refs/heads/more", "refs/tags/v1", "refs/convert/parquet"):
        release.hub.refs[ref] = target
    return release.erase_one()


def test_verify_fails_while_an_erased_row_can_be_read(release, capsys):
    with_old_names(release)
    assert hub(release.arguments("push")) == 0
    capsys.readouterr()
    assert hub(release.arguments("verify")) == 1
    said = capsys.readouterr().out
    assert "dataset/en/part-00000-of-00001.parquet: 1 erased rows, in " in said
    assert said.splitlines()[-1].endswith(" revisions: 1 with erased rows, or unreadable")


def test_withdraw_says_first_what_it_removes(release, capsys):
    with_old_names(release)
    capsys.readouterr()
    before = (dict(release.hub.refs), len(release.hub.commits))
    assert hub(release.arguments("withdraw")) == 0
    names = capsys.readouterr().out.splitlines()[:-1]
    assert names == ["refs/heads/more", "refs/tags/v1", "refs/convert/parquet"]
    assert (release.hub.refs, len(release.hub.commits)) == before


def test_withdraw(release, capsys):
    row = with_old_names(release)
    assert hub(release.arguments("withdraw", "--yes")) == 0, capsys.readouterr()
    assert release.hub.refs.keys() == {"refs/heads/main"}
    assert is_there(release)
    for content in (*release.hub.large.values(), *release.hub.small.values()):
        if content[:4] == b"PAR1":
            (release.root / "p.parquet").write_bytes(content)
            table = pq.read_table(release.root / "p.parquet")
            assert "key" not in table.column_names or row["key"] not in table["key"].to_pylist()
    assert "no with erased rows" in capsys.readouterr().out


@pytest.mark.parametrize("ref", ["refs/pr/1", "refs/convert/duckdb"])
def test_a_name_that_cannot_be_removed_is_told(ref, release, capsys):
    """A pull request that holds the old shard; its large file is still there."""
    with_old_names(release)
    release.hub.refs[ref] = release.hub.refs["refs/tags/v1"]
    old = dict(release.hub.large)
    assert hub(release.arguments("withdraw", "--yes")) == 0, "the large file is gone"
    capsys.readouterr()
    release.hub.large |= old
    if ref == "refs/pr/1":
        assert hub(release.arguments("verify")) == 1
        assert "1 erased rows, in refs/pr/1" in capsys.readouterr().out
    else:
        assert ref not in release.hub.refs


def test_a_commit_that_answers_after_it_was_squashed_is_read(release, capsys):
    """The Hub has forgotten which commits there were; the record has not."""
    release.hub.forgets_squashed = False
    with_old_names(release)
    old = dict(release.hub.large)
    assert hub(release.arguments("withdraw", "--yes")) == 0, "the large file is gone"
    capsys.readouterr()
    release.hub.large |= old
    assert hub(release.arguments("verify")) == 1
    assert "1 erased rows, in " in capsys.readouterr().out
    (release.root / "ds.hub.json").unlink()
    assert hub(release.arguments("verify")) == 0, "nobody else knows the commit"


def test_nothing_was_erased(release, capsys):
    assert hub(release.arguments("push")) == 0
    release.hub.refs["refs/tags/v1"] = release.hub.refs["refs/heads/main"]
    for arguments in (["verify"], ["withdraw", "--yes"]):
        assert hub(release.arguments(*arguments)) == 2
        assert "nobody was taken out" in capsys.readouterr().err
    assert "refs/tags/v1" in release.hub.refs


def test_keys_that_do_not_fit_are_refused(release, capsys):
    """With another key no erased row would be found, and the Hub would seem clean."""
    with_old_names(release)
    key = release.root / "ds.erased" / "recipients.key"
    told = key.read_text()
    key.write_text("ab" * 32)
    assert hub(release.arguments("verify")) == 2
    assert "under another recipients.key" in capsys.readouterr().err
    key.unlink()
    assert hub(release.arguments("verify")) == 2
    assert "holds no secret" in capsys.readouterr().err
    assert not key.exists()
    key.write_text(told)
    assert hub(release.arguments("verify")) == 1


def test_no_hub(release, capsys):
    release.erase_one()
    arguments = release.arguments("verify")
    arguments[arguments.index(release.hub.url)] = "http://127.0.0.1:1"
    assert hub(arguments) == 1
    assert "The same command goes on from there" in capsys.readouterr().err
    assert hub(["push", "--dataset", str(release.dataset)]) == 2
    assert "--repo" in capsys.readouterr().err


def in_a_process(release: Release, arguments: list[str], kill_at: int) -> int:
    """The exit status of a command that is killed at a change of the Hub: before it where the
    number is even, after it where it is odd.
    """
    environment = {
        **os.environ, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_test",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONPATH": str(REPOSITORY),
    }  # fmt: skip
    release.hub.kill_at, release.hub.changes = kill_at, []
    command = [sys.executable, "-m", "pipeline.cli", "hub", *arguments]
    with subprocess.Popen(
        command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        release.hub.victim = process.pid
        process.communicate(timeout=120)
    release.hub.kill_at = release.hub.victim = 0
    return process.returncode


def test_a_push_may_be_killed_at_any_change(release):
    """Whoever reads the Hub meanwhile sees nothing, or all of it."""
    killed, kill_at = 0, 2
    while True:
        release.hub.exists = False
        for state in (release.hub.refs, release.hub.commits, release.hub.large):
            state.clear()
        if in_a_process(release, release.arguments("push"), kill_at) >= 0:
            break
        killed += 1
        there = release.files_there() if release.hub.refs else {}
        assert there.keys() <= {".gitattributes"} or is_there(release)
        before = release.hub.uploads
        assert hub(release.arguments("push")) == 0
        assert is_there(release)
        assert release.hub.uploads - before <= len(list(release.dataset.rglob("*.parquet")))
        kill_at += 3
    assert killed >= 3


def test_a_withdrawal_may_be_killed_at_any_change(release):
    with_old_names(release)
    state = (release.hub.refs, release.hub.commits, release.hub.large)
    start = [dict(each) for each in state]
    killed, kill_at = 0, 2
    while True:
        for each, content in zip(state, start, strict=True):
            each.clear()
            each.update(content)
        (release.root / "ds.hub.json").unlink(missing_ok=True)
        if in_a_process(release, release.arguments("withdraw", "--yes"), kill_at) >= 0:
            break
        killed += 1
        assert hub(release.arguments("withdraw", "--yes")) == 0
        assert is_there(release)
        assert release.hub.refs.keys() == {"refs/heads/main"}
        kill_at += 3
    assert killed >= 3


def versions_of_s3(release: Release, on_s3: Any, name: str) -> str:
    """The dataset before and after an erasure, in a bucket that keeps versions."""
    import s3fs

    store = s3fs.S3FileSystem(version_aware=True)
    if not store.exists(name):
        store.mkdir(name)
    store.call_s3(
        "put_bucket_versioning", Bucket=name, VersioningConfiguration={"Status": "Enabled"}
    )
    put_tree(store, release.dataset, f"{name}/mine")
    release.erase_one()
    put_tree(store, release.dataset, f"{name}/mine")
    return f"s3://{name}/mine"


def put_tree(store: Any, folder: Path, place: str) -> None:
    for path in hashes(folder):
        store.pipe_file(f"{place}/{path}", (folder / path).read_bytes())


def test_versions_that_a_bucket_keeps(release, on_s3, capsys):
    store = versions_of_s3(release, on_s3, "kept")
    arguments = ["verify", "--dataset", str(release.dataset), "--store", store]
    assert hub(arguments) == 1
    said = capsys.readouterr().out
    assert "noncurrent: manifest.json " in said
    assert "dataset/en/part-00000-of-00001.parquet: 1 erased rows, in " in said
    assert "(noncurrent)" in said
    import s3fs

    fs = s3fs.S3FileSystem(version_aware=True)
    for version in fs.object_version_info("kept/mine/"):
        if not version["IsLatest"]:
            which = {"Bucket": "kept", "Key": version["Key"], "VersionId": version["VersionId"]}
            fs.call_s3("delete_object", **which)
    fs.invalidate_cache()
    assert hub(arguments) == 0
    assert "noncurrent" not in capsys.readouterr().out


def test_versions_of_google(release, on_gs, capsys):
    _, store = on_gs
    store.mkdir("kept", enable_versioning=True)
    put_tree(store, release.dataset, "kept/mine")
    release.erase_one()
    put_tree(store, release.dataset, "kept/mine")
    arguments = ["verify", "--dataset", str(release.dataset), "--store", "gs://kept/mine"]
    assert hub(arguments) == 1
    said = capsys.readouterr().out
    assert "noncurrent: manifest.json " in said
    assert "dataset/en/part-00000-of-00001.parquet: 1 erased rows, in " in said


def test_a_bucket_without_versions(release, on_gs, capsys):
    place, store = on_gs
    release.erase_one()
    put_tree(store, release.dataset, f"{place.removeprefix('gs://')}/mine")
    arguments = ["verify", "--dataset", str(release.dataset), "--store", f"{place}/mine"]
    assert hub(arguments) == 0
    assert "no with erased rows" in capsys.readouterr().out


def test_a_store_without_versions(release, capsys):
    release.erase_one()
    assert hub(["verify", "--dataset", str(release.dataset), "--store", "/tmp/x"]) == 2
    assert "is no bucket" in capsys.readouterr().err
