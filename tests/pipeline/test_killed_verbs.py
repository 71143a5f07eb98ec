"""Each command is killed before a change of the disk, and another one runs then: no row comes back,
and no other row goes.

What is right comes from the rows that were there: all of them but those that an erasure was about,
each once.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.erasure.queue import ask, decide
from pairsieve.storage.marked import MARKER
from pipeline.commands.adopt import main as adopt
from pipeline.dataset.writer import COMMIT, STAGING
from tests.support.datasets import hashes, manifest_of
from tests.support.forked_commands import ForkedCommands
from tests.support.killing import KILLED

pytestmark = pytest.mark.timeout(1800)
HOSTS, FILES = "abcd", 3
ANSWERS = (0, 1, 2)  # done, failed with a message, refused


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A dataset that was adopted: a few files of a few rows, so that a command takes a fraction of
    a second.
    """
    folder = tmp_path_factory.mktemp("original") / "ds"
    (folder / "sub").mkdir(parents=True)
    for number in range(FILES):
        urls = [f"https://{host}.example/{number}-{i}.jpg" for host in HOSTS for i in range(5)]
        keys = [hashlib.md5(url.encode(), usedforsecurity=False).hexdigest() for url in urls]
        pq.write_table(
            pa.table({"URL": urls, "TEXT": urls, "key": keys}), folder / "sub" / f"{number}.parquet"
        )
    assert adopt(["--dataset", str(folder)]) == 0
    return folder


def urls_in(dataset: Path) -> list[str]:
    paths = [
        f["path"] for f in manifest_of(dataset)["files"] if not f["path"].startswith("erasures/")
    ]
    return sorted(url for path in paths for url in pq.read_table(dataset / path)["URL"].to_pylist())


@dataclass(frozen=True)
class Place:
    """A copy of the dataset, and what the commands need beside it."""

    root: Path
    every: tuple[str, ...]

    @property
    def dataset(self) -> Path:
        return self.root / "ds"

    def command(self, name: str) -> list[str]:
        verb, *rest = name.split()
        given = ["--dataset", str(self.dataset)]
        if verb == "erase":
            return [verb, *given, "--requests", str(self.root / f"{rest[0]}.jsonl")]
        if verb == "export":
            return [verb, *given, "--out", str(self.root / "copy"), "--columns", "URL,TEXT"]
        return [verb, "apply", *given] if verb == "requests" else [verb, *given]

    def without(self, *hosts: str) -> list[str]:
        return sorted(url for url in self.every if url[8] not in hosts)

    def is_committed(self) -> bool:
        """Whether the erasure of a.example has passed its point of no return."""
        return (self.dataset / STAGING / COMMIT).exists()


def place_at(root: Path, original: Path) -> Place:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(original, root / "ds")
    for host in "ab":
        (root / f"{host}.jsonl").write_text(json.dumps({"domain": f"{host}.example"}) + "\n")
    queue = str(root / "ds.requests")
    decide(queue, ask(queue, [{"domain": "c.example"}]), "approved")
    return Place(root, tuple(urls_in(original)))


VICTIMS = ("erase a", "requests", "adopt", "index", "export")
FOLLOWERS = ("erase a", "erase b", "adopt", "index", "export", "verify", "requests")


def gone_after(name: str) -> str:
    return {"erase a": "a", "erase b": "b", "requests": "c"}.get(name, "")


def check_state(place: Place, may_be_gone: set[str], must_be_gone: set[str]) -> None:
    """Where there is a manifest it tells of what is there; only rows that were asked for may have
    gone, whole hosts of them.
    """
    if not (place.dataset / "manifest.json").exists() or place.is_committed():
        return
    now = hashes(place.dataset)
    listed = {f["path"]: f["sha256"] for f in manifest_of(place.dataset)["files"]}
    assert {path: now.get(path) for path in listed} == listed
    there = urls_in(place.dataset)
    gone = {url[8] for url in place.every} - {url[8] for url in there}
    assert there == place.without(*gone)
    assert must_be_gone <= gone <= may_be_gone


def one_case(
    commands: ForkedCommands, place: Place, victim: str, kill_at: int, follower: str
) -> bool:
    """Kill one command, run another, then erase again. Whether the first one was killed at all."""
    if victim == "adopt":
        (place.dataset / "manifest.json").unlink()
    killed = commands(place.command(victim), place.root, kill_at)
    asked = {gone_after(victim)} - {""}
    committed = asked if place.is_committed() or killed["status"] == 0 else set[str]()
    if victim != "adopt":
        check_state(place, asked, set())
    followed = commands(place.command(follower), place.root)
    assert followed["status"] in ANSWERS, followed
    assert "Traceback" not in followed["printed"], followed["printed"]
    asked |= {gone_after(follower)} - {""}
    if followed["status"] == 0:
        committed |= {gone_after(follower)} - {""}
    if victim != "adopt":
        check_state(place, asked, committed)
    if victim == "adopt" and not (place.dataset / "manifest.json").exists():
        assert commands(place.command("adopt"), place.root)["status"] == 0
    again = commands(place.command("erase a"), place.root)
    assert again["status"] == 0, again
    check_state(place, asked | {"a"}, committed | {"a"})
    assert not list(place.dataset.glob("unfinished-*"))
    return bool(killed["status"] == KILLED)


# Where the suite kills: before the first change that looks like this. Each has another state on the
# disk than the one before it, which the next command has to understand.
KILLS = {
    "erase a": (
        r"os.rename ds.erase.job/found/rows/sub/1.parquet.*",  # some of the rows are found
        r"os.rename ds.erase.job/found/found.json.*",  # all of them, but it is not written down
        r"os.rename ds.erased/tombstones.json.*",  # keys of erasure without a list
        r"os.mkdir ds/unfinished-erasure",  # the list says more than was taken out
        r"os.rename ds/unfinished-erasure/rewritten-.*/1.parquet.*",  # some files are rewritten
        r"os.rename ds/unfinished-erasure/COMMIT.*",  # the last moment at which nothing counts
        r"os.remove ds/manifest.json",  # the first at which everything counts
        r"os.rename ds/unfinished-erasure/rewritten-.*/1.parquet",  # old files beside new ones
        r"os.rename ds/manifest.json.*",  # all are new, and nothing lists them
        r"os.remove ds/unfinished-erasure/COMMIT",  # done, and it looks unfinished
        r"os.mkdir ds.erase.job/again",  # nobody has looked again
        r"os.rename ds.erased/status.json.*",  # somebody has, and it is not written down
    ),
    # An erasure that begins and ends with the queue: what is its own, and both sides of COMMIT.
    "requests": (
        r"os.rename ds/unfinished-erasure/COMMIT.*",
        r"os.rename ds/unfinished-erasure/rewritten-.*/1.parquet",
        r"os.rename ds.erased/status.json.*",
        r"os.remove ds/.pairsieve.lock",  # taken out, and the queue has not begun to say so
        r"os.rename ds.requests/requests/.*",  # and it is about to
    ),
    "adopt": (
        r"open ds/manifest.json.*",
        r"os.rename ds/manifest.json.*",
    ),
    "index": (
        r"open ds.index/shards/00001/pdq.npy",  # one shard is done
        r"os.rename ds.index/shards/00000/words/.*",  # words are being merged
        r"open ds.index/words/meta.json",  # merged, and nothing names them
        r"os.rename ds.index/pdq.unfinished",  # hashes are complete under another name
        r"open ds.index/index.json",  # complete, and nothing says so
    ),
    "export": (
        r"os.rename copy/sub/1.parquet.*",  # one file is copied
        r"os.rename copy/manifest.json.*",  # all are, and nothing lists them
    ),
}
CASES = [
    (victim, change, follower)
    for victim, changes in KILLS.items()
    for change, follower in zip(changes, cycle(FOLLOWERS), strict=False)
]


@pytest.fixture(scope="module")
def changes_of(commands, original, tmp_path_factory) -> Callable[[str], list[str]]:
    """What a command changes on the disk when nobody kills it, in this order."""
    root = tmp_path_factory.mktemp("whole") / "at"

    @cache
    def changes(name: str) -> list[str]:
        place = place_at(root, original)
        if name == "adopt":
            (place.dataset / "manifest.json").unlink()
        whole = commands(place.command(name), place.root)
        assert whole["status"] == 0, whole
        return whole["made"]

    return changes


@pytest.mark.parametrize(("victim", "change", "follower"), CASES)
def test_no_row_comes_back_and_no_other_row_goes(
    victim, change, follower, changes_of, commands, original, tmp_path
):
    """At one change of each state that a command goes through.

    Most changes make a file that has no name yet: the state stays the one before. What is left are
    the moments at which a file gets its name or loses it. Of several such files of one kind the
    second stands for all: there are some before it and some after it. The soak takes each change,
    with every command.
    """
    numbers = [n for n, made in enumerate(changes_of(victim), 1) if re.fullmatch(change, made)]
    assert numbers, f"{victim} makes no such change any more: {change}"
    assert one_case(commands, place_at(tmp_path / "at", original), victim, numbers[0], follower)


@pytest.mark.parametrize("victim", VICTIMS)
def test_commands_that_nobody_kills(victim, commands, original, tmp_path):
    assert not one_case(commands, place_at(tmp_path / "at", original), victim, 0, "erase b")


@pytest.mark.soak
@pytest.mark.parametrize("victim", VICTIMS)
def test_at_every_change_and_with_every_command(victim, commands, original, tmp_path):
    kill_at, killed = 0, True
    while killed:
        kill_at += 1
        for follower in FOLLOWERS:
            place = place_at(tmp_path / "at", original)
            killed = one_case(commands, place, victim, kill_at, follower)
    assert kill_at > len(KILLS[victim])


def test_a_folder_of_somebody_else_is_not_removed(commands, original, tmp_path):
    place = place_at(tmp_path / "at", original)
    (place.dataset / STAGING).mkdir()
    (place.dataset / STAGING / "thesis.txt").write_text("mine")
    refused = commands(place.command("erase a"), place.root)
    assert refused["status"] in (1, 2)
    assert "pairsieve did not make it; move it away" in refused["printed"]
    assert (place.dataset / STAGING / "thesis.txt").read_text() == "mine"
    assert not (place.dataset / STAGING / MARKER).exists()


@dataclass(frozen=True)
class Made:
    """The demonstration's dataset and work directory, copied, and one row that is to be taken
    out.
    """

    root: Path
    key_file: Path
    key: str

    @property
    def output(self) -> Path:
        return self.root / "out"

    def erase(self) -> list[str]:
        return ["erase", "--dataset", str(self.output), "--requests", str(self.root / "r.jsonl")]

    def run(self, with_tombstones: bool) -> list[str]:
        rule = (
            ["--set", f"filters.rules.erasure={{tombstones: {self.output}.erased}}"]
            if with_tombstones
            else []
        )
        place = [
            "--output",
            str(self.output),
            "--work",
            str(self.root / "work"),
            "--log",
            "quiet",
            "--direct_num_workers=1",
        ]
        return ["run", *place, "--set", f"publish.key_file={self.key_file}", *rule]

    def has_row(self) -> bool:
        """Whether the row is in a dataset that a reader would take for one."""
        if not (self.output / "manifest.json").exists():
            return False
        paths = [
            f["path"] for f in manifest_of(self.output)["files"] if f["path"].startswith("dataset/")
        ]
        return any(
            self.key in pq.read_table(self.output / path)["key"].to_pylist() for path in paths
        )


def made_at(root: Path, demo_run: Any, key_file: Path) -> Made:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(demo_run.output, root / "out")
    shutil.copytree(demo_run.work, root / "work")
    shard = next(
        path
        for path in sorted(root.glob("out/dataset/en/*.parquet"))
        if pq.read_metadata(path).num_rows
    )
    key = pq.read_table(shard)["key"].to_pylist()[0]
    (root / "r.jsonl").write_text(json.dumps({"key": key}) + "\n")
    return Made(root, key_file, key)


def erase_then_run(
    commands: ForkedCommands, made: Made, kill_at: int, with_tombstones: bool
) -> bool:
    killed = commands(made.erase(), made.root, kill_at)
    committed = (
        killed["status"] == 0 or (made.output / STAGING / COMMIT).exists() or not made.has_row()
    )
    ran = commands(made.run(with_tombstones), made.root)
    assert ran["status"] in ANSWERS, ran
    assert "Traceback" not in ran["printed"], ran["printed"]
    if committed:
        assert not made.has_row()
        assert with_tombstones or ran["status"] == 2, (
            "a config that would bring the row back is refused"
        )
    assert commands(made.erase(), made.root)["status"] == 0
    assert not made.has_row()
    return bool(killed["status"] == KILLED)


def run_then_erase(commands: ForkedCommands, made: Made, kill_at: int) -> bool:
    assert commands(made.erase(), made.root)["status"] == 0
    killed = commands(made.run(with_tombstones=True), made.root, kill_at)
    assert not made.has_row()
    for command in (made.erase(), made.run(with_tombstones=False)):
        followed = commands(command, made.root)
        assert followed["status"] in ANSWERS, followed
        assert "Traceback" not in followed["printed"], followed["printed"]
        assert not made.has_row()
    assert commands(made.run(with_tombstones=True), made.root)["status"] == 0
    assert (made.output / "manifest.json").exists()
    assert not made.has_row()
    assert not list(made.output.glob("unfinished-*"))
    return bool(killed["status"] == KILLED)


@pytest.mark.parametrize("kill_at", [20, 30, 36, 44])
def test_a_run_does_not_bring_back_what_an_erasure_was_about(
    kill_at, commands, demo_run, key_file, tmp_path
):
    made = made_at(tmp_path / "at", demo_run, key_file)
    assert erase_then_run(commands, made, kill_at, with_tombstones=kill_at == 30)


@pytest.mark.parametrize("kill_at", [30, 120])
def test_a_run_that_is_killed_brings_nobody_back(kill_at, commands, demo_run, key_file, tmp_path):
    made = made_at(tmp_path / "at", demo_run, key_file)
    assert run_then_erase(commands, made, kill_at)


@pytest.mark.parametrize("kill_at", [4, 9])
def test_an_audit_that_is_killed_leaves_a_whole_dataset(
    kill_at, commands, demo_run, key_file, tmp_path
):
    """4: before its COMMIT; 9: while its files are moved. The next command finishes it."""
    made = made_at(tmp_path / "at", demo_run, key_file)
    place = ["--dataset", str(made.output), "--work", str(made.root / "work")]
    audit = ["audit", *place, f"--key-file={key_file}", "--report", "--labels=20"]
    assert commands(audit, made.output, kill_at)["status"] == KILLED
    if (made.output / "manifest.json").exists() and not (made.output / STAGING / COMMIT).exists():
        now = hashes(made.output)
        listed = {f["path"]: f["sha256"] for f in manifest_of(made.output)["files"]}
        assert {path: now.get(path) for path in listed} == listed
    # Nobody has labelled, so there is no bound: status 1.
    assert commands(audit, made.output)["status"] == 1
    assert commands(["verify", "--dataset", str(made.output)], made.root)["status"] == 0
    assert "audit.json" in [listed["path"] for listed in manifest_of(made.output)["files"]]
    assert not list(made.output.glob("unfinished-*"))


@pytest.mark.soak
@pytest.mark.parametrize("with_tombstones", [False, True])
def test_an_erasure_that_is_killed_anywhere_and_a_run(
    with_tombstones, commands, demo_run, key_file, tmp_path
):
    kill_at = 1
    while erase_then_run(
        commands, made_at(tmp_path / "at", demo_run, key_file), kill_at, with_tombstones
    ):
        kill_at += 1
    assert kill_at > 30


@pytest.mark.soak
def test_a_run_that_is_killed_anywhere_and_an_erasure(commands, demo_run, key_file, tmp_path):
    kill_at = 1
    while run_then_erase(commands, made_at(tmp_path / "at", demo_run, key_file), kill_at):
        kill_at += 5
    assert kill_at > 100
