"""The whole flow with input, work and output in object stores: run, re-run, erasure; the same bytes
as on a disk.
"""

from __future__ import annotations

import hashlib
import json

import pytest

from pairsieve.storage import files
from pairsieve.storage.lock import FOLDER, InUse, one_writer
from pipeline.cli import main as pairsieve
from pipeline.commands.erase import main as erase
from pipeline.commands.run import main as run
from pipeline.orchestrate.config_file import CONFIGS
from tests.support.datasets import hashes, rows_of

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]


# test_dataflow.py runs every stage in Google's storage.
GOOGLE_IN_SOAK = ["on_s3", pytest.param("on_gs", marks=pytest.mark.soak)]


@pytest.mark.parametrize("kind", GOOGLE_IN_SOAK)
def test_the_whole_flow(kind, request, demo_run, key_file, tmp_path, capsys):
    root, store = request.getfixturevalue(kind)
    arguments = [
        "--output",
        f"{root}/out",
        "--work",
        f"{root}/work",
        "--direct_num_workers=1",
        "--set",
        f"publish.key_file={key_file}",
    ]
    assert run(arguments) == 0, capsys.readouterr().err
    there = {
        path.removeprefix("runs/out/"): hashlib.sha256(store.cat(path)).hexdigest()
        for path in store.find("runs/out")
    }
    assert there == hashes(demo_run.output)

    capsys.readouterr()
    before = store.find("runs/out", detail=True)
    assert run(arguments) == 0
    assert store.find("runs/out", detail=True).keys() == before.keys()

    row = rows_of(demo_run.output)[0]
    (tmp_path / "requests.jsonl").write_text(json.dumps({"image_url": row["URL"]}) + "\n")
    taken = [
        "--dataset",
        f"{root}/out",
        "--requests",
        str(tmp_path / "requests.jsonl"),
        "--tombstones",
        str(tmp_path / "erased"),
    ]
    assert erase(taken) == 0, capsys.readouterr().err
    manifest = json.loads(store.cat("runs/out/manifest.json"))
    assert manifest["version"] == 2
    for listed in manifest["files"]:
        assert (
            hashlib.sha256(store.cat(f"runs/out/{listed['path']}")).hexdigest() == listed["sha256"]
        )
    assert not [path for path in store.find("runs/out") if "unfinished" in path]
    secrets = [path for path in store.find("runs") if b"secret-of-s3" in store.cat(path)]
    assert secrets == [], "credentials are the environment's alone"


@pytest.mark.parametrize("kind", GOOGLE_IN_SOAK)
def test_input_in_a_store(kind, request, demo_run, key_file, tmp_path, capsys):
    root, store = request.getfixturevalue(kind)
    store.pipe("runs/in/crawl.warc.gz", (CONFIGS / "demo" / "crawl.warc.gz").read_bytes())
    arguments = [
        "--input",
        f"{root}/in/*.warc.gz",
        "--output",
        str(tmp_path / "out"),
        "--work",
        f"{root}/in-work",
        "--direct_num_workers=1",
    ]
    assert run([*arguments, "--set", f"publish.key_file={key_file}"]) == 0, capsys.readouterr().err
    assert {row["warc_file"] for row in rows_of(tmp_path / "out")} == {f"{root}/in/crawl.warc.gz"}
    ours, theirs = (
        [{**row, "warc_file": ""} for row in rows_of(place)]
        for place in (tmp_path / "out", demo_run.output)
    )
    assert ours == theirs


@pytest.mark.parametrize("kind", GOOGLE_IN_SOAK)
def test_verbs_of_a_dataset(kind, request, demo_run, tmp_path, capsys):
    """A dataset in a store is checked, indexed and handed on as one on a disk."""
    root, store = request.getfixturevalue(kind)
    store.put(f"{demo_run.output}/", "runs/verbs/out/", recursive=True)
    printed = {}
    for place, dataset in {"disk": str(demo_run.output), "store": f"{root}/verbs/out"}.items():
        index, copy = tmp_path / place / "index", tmp_path / place / "copy"
        for arguments in (
            ["verify", "--dataset", dataset],
            ["check", "--dataset", dataset, "--out", tmp_path / place / "check.html"],
            ["index", "--dataset", dataset, "--out", index],
            ["search", "--dataset", dataset, "--index", index, "--json", "star"],
            ["export", "--dataset", dataset, "--out", copy, "--laion-compat"],
        ):
            call(*arguments)
        said = capsys.readouterr().out
        printed[place] = said.replace(dataset, "").replace(f"/{place}/", "/")
    assert printed["store"] == printed["disk"]
    assert hashes(tmp_path / "store" / "copy") == hashes(tmp_path / "disk" / "copy")


def call(*arguments: object) -> None:
    """Run a verb through the command; it must end well."""
    with pytest.raises(SystemExit) as ended:
        pairsieve([str(argument) for argument in arguments])
    assert ended.value.code == 0, arguments


@pytest.mark.parametrize("kind", ["on_s3", "on_gs"])
def test_one_writer_at_a_time(kind, request):
    """By a conditional put; what a killed writer left is watched, and then passed over."""
    root, store = request.getfixturevalue(kind)
    folder = f"{root}/locked"
    with (
        one_writer(folder, renew_s=0.2),
        pytest.raises(InUse, match="since"),
        one_writer(folder, stale_s=60.0),
    ):
        pass
    assert not store.find(folder.partition("://")[2])
    files.create(f"{folder}/{FOLDER}/000000000001.json", "{}")
    assert not files.create(f"{folder}/{FOLDER}/000000000001.json", "{}")
    with one_writer(folder, stale_s=0.1) as lock:
        lock.check()
    assert not store.find(folder.partition("://")[2])
