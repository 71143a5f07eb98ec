"""The whole flow through the command."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys

import apache_beam as beam
import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import plain_loop
from demo.crawl import make_crawl
from pairsieve.records.row import GUARDED, published_names
from pairsieve.storage import files
from pairsieve.web.language import SUBSETS
from pipeline.commands.verify import main as verify
from pipeline.load_config import load_config
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.engine import Engine
from pipeline.orchestrate.plan import make_plan
from pipeline.orchestrate.stage_result import TooMuchQuarantined
from pipeline.orchestrate.stages import Run
from tests.support.commands import interruptible_command, record_jobs, run_in_subprocess
from tests.support.datasets import hashes, manifest_of, rows_of
from tests.support.demo_runs import PLANTED, copy_of
from tests.support.paths import REPOSITORY
from tests.support.warcs import page
from transforms.shard import ShardSettings, pack, write_shard


def test_the_last_line_names_directory_and_counts(demo_run):
    assert demo_run.status == 0
    samples = manifest_of(demo_run.output)["counts"]["publish"]["sample"]
    dropped = sum(samples["dropped"].values())
    assert (
        demo_run.printed.splitlines()[-1]
        == f"{demo_run.output}: {samples['kept']} kept, {dropped} dropped, 0 quarantined"
    )


def test_counts_add_up_at_every_stage(demo_run):
    counts = manifest_of(demo_run.output)["counts"]
    assert list(counts) == ["extract", "fetch", "score", "publish"]
    for units in counts.values():
        for unit in units.values():
            assert unit["entered"] == unit["kept"] + sum(unit["dropped"].values()) + sum(
                unit["quarantined"].values()
            )
    assert (
        counts["extract"]["image"]["kept"]
        == counts["fetch"]["pair"]["entered"]
        == counts["publish"]["sample"]["entered"]
    )
    assert counts["publish"]["sample"]["kept"] == len(rows_of(demo_run.output))


EVERY_OUTCOME = {
    "extract": {"record": ["length_mismatch"], "page": ["http_301", "page_empty"],
                "image": ["duplicate", "caption_too_short", "caption_too_long", "url_scheme", "url_suffix", "url_host", "url_invalid",
                          "url_too_long", "url_dropped_host"]},
    "fetch": {"pair": ["not_requested", "not_in_archive", "http_error", "empty", "refused_by_response"]},
    "score": {"pair": ["undecodable", "format_not_taken", "aspect_ratio"]},
    "publish": {"sample": ["similarity_low", "medical_picture", "medical_page", "rights_noai", "rights_noimageai", "rights_tdm_reserved", "image_bytes_low"]},
}  # fmt: skip


def test_the_demo_crawl_shows_every_outcome(demo_run):
    counts = manifest_of(demo_run.output)["counts"]
    for stage, units in EVERY_OUTCOME.items():
        for unit, reasons in units.items():
            found = counts[stage][unit]["dropped"] | counts[stage][unit]["quarantined"]
            assert set(reasons) <= set(found), f"{stage} {unit}"
    assert counts["extract"]["record"]["quarantined"] == {"damaged": 1, "length_mismatch": 1}
    rows = rows_of(demo_run.output)
    assert {path.parent.name for path in demo_run.output.glob("dataset/*/*.parquet")} == set(
        SUBSETS
    )
    assert any("[PHONE]" in row["TEXT"] for row in rows)
    assert any("[EMAIL]" in row["TEXT"] for row in rows)
    assert any("creativecommons.org" in row["LICENSE"] for row in rows)


def test_what_must_not_be_published_is_not(demo_run):
    urls = {row["URL"] for row in rows_of(demo_run.output)}
    assert not any("artist.example" in url for url in urls)
    assert not any(
        "clinic.example/cases" in url or "leaks.example" in url or "blog.example" in url
        for url in urls
    )


def test_nothing_personal_in_ledger_manifest_card_or_log(demo_run):
    public = b"".join(path.read_bytes() for path in demo_run.output.rglob("*") if path.is_file())
    ledger = str(pq.read_table(demo_run.output / "ledger").to_pylist())
    for words in PLANTED[:3]:
        assert words.encode() not in public
    for words in PLANTED:
        assert words not in ledger
        assert words not in demo_run.printed
        assert words not in (demo_run.output / "manifest.json").read_text().replace(
            "two photos of a face before and after surgery", ""
        )


def test_the_manifest_describes_every_file(demo_run):
    listed = {entry["path"]: entry for entry in manifest_of(demo_run.output)["files"]}
    on_disk = {
        path.relative_to(demo_run.output).as_posix(): path
        for tree in ("dataset", "ledger")
        for path in (demo_run.output / tree).rglob("*.parquet")
    }
    assert set(listed) == set(on_disk)
    for name, path in on_disk.items():
        assert listed[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert listed[name]["rows"] == pq.read_metadata(path).num_rows


def test_the_manifest_holds_no_folder_of_this_machine(demo_run):
    assert str(REPOSITORY) not in (demo_run.output / "manifest.json").read_text()
    assert str(demo_run.work) not in (demo_run.output / "manifest.json").read_text()
    assert manifest_of(demo_run.output)["demo_model"] is True


def test_the_data_card_says_what_the_manifest_says(demo_run):
    card = (demo_run.output / "README.md").read_text()
    assert "Demonstration only" in card
    assert f"{len(rows_of(demo_run.output))} image-text pairs" in card
    names = published_names("private")
    assert all(f"| `{name}` |" in card for name in names)
    assert not any(f"| `{column.name}` |" in card for column in GUARDED)
    assert "nobody can look up such people" in card
    for rule in manifest_of(demo_run.output)["rules"]:
        assert f"- `{rule['name']}` version {rule['version']}" in card


def test_picture_bytes_are_gone_when_scoring_is_complete(demo_run):
    assert not list(demo_run.work.rglob("*.arrow"))
    assert not list(demo_run.output.glob("unfinished-*"))


def test_the_result_equals_a_plain_loop(demo_run, demo_plan, tmp_path):
    found = plain_loop.extract(demo_plan)
    images = plain_loop.fetch(demo_plan, found.parts, found.locations, {})
    scores = plain_loop.score(demo_plan, found.parts, images, {})
    shelved = list(plain_loop.publish(demo_plan, found.parts, images, scores, bytes(32)))
    folders = [*(f"dataset/{subset}" for subset in SUBSETS), "ledger"]
    settings = ShardSettings(str(tmp_path), folders, 1, private=str(tmp_path / "private"))
    for folder in folders:
        rows = [item.row for item in shelved if item.folder == folder]
        write_shard(((folder, 0), [pack(rows, settings.schema(folder))] if rows else []), settings)
    for tree in ("dataset", "ledger"):
        assert hashes(tmp_path / tree) == hashes(demo_run.output / tree)


def test_two_worker_processes_give_the_same_bytes(demo_run, key_file, tmp_path):
    ran = run_in_subprocess(
        "--runner=DirectRunner", "--direct_num_workers=2", "--output", str(tmp_path / "out"),
        "--work", str(tmp_path / "work"),
        "--set", f"publish.key_file={key_file}",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert hashes(tmp_path / "out") == hashes(demo_run.output)
    assert "example" not in ran.stderr, "logs hold no URL"


def test_a_second_run_reuses_everything(demo_run, run_demo, monkeypatch):
    before = hashes(demo_run.output)
    monkeypatch.setattr(
        "pipeline.orchestrate.engine.Engine.run", lambda *_: pytest.fail("no job may run")
    )
    again = run_demo(folder=demo_run.output.parent)
    assert again.status == 0
    assert again.printed.splitlines()[-1] == demo_run.printed.splitlines()[-1]
    assert hashes(demo_run.output) == before


def test_a_changed_rule_runs_publish_alone(demo_run, run_demo, monkeypatch, tmp_path):
    jobs = record_jobs(monkeypatch)
    folder = copy_of(demo_run, tmp_path)
    stricter = run_demo("--set", "filters.rules.similarity.thresholds.en=0.95", folder=folder)
    assert stricter.status == 0
    assert jobs == ["pairsieve demo/publish"]
    assert len(rows_of(stricter.output)) < len(rows_of(demo_run.output))


def test_older_shards_are_not_left_beside_new_ones(demo_run, run_demo, tmp_path):
    again = run_demo("--set", "publish.shards=2", folder=copy_of(demo_run, tmp_path))
    assert sorted(path.name for path in again.output.glob("dataset/en/*")) == [
        "part-00000-of-00002.parquet",
        "part-00001-of-00002.parquet",
    ]
    key = lambda row: row["key"]  # noqa: E731
    assert sorted(rows_of(again.output), key=key) == sorted(rows_of(demo_run.output), key=key)


def test_finished_parts_are_not_done_again(demo_run, run_demo, monkeypatch, tmp_path):
    folder = copy_of(demo_run, tmp_path)
    (score,) = (folder / "work" / "score").iterdir()
    finished = sorted(score.glob("*.parquet"))
    assert len(finished) > 1
    (score / "manifest.json").unlink()
    finished[0].unlink()
    (score / "part-00000-0000.parquet.0.tmp").write_text("half a part of a killed run")
    others = {path: path.stat().st_mtime_ns for path in finished[1:]}
    shutil.rmtree(folder / "out")
    jobs = record_jobs(monkeypatch)
    resumed = run_demo(folder=folder)
    assert jobs == ["pairsieve demo/score", "pairsieve demo/publish"]
    assert hashes(resumed.output) == hashes(demo_run.output)
    assert {path: path.stat().st_mtime_ns for path in finished[1:]} == others
    assert not list(score.glob("*.tmp"))


def test_a_full_disk_leaves_no_half_shard_and_the_next_run_finishes(
    demo_run, run_demo, monkeypatch, tmp_path
):
    folder = copy_of(demo_run, tmp_path)
    shutil.rmtree(folder / "out")
    shutil.rmtree(folder / "work" / "publish")
    original, calls = files.open_whole, []

    def failing(path: str, **settings: bool):
        calls.append(path)
        if "dataset/multi" in path:
            raise OSError(28, "No space left on device")
        return original(path, **settings)

    monkeypatch.setattr(files, "open_whole", failing)
    failed = run_demo(folder=folder)
    assert failed.status == 1
    assert "No space left on device" in failed.printed
    assert "the same command goes on from there" in failed.printed
    assert not (folder / "out" / "dataset").exists()
    assert not (folder / "out" / "manifest.json").exists()
    monkeypatch.undo()
    finished = run_demo(folder=folder)
    assert finished.status == 0
    assert hashes(finished.output) == hashes(demo_run.output)


def test_a_killed_run_is_finished_by_the_next_one(demo_run, run_demo, key_file, tmp_path, caplog):
    arguments = ["--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    arguments += ["--set", f"publish.key_file={key_file}", "--direct_num_workers=1"]
    running = subprocess.Popen(
        [sys.executable, "-m", "pipeline.run", *arguments],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "score: running" in line:
            break
    running.kill()
    running.wait()
    running.stderr.close()
    assert not (tmp_path / "out" / "dataset").exists()
    finished = run_demo(folder=tmp_path)
    assert finished.status == 0, finished.printed
    assert "extract: reused" in caplog.text
    assert hashes(tmp_path / "out") == hashes(demo_run.output)


def test_an_output_directory_that_is_not_ours_is_left_alone(run_demo, tmp_path):
    (tmp_path / "out" / "dataset").mkdir(parents=True)
    (tmp_path / "out" / "dataset" / "mine.txt").write_text("mine")
    refused = run_demo(folder=tmp_path)
    assert refused.status == 2
    assert (
        "mine.txt, which pairsieve did not make; move it away, or choose another --output"
        in refused.printed
    )
    assert (tmp_path / "out" / "dataset" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "/nonexistent/*.warc.gz"], "no file matches /nonexistent/*.warc.gz"),
        (["--confg", "x.yaml"], "unknown option --confg; did you mean '--config'?"),
        (["--config", "/nonexistent.yaml"], "cannot read the config /nonexistent.yaml"),
        (["--set", "filters.rules.similarty={}"], "did you mean 'similarity'?"),
        (["--set", "fetch.source=web"], "set fetch.contact"),
    ],
)
def test_exit_status_2_with_the_remedy(arguments, message, run_demo):
    ran = run_demo(*arguments)
    assert ran.status == 2
    assert message in ran.printed
    assert "Traceback" not in ran.printed


def test_nothing_read_is_no_success(run_demo, tmp_path):
    (tmp_path / "not-a.warc.gz").write_text("hello")
    ran = run_demo("--input", str(tmp_path / "not-a.warc.gz"), folder=tmp_path)
    assert ran.status == 1
    assert "nothing could be read (files: unreadable_NotAnArchive 1)" in ran.printed
    assert "Traceback" not in ran.printed
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_wrong_file_is_one_counted_problem(run_demo, tmp_path):
    (tmp_path / "not-a.warc.gz").write_text("hello")
    (tmp_path / "page.warc.gz").write_bytes(page())
    ran = run_demo(
        "--input", str(tmp_path / "*.warc.gz"), "--set", "input.max_unreadable=0.5", folder=tmp_path
    )
    assert ran.status == 0
    manifest = manifest_of(tmp_path / "out")
    assert manifest["counts"]["extract"]["file"]["quarantined"] == {"unreadable_NotAnArchive": 1}
    assert manifest["problems"] == [
        {"where": "not-a.warc.gz", "unit": "file", "reason": "unreadable_NotAnArchive"}
    ]
    assert rows_of(tmp_path / "out") == []


BROKEN = (
    "filters.detectors={tests.support.broken_detectors:Broken: {}, page_rights: {}, response_rights: {}, "
    "picture_metadata: {}, picture_hash: {}, "
    "licence: {}, page_types: {}, page_head: {}, personal_data: {}, medical_caption: {}, "
    "medical_page: {}, medical_picture: {}, dicom: {}, children_caption: {}, children_page: {}, "
    "children_urls: {}}"
)


def test_a_detector_that_raises_publishes_nothing(run_demo, tmp_path):
    ran = run_demo("--set", BROKEN, folder=tmp_path)
    assert ran.status == 1
    assert "could not be judged (error:OverflowError" in ran.printed
    assert "more than publish.max_quarantine = 0.01 allows" in ran.printed
    assert "secret words" not in ran.printed
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_detector_that_raises_quarantines_its_rows(run_demo, tmp_path):
    ran = run_demo("--set", BROKEN, "--set", "publish.max_quarantine=1", folder=tmp_path)
    assert ran.status == 0
    quarantined = manifest_of(tmp_path / "out")["counts"]["publish"]["sample"]["quarantined"]
    assert sum(quarantined.values()) > 100
    assert set(quarantined) == {"error:OverflowError"}
    assert rows_of(tmp_path / "out") == []
    assert "secret words" not in ran.printed


def test_a_head_fills_laions_columns_and_its_rule_drops(run_demo, demo_plan, tmp_path):
    (model,) = map(str, demo_plan.models.values())
    np.savez(
        tmp_path / "head.npz",
        weight=np.eye(1, 64, dtype=np.float32) * 9,
        bias=np.zeros(1, np.float32),
    )
    limits = "unsure_from: 0.5, nsfw_from: 0.9"
    ran = run_demo(
        "--set",
        f"filters.detectors.nsfw_head={{heads: {{{model}: {tmp_path / 'head.npz'}}}, {limits}}}",
        "--set",
        "filters.rules.nudity={drop_from: 0.6, tag_from: 0.5}",
        "--set",
        "publish.sensitive=published",
        folder=tmp_path,
    )
    assert ran.status == 0
    rows = rows_of(tmp_path / "out")
    assert {row["NSFW"] for row in rows} <= {"UNLIKELY", "UNSURE"}
    assert all((row["punsafe"] >= 0.5) == ("nudity_possible" in row["tags"]) for row in rows)
    manifest = manifest_of(tmp_path / "out")
    assert manifest["counts"]["publish"]["sample"]["dropped"]["nudity"] > 0
    assert sum(manifest["scored_by"].values()) == manifest["counts"]["score"]["pair"]["kept"]
    other = run_demo(
        "--set",
        f"filters.detectors.nsfw_head={{heads: {{other@0: head.npz}}, {limits}}}",
        folder=tmp_path,
    )
    assert other.status == 2
    assert f"no head for the model {model}" in other.printed


def test_no_job_but_score_asks_for_an_accelerator(run_demo, monkeypatch, tmp_path):
    asking, run = {}, beam.Pipeline.run

    def watched(pipeline, *arguments, **options):
        proto = pipeline.to_runner_api()
        names = {
            transform.unique_name.partition("/")[0]
            for transform in proto.components.transforms.values()
        }
        hinted = [
            e
            for e in proto.components.environments.values()
            if "beam:resources:accelerator:v1" in e.resource_hints
        ]
        asking[frozenset(names)] = bool(hinted)
        return run(pipeline, *arguments, **options)

    monkeypatch.setattr(beam.Pipeline, "run", watched)
    assert (
        run_demo("--set", "score.accelerator=type:nvidia-l4;count:1", folder=tmp_path).status == 0
    )
    assert len(asking) >= 4
    assert ["Score parts" in names for names, hinted in asking.items() if hinted] == [True]


def test_the_help_teaches_without_loading_anything_heavy():
    code = (
        "import sys, pipeline.commands.run as r\ntry: r.main(['--help'])\nexcept SystemExit: "
        "pass\nassert 'torch' not in sys.modules\nassert 'apache_beam' not in sys.modules"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    for words in (
        "--config",
        "--input",
        "--output",
        "--work",
        "--set",
        "Exit status",
        "demonstration",
    ):
        assert words in shown.stdout


def test_the_demo_crawl_is_what_its_script_makes():
    assert len([r for r in make_crawl() if r.content_type.startswith("text/html")]) >= 100
    assert os.path.getsize(REPOSITORY / "configs/demo/clip/open_clip_model.safetensors") < 8_000_000


def test_jobs_that_nobody_waited_for_are_taken_over(
    run_demo, demo_run, key_file, monkeypatch, tmp_path
):
    """As after a template, or when the command was interrupted and the job went on."""
    settings = [f"publish.key_file={key_file}"]
    plan = make_plan(
        load_config(
            CONFIGS / "demo.yaml",
            settings,
            {"output": str(tmp_path / "out"), "work": str(tmp_path / "work")},
        )
    )
    for stage in ("extract", "fetch", "score", "publish"):
        Run(plan, Engine(("--direct_num_workers=1",))).submit(stage)
        assert not list(tmp_path.glob(f"work/{stage}/*/manifest.json"))
        if stage == "publish":
            jobs = record_jobs(monkeypatch)
        assert run_demo(f"--stages={stage}", folder=tmp_path).status == 0
        assert list(tmp_path.glob(f"work/{stage}/*/manifest.json"))
    assert jobs == []
    assert hashes(tmp_path / "out") == hashes(demo_run.output)


def test_a_dataset_that_is_made_again_is_listed_as_it_is_now(
    run_demo, demo_run, monkeypatch, tmp_path
):
    """Its ledger has other keys than that of the run before, whose counts are still there."""
    folder = copy_of(demo_run, tmp_path)
    shutil.rmtree(folder / "out")
    other_key = tmp_path / "other.key"
    other_key.write_text("11" * 32)
    jobs = record_jobs(monkeypatch)
    made = run_demo("--set", f"publish.key_file={other_key}", folder=folder)
    assert (made.status, jobs) == (0, ["pairsieve demo/publish"])
    assert verify(["--dataset", str(made.output)]) == 0
    ledger = {path: digest for path, digest in hashes(made.output).items() if "ledger/" in path}
    assert ledger != {path: hashes(demo_run.output)[path] for path in ledger}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stages=score"], "score needs extract, which is not done for this config; run it first (--stages extract)"),
        (["--stages=scoer"], "there is no stage 'scoer'"),
        (["--stages=,"], "--stages names no stage; there are extract, fetch, score, compare, publish"),
        (["--runner=PortableRunner", "--job_endpoint=localhost:1"], "nothing answers at localhost:1 (ConnectionRefusedError); check --job_endpoint"),
        (["--runner=FlinkRunner", "--flink_master=http://127.0.0.1:1"], "nothing answers at http://127.0.0.1:1"),
        (["--runner=PortableRunner", "--job_endpoint=localhost:99999"], "--job_endpoint=localhost:99999 is no address"),
    ],
)  # fmt: skip
def test_what_cannot_be_submitted(arguments, said, run_demo, tmp_path):
    tried = run_demo(*arguments, folder=tmp_path)
    assert tried.status in (1, 2)
    assert said in tried.printed
    assert not (tmp_path / "out").exists()


def test_a_part_of_the_flow(run_demo, monkeypatch, tmp_path):
    first = run_demo("--stages=fetch,extract", folder=tmp_path)
    assert (
        first.printed.splitlines()[-1]
        == f"{tmp_path / 'work'}: extract, fetch done, nothing is published yet"
    )
    assert "fetch    pair" in first.printed
    assert "score" not in first.printed.partition("stage ")[2]
    jobs = record_jobs(monkeypatch)
    assert run_demo(folder=tmp_path).status == 0
    assert jobs == ["pairsieve demo/score", "pairsieve demo/publish"]


def test_a_job_is_not_written_for_what_is_done(run_demo, demo_run, tmp_path):
    """It would be removed first."""
    shutil.copytree(demo_run.work, tmp_path / "work")
    before = hashes(tmp_path / "work" / "extract")
    template = [
        "--runner=DataflowRunner",
        "--project=p",
        "--region=r",
        "--temp_location=gs://b-ucket/t",
        "--template_location=gs://b-ucket/x",
    ]
    told = run_demo("--stages=extract", *template, folder=tmp_path)
    assert told.status == 1
    assert "extract is done for this config" in told.printed
    assert hashes(tmp_path / "work" / "extract") == before


def test_what_could_not_be_judged_is_tried_again(run_demo, monkeypatch, tmp_path):
    """The cause may have passed: the job that ended so is not taken over."""

    def too_many(*_):
        raise TooMuchQuarantined("too many could not be judged")

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.orchestrate.stages.check_quarantine", too_many)
        stopped = run_demo("--stages=extract", folder=tmp_path)
    assert stopped.status == 1
    assert "too many could not be judged" in stopped.printed
    jobs = record_jobs(monkeypatch)
    assert run_demo("--stages=extract", folder=tmp_path).status == 0
    assert jobs == ["pairsieve demo/extract"]


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_while_pictures_are_scored(workers, key_file, tmp_path):
    """Sent to the command alone, as `kill -INT` does; its worker processes hear nothing of it."""
    place = [
        "--output",
        str(tmp_path / "out"),
        "--work",
        str(tmp_path / "work"),
        "--set",
        f"publish.key_file={key_file}",
    ]
    command = [*interruptible_command(), *place, f"--direct_num_workers={workers}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "score: running" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130, said
    assert "interrupted: nothing goes on running\n" in said[-2]
