"""Damage is noticed: parts that are gone or changed, shards, manifests that were cut off; and what
is not ours stays.
"""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.records.manifest import parse_manifest
from pipeline.commands.adopt import main as adopt
from pipeline.commands.erase import main as erase
from pipeline.commands.explore import main as explore
from pipeline.commands.export import main as export
from pipeline.commands.purge import main as purge
from pipeline.commands.verify import main as verify
from pipeline.dataset.manifest import read_manifest
from tests.support.datasets import hashes, manifest_of, rows_of
from tests.support.demo_runs import copy_of

NOT_PUBLISHED = ["--set", "publish.shards=3"]  # has publish run again


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("stage", ["extract", "fetch", "score"])
def test_a_part_that_is_gone_is_made_anew(stage, demo_run, run_demo, tmp_path, caplog):
    folder = copy_of(demo_run, tmp_path)
    part = sorted(folder.glob(f"work/{stage}/*/part-*.parquet"))[0]
    part.unlink()
    ran = run_demo(*NOT_PUBLISHED, folder=folder)
    assert ran.status == 0, ran.printed
    assert (
        f"{stage}: 1 files of its result are gone, as {part.stem}; doing them again" in caplog.text
    )
    assert len(rows_of(ran.output)) == len(rows_of(demo_run.output))


def test_the_places_in_an_archive_that_are_gone(demo_run, run_demo, tmp_path):
    folder = copy_of(demo_run, tmp_path)
    shutil.rmtree(next(folder.glob("work/fetch/*")))
    sorted(folder.glob("work/extract/*/locations/*.parquet"))[0].unlink()
    ran = run_demo(folder=folder)
    assert ran.status == 0, ran.printed
    assert hashes(ran.output) == hashes(demo_run.output)


@pytest.mark.parametrize("stage", ["extract", "fetch", "score"])
def test_a_part_with_a_flipped_bit_stops_the_run(stage, demo_run, run_demo, tmp_path):
    folder = copy_of(demo_run, tmp_path)
    part = sorted(folder.glob(f"work/{stage}/*/part-*.parquet"))[0]
    flip(part, 100)
    ran = run_demo(*NOT_PUBLISHED, folder=folder)
    assert ran.status == 1
    assert f"{part.name} is damaged" in ran.printed
    assert "Remove it; the same command makes it anew" in ran.printed
    part.unlink()
    assert run_demo(*NOT_PUBLISHED, folder=folder).status == 0


@pytest.mark.parametrize("stage", ["extract", "fetch", "score"])
def test_a_part_in_the_place_of_another_stops_the_run(stage, demo_run, run_demo, tmp_path):
    """It is whole, and not the one that the stage was finished with."""
    folder = copy_of(demo_run, tmp_path)
    first, second = sorted(folder.glob(f"work/{stage}/*/part-*.parquet"))[:2]
    shutil.copy(first, second)
    ran = run_demo(*NOT_PUBLISHED, folder=folder)
    assert ran.status == 1
    assert f"{second.name} is damaged" in ran.printed


@pytest.mark.parametrize("text", ["", "{", "[]", '{"counts": {}}', "null"])
def test_a_manifest_of_a_stage_that_is_cut_off(text, demo_run, run_demo, tmp_path):
    folder = copy_of(demo_run, tmp_path)
    manifest = next(folder.glob("work/score/*/manifest.json"))
    manifest.write_text(text)
    ran = run_demo(folder=folder)
    assert ran.status == 1
    assert f"{manifest} is damaged" in ran.printed
    manifest.unlink()
    assert run_demo(folder=folder).status == 0


@pytest.fixture
def dataset(demo_run, tmp_path):
    shutil.copytree(demo_run.output, tmp_path / "out")
    return tmp_path / "out"


def some_shard(dataset):
    return next(
        path
        for path in sorted(dataset.glob("dataset/en/*.parquet"))
        if pq.read_metadata(path).num_rows
    )


def asked_for_a_row_of(shard, tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"key": pq.read_table(shard)["key"].to_pylist()[0]}) + "\n")
    return ["--requests", str(path)]


def test_a_dataset_is_verified(dataset, tmp_path, capsys):
    given = ["--dataset", str(dataset)]
    assert verify(given) == 0
    assert capsys.readouterr().out.endswith("no problems\n")
    shard = some_shard(dataset)
    name = shard.relative_to(dataset)
    whole = shard.read_bytes()
    flip(shard, 200)
    assert verify(given) == 1
    assert f"{name}: its sha256 is not the manifest's" in capsys.readouterr().out
    shard.write_bytes(whole[:-1])
    assert verify([*given, "--quick"]) == 1
    assert f"{name}: it has {len(whole) - 1} bytes" in capsys.readouterr().out
    shard.unlink()
    assert verify(given) == 1
    assert f"{name}: it is missing" in capsys.readouterr().out
    shard.write_bytes(whole)
    shutil.copy(shard, shard.with_name("other.parquet"))
    assert verify(given) == 1
    assert "other.parquet: the manifest does not list it" in capsys.readouterr().out
    assert verify(["--dataset", str(tmp_path)]) == 2


def test_a_damaged_shard_gets_no_new_checksum(dataset, tmp_path, capsys):
    shard = some_shard(dataset)
    given = asked_for_a_row_of(shard, tmp_path)
    column = pq.read_metadata(shard).row_group(0).column(5)
    flip(shard, column.data_page_offset + column.total_compressed_size - 2)
    before = hashes(dataset)
    assert erase(["--dataset", str(dataset), *given]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert {
        name: value for name, value in hashes(dataset).items() if not name.startswith("unfinished-")
    } == before
    assert (
        export(["--dataset", str(dataset), "--out", str(tmp_path / "copy"), "--laion-compat"]) == 2
    )
    assert "is damaged" in capsys.readouterr().err
    assert not (tmp_path / "copy" / "manifest.json").exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '{"files": 7}', '{"files": [{"path": 7, "rows": 1}]}', "[" * 100_000],
)
def test_a_manifest_that_cannot_be_read(text, dataset, tmp_path, capsys):
    given = asked_for_a_row_of(some_shard(dataset), tmp_path)
    (dataset / "manifest.json").write_text(text)
    assert erase(["--dataset", str(dataset), *given]) == 2
    assert "manifest.json is damaged, or no manifest of pairsieve" in capsys.readouterr().err


def test_manifests_are_read_and_written_back_byte_for_byte(dataset, tmp_path, capsys):
    """Those of a run, an erasure, an export and an adopted dataset, before and after an erasure."""
    given = asked_for_a_row_of(some_shard(dataset), tmp_path)
    places = [dataset, *(tmp_path / name for name in ("copy", "adopted"))]
    assert export(["--dataset", str(dataset), "--out", str(places[1]), "--columns=URL,key"]) == 0
    shutil.copytree(dataset / "dataset", places[2] / "dataset")
    assert adopt(["--dataset", str(places[2])]) == 0
    for version in (1, 2):
        for place in places:
            text = (place / "manifest.json").read_text()
            assert parse_manifest(text).text() == text
            assert read_manifest(str(place)).version == version
            if version == 1:
                assert erase(["--dataset", str(place), *given]) == 0, capsys.readouterr()


@pytest.mark.parametrize("change", [{}, {"rows": None}, {"rows": "1"}, {"sha256": None}])
@pytest.mark.parametrize(
    "path",
    ["../../victim.parquet", "/etc/victim.parquet", "file:///etc/x.parquet", "sub/x.parquet"],
)
def test_a_strangers_manifest_leads_nowhere(path, change, dataset, tmp_path, capsys):
    victim = tmp_path / "victim"
    victim.mkdir()
    shard = some_shard(dataset)
    given = asked_for_a_row_of(shard, tmp_path)
    shutil.copy(shard, victim / "x.parquet")
    before = hashes(victim)
    (dataset / "sub").symlink_to(victim)
    manifest = manifest_of(dataset)
    manifest["rows"] = ""
    manifest["files"].append({**manifest["files"][0], "path": path, **change})
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    assert erase(["--dataset", str(dataset), *given]) == 2
    said = capsys.readouterr().err
    assert ("is damaged" if change else "cannot be used") in said
    assert hashes(victim) == before


def test_a_dataset_with_links_is_not_adopted(tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "ds").mkdir()
    pq.write_table(
        pa.table({"url": ["https://a.example/1.jpg"]}), tmp_path / "elsewhere" / "x.parquet"
    )
    (tmp_path / "ds" / "sub").symlink_to("../elsewhere")
    assert adopt(["--dataset", str(tmp_path / "ds")]) == 2
    assert capsys.readouterr().err
    assert not (tmp_path / "ds" / "manifest.json").exists()


def test_a_folder_of_its_own_name_in_a_dataset(tmp_path):
    folder = tmp_path / "ds" / "ds" / "ds"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"url": ["https://a.example/1.jpg"]}), folder / "x.parquet")
    assert adopt(["--dataset", str(tmp_path / "ds")]) == 0
    assert [f["path"] for f in manifest_of(tmp_path / "ds")["files"]] == ["ds/ds/x.parquet"]


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "report.html",
        "metadata.json",
        "manifest.json",
        "ledger/mine.txt",
        "unreleased/mine.txt",
    ],
)
def test_what_others_keep_in_the_output_directory_stays(name, run_demo, tmp_path):
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("{}" if name.endswith(".json") else "mine")
    before = hashes(tmp_path / "out")
    refused = run_demo(folder=tmp_path)
    assert refused.status == 2, refused.printed
    assert "pairsieve did not make" in refused.printed
    assert hashes(tmp_path / "out") == before


def test_a_folder_that_is_called_like_one_of_ours_stays(demo_run, run_demo, tmp_path):
    folder = copy_of(demo_run, tmp_path)
    (folder / "out" / "unfinished-thesis").mkdir()
    (folder / "out" / "unfinished-thesis" / "mine.txt").write_text("mine")
    ran = run_demo(*NOT_PUBLISHED, folder=folder)
    assert ran.status == 0, ran.printed
    assert (folder / "out" / "unfinished-thesis" / "mine.txt").read_text() == "mine"


def test_a_file_beside_our_shards_is_not_removed(demo_run, run_demo, tmp_path):
    folder = copy_of(demo_run, tmp_path)
    (folder / "out" / "dataset" / "notes.txt").write_text("mine")
    ran = run_demo(*NOT_PUBLISHED, folder=folder)
    assert ran.status == 2
    assert "holds dataset/notes.txt, which pairsieve did not make" in ran.printed


def test_private_things_in_the_output_directory_are_refused(run_demo, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    for setting in (
        ["--work", str(tmp_path / "out" / "work")],
        ["--work", str(tmp_path / "link" / "work")],
        ["--set", f"publish.key_file={tmp_path / 'link' / 'ledger.key'}"],
        ["--set", f"filters.rules.erasure={{tombstones: {tmp_path / 'out' / 'erased'}}}"],
    ):
        ran = run_demo(*setting, folder=tmp_path)
        assert ran.status == 2, setting
        assert "which is published; name another place" in ran.printed


@pytest.mark.parametrize("text", ["", "\n", "00", "00" * 31, "00" * 33, "zz" * 32, "secret"])
def test_a_short_key_is_no_key(text, run_demo, tmp_path):
    (tmp_path / "ledger.key").write_text(text)
    ran = run_demo("--set", f"publish.key_file={tmp_path / 'ledger.key'}", folder=tmp_path)
    assert ran.status == 2
    assert "ledger.key holds no secret" in ran.printed


def test_private_files_and_folders_are_private_from_the_start(run_demo, tmp_path):
    ran = run_demo("--stages=extract", folder=tmp_path)
    assert ran.status == 0, ran.printed
    assert (tmp_path / "work").stat().st_mode & 0o777 == 0o700


def test_purge_removes_nothing_of_others(demo_run, tmp_path, capsys):
    folder = copy_of(demo_run, tmp_path)
    (folder / "work" / "fetch" / "thesis").mkdir()
    (folder / "work" / "fetch" / "thesis" / "mine.txt").write_text("mine")
    assert purge(["--work", str(folder / "work"), "--stage", "fetch", "--yes"]) == 0
    assert [path.name for path in (folder / "work" / "fetch").iterdir()] == ["thesis"]
    assert "thesis" not in capsys.readouterr().out


def test_requests_of_people_do_not_lie_in_the_dataset(dataset, capsys):
    assert explore(["--dataset", str(dataset), "--queue", str(dataset / "requests")]) == 2
    assert "which is published; name another --queue" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["[]", "null", "7", '{"pairsieve": 1}', '{"pairsieve": "0.1", "files": 7}', "{", "[" * 100_000],
)
def test_a_manifest_in_the_output_directory_that_is_none(text, run_demo, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(text)
    refused = run_demo(folder=tmp_path)
    assert refused.status == 2, refused.printed
    assert "choose another --output" in refused.printed
    assert (tmp_path / "out" / "manifest.json").read_text() == text


def test_an_erasure_that_a_stranger_has_begun_leads_nowhere(dataset, tmp_path, capsys):
    shutil.copytree(dataset, tmp_path / "victim")
    staging = dataset / "unfinished-erasure"
    staging.mkdir()
    manifest = manifest_of(dataset)
    manifest["files"] = [
        {**manifest["files"][0], "path": "../victim/" + manifest["files"][0]["path"]}
    ]
    (staging / "manifest.json").write_text(json.dumps(manifest))
    (staging / "COMMIT").write_text("[]")
    before = hashes(tmp_path)
    assert verify(["--dataset", str(dataset)]) == 2
    assert "cannot be used" in capsys.readouterr().err
    assert hashes(tmp_path) == before
