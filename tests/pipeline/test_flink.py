"""The four jobs on a real Flink: two task managers, and what happens when something is killed.

The right answer is the dataset of the local runner, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.datasets import hashes, rows_of
from tests.support.flink import FlinkCluster, flink_cluster, write_uber_jar
from tests.support.paths import REPOSITORY
from tests.support.slow_runs import (
    build_slow_plugin,
    install_slow_plugin,
    parts_in,
    slow_file,
    started_run,
    wait_until,
)

pytestmark = [pytest.mark.timeout(1200), pytest.mark.alone]

PUBLISHED = ("dataset/", "ledger/")
# Flink as it is installed, without what containers/ sets; a job waits 20 s for slots, not 5 minutes.
AS_INSTALLED = {"restart-strategy.type": "none", "slot.request.timeout": 20_000}


@pytest.fixture(scope="module")
def slow_site(tmp_path_factory) -> Path:
    return install_slow_plugin(tmp_path_factory.mktemp("slow"))


@pytest.fixture(scope="module")
def on_flink(tmp_path_factory, slow_site) -> Iterator[FlinkCluster]:
    """A cluster as it is shipped, whose workers have pairsieve as the image does."""
    with flink_cluster(tmp_path_factory.mktemp("flink"), (REPOSITORY, slow_site)) as found:
        yield found


@pytest.fixture(scope="module")
def sent(tmp_path_factory, wheel) -> list[str]:
    """The options that send what workers lack: pairsieve and the slow plugin."""
    plugin = build_slow_plugin(tmp_path_factory.mktemp("plugin"))
    return [f"--extra_package={wheel}", f"--extra_package={plugin}"]


@pytest.fixture
def started(key_file, slow_site, tmp_path):
    """Starts the command on a cluster, or without one on this machine."""

    def start(cluster: FlinkCluster | None, *arguments: str):
        options = ["--direct_num_workers=1"] if cluster is None else cluster.options
        return started_run([*options, *arguments], tmp_path, key_file, slow_site)

    return start


def said_by(run: subprocess.Popen, seconds: float = 600) -> str:
    """What the command printed until it ended."""
    said, _ = run.communicate(timeout=seconds)
    assert "Traceback" not in said, said
    return str(said)


def published(folder: Path) -> dict[str, str]:
    """The files of dataset and ledger with their hashes."""
    found = {name: digest for name, digest in hashes(folder).items() if name.startswith(PUBLISHED)}
    assert found
    return found


def dataset_in(folder: Path) -> dict[str, str]:
    """The files of the dataset with their hashes."""
    return {name: digest for name, digest in published(folder).items() if name.startswith("data")}


def hashes_of_parts(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in hashes(folder).items() if "part-" in name}


def finish(
    started, cluster: FlinkCluster, tmp_path: Path, demo_run, more: Sequence[str] = ()
) -> None:
    """The next run goes on from the parts that are there, to the dataset of the local runner."""
    for slow in tmp_path.glob("slow-*"):
        slow.unlink()
    finished = parts_in(tmp_path, "fetch")
    with started(cluster, *more) as run:
        said = said_by(run)
    assert run.returncode == 0, said
    again = parts_in(tmp_path, "fetch")
    assert {name: again[name] for name in finished} == finished, "a finished part is not done again"
    # The ledger names the detectors of this test too.
    assert dataset_in(tmp_path / "out") == dataset_in(demo_run.output)


def test_a_task_manager_is_killed_in_fetch(on_flink, started, tmp_path):
    """The short form of what follows: with the settings that are shipped, nobody notices."""
    slow_file(tmp_path, "fetch").touch()
    with started(on_flink, "--stages=extract,fetch") as run:
        wait_until(lambda: parts_in(tmp_path, "fetch"))
        assert len(parts_in(tmp_path, "fetch")) < len(parts_in(tmp_path, "extract"))
        on_flink.kill("taskmanager1")
        on_flink.kill("pool1")
        slow_file(tmp_path, "fetch").unlink()
        on_flink.start("pool1")
        on_flink.start("taskmanager1")
        said = said_by(run)
    assert run.returncode == 0, said
    assert set(on_flink.jobs().values()) == {"FINISHED"}
    # Each costs a cluster seconds. They were 34, and its workers were started three times.
    assert on_flink.tasks("pairsieve-demo-extract") == 14
    assert parts_in(tmp_path, "fetch").keys() == parts_in(tmp_path, "extract").keys()


@pytest.mark.soak
def test_the_same_bytes_as_on_the_local_runner(on_flink, key_file, demo_run, tmp_path):
    starts = on_flink.log("pool1").count("Starting worker")
    command = [sys.executable, "-m", "pipeline.run", *on_flink.options]
    command += ["--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    command += ["--set", f"publish.key_file={key_file}"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert published(tmp_path / "out") == published(demo_run.output)
    for stage in ("extract", "fetch", "score"):
        (here,), (local,) = (work.glob(f"{stage}/*") for work in (tmp_path / "work", demo_run.work))
        assert hashes_of_parts(here) == hashes_of_parts(local), stage
    # They were 30, and workers were started twice.
    assert on_flink.tasks("pairsieve-demo-publish") == 14
    # One start for each of the four jobs: workers are kept between the steps of a job.
    assert on_flink.log("pool1").count("Starting worker") - starts <= 4


@pytest.mark.soak
def test_verbs_of_a_dataset(on_flink, demo_run, tmp_path):
    """The work of `check`, `index` and `erase` is done on the cluster, with the same results."""
    rows = rows_of(demo_run.output)
    by_key = {"key": rows[0]["key"]}
    by_domain = {"domain": urlsplit(rows[-1]["URL"]).hostname}
    requests = tmp_path / "requests.jsonl"
    requests.write_text(f"{json.dumps(by_key)}\n{json.dumps(by_domain)}\n")
    found = {}
    for place, options in {"here": [], "flink": on_flink.options}.items():
        dataset = tmp_path / place / "out"
        shutil.copytree(demo_run.output, dataset)
        said = [
            called("check", dataset, *options, "--limit=medical_words=1"),
            called("index", dataset, *options),
            called("search", dataset, "--json", "--number=100", "star"),
            called("erase", dataset, *options, "--requests", str(requests), "--dry-run"),
            called("erase", dataset, *options, "--requests", str(requests)),
        ]
        found[place] = said, published(dataset)
    assert found["flink"] == found["here"]
    sent = {name for name, state in on_flink.jobs().items() if state == "FINISHED"}
    verbs = {f"pairsieve-{job}" for job in ("check", "index", "erase-find", "erase-rewrite")}
    assert verbs <= sent


def called(verb: str, dataset: Path, *arguments: str) -> str:
    """What a verb prints about a dataset, without where the dataset lies."""
    command = [sys.executable, "-m", "pipeline.cli", verb, "--dataset", str(dataset), *arguments]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.replace(str(dataset.parent), "")


@pytest.mark.soak
@pytest.mark.parametrize("stage", ["fetch", "score"])
def test_a_worker_is_killed(stage, on_flink, started, demo_run, tmp_path):
    """The restart strategy has its work done again."""
    slow_file(tmp_path, stage).touch()
    with started(on_flink) as run:
        wait_until(lambda: parts_in(tmp_path, stage))
        wait_until(lambda: on_flink.worker(1)).kill()
        slow_file(tmp_path, stage).unlink()
        said = said_by(run)
    assert run.returncode == 0, said
    assert dataset_in(tmp_path / "out") == dataset_in(demo_run.output)


@pytest.mark.soak
@pytest.mark.parametrize(("stage", "before"), [("extract", ""), ("publish", "extract,fetch,score")])
def test_a_task_manager_is_killed_in_a_short_job(
    stage, before, on_flink, started, demo_run, tmp_path
):
    """Its attempts are used up where they come faster than Flink notices the death."""
    if before:
        with started(None, f"--stages={before}") as run:
            said = said_by(run)
        assert run.returncode == 0, said
    job = f"pairsieve-demo-{stage}"
    known = on_flink.job_ids(job)
    with started(on_flink) as run:
        wait_until(lambda: on_flink.job_ids(job) - known)
        # From here on the task manager has tasks of the job.
        wait_until(lambda: on_flink.worker(1))
        on_flink.kill("taskmanager1")
        on_flink.kill("pool1")
        on_flink.start("pool1")
        on_flink.start("taskmanager1")
        said = said_by(run)
    assert run.returncode == 0, said
    assert on_flink.failures(job) > 0
    assert dataset_in(tmp_path / "out") == dataset_in(demo_run.output)


@pytest.fixture(scope="module")
def as_installed(tmp_path_factory, slow_site) -> Iterator[FlinkCluster]:
    """A cluster without the settings of containers/."""
    folder = tmp_path_factory.mktemp("as-installed")
    with flink_cluster(folder, (REPOSITORY, slow_site), AS_INSTALLED) as found:
        yield found


KILLED = {
    "taskmanager1": "fetch: a task manager is gone. Flink runs its work again only with a restart",
    "worker": "fetch: a worker is gone: it was killed, or its machine had no memory left. Flink",
    "jobmanager": "fetch: the job manager does not answer",
    "jobserver": "fetch: the job server does not answer any more. The job may go on where it runs",
}


@pytest.mark.soak
@pytest.mark.parametrize("killed", KILLED)
def test_what_the_user_reads_and_does(killed, as_installed, started, demo_run, tmp_path):
    """A cause and a remedy; the next run of the same command goes on."""
    slow_file(tmp_path, "fetch").touch()
    with started(as_installed, "--stages=extract,fetch") as run:
        wait_until(lambda: parts_in(tmp_path, "fetch"))
        if killed == "worker":
            wait_until(lambda: as_installed.worker(1)).kill()
        else:
            as_installed.kill(killed)
        said = said_by(run)
    assert run.returncode == 1, said
    assert f"pairsieve: the run failed: {KILLED[killed]}" in said
    if killed != "worker":
        as_installed.start(killed)
        as_installed.wait()
    slow_file(tmp_path, "fetch").unlink()
    # After the job server is lost, the job goes on.
    wait_until(lambda: "RUNNING" not in as_installed.jobs().values())
    finish(started, as_installed, tmp_path, demo_run)


@pytest.mark.soak
def test_more_parallelism_than_slots(as_installed, started, demo_run, tmp_path):
    with started(as_installed, "--parallelism=64", "--stages=extract") as run:
        said = said_by(run)
    assert run.returncode == 1, said
    assert "extract: the cluster has fewer free slots than the job wants: lower" in said
    finish(started, as_installed, tmp_path, demo_run)


@pytest.mark.soak
def test_workers_without_pairsieve(tmp_path_factory, started, demo_run, sent, tmp_path):
    """Beam's worker ends at once, and the task manager waits three minutes for it."""
    with flink_cluster(tmp_path_factory.mktemp("empty"), (), AS_INSTALLED) as empty:
        with started(empty, "--stages=extract") as run:
            said = said_by(run)
        assert run.returncode == 1, said
        assert "extract: " in said
        assert "send it with --setup_file=./setup.py" in said
        finish(started, empty, tmp_path, demo_run, sent)


@pytest.mark.soak
def test_a_silent_job_is_cancelled(on_flink, started, demo_run, tmp_path):
    """And started as a background job of a script, which ignores Ctrl-C."""
    with started(on_flink, "--stages=extract") as run:
        said_by(run)
    slow_file(tmp_path, "fetch").touch()
    # On a busy machine it takes half a minute until a worker says anything.
    with started(on_flink, "--stages=fetch", "--patience=1") as run:
        wait_until(lambda: parts_in(tmp_path, "fetch"))
        workers = [wait_until(lambda number=number: on_flink.worker(number)) for number in (1, 2)]
        for worker in workers:
            worker.suspend()
        said = said_by(run)
        for worker in workers:
            worker.kill()
    assert run.returncode == 1, said
    assert "fetch: nothing was finished or counted for 1 minutes" in said
    assert "The job pairsieve-demo-fetch was told to stop. See that it has" in said
    assert "`flink cancel ID`" in said
    wait_until(lambda: "RUNNING" not in on_flink.jobs().values())
    finish(started, on_flink, tmp_path, demo_run)


@pytest.mark.soak
def test_a_task_manager_that_does_not_see_the_artifacts(
    tmp_path_factory, started, demo_run, sent, tmp_path
):
    """Its workers do not get pairsieve, which the job brings, and nothing fails at once."""
    folder = tmp_path_factory.mktemp("apart")
    with flink_cluster(folder, (), AS_INSTALLED, "taskmanager2") as apart:
        with started(apart, "--stages=extract", "--patience=5", *sent) as run:
            said = said_by(run)
        assert run.returncode == 1, said
        assert "does not see the job server's folder of artifacts" in said
        logs = [apart.log(f"pool{number}") + apart.log(f"taskmanager{number}") for number in (1, 2)]
        assert ["failed to retrieve staged files" in log for log in logs] == [False, True]
        # The remedy: one folder for all of them.
        apart.without_artifacts = ""
        apart.kill("taskmanager2")
        apart.start("taskmanager2")
        apart.wait()
        finish(started, apart, tmp_path, demo_run, sent)


def outcomes_of(work: Path) -> set[str]:
    """What a run has counted, as the metrics show it."""
    lines = (work / "metrics.prom").read_text().splitlines()
    return {line for line in lines if line.startswith("pairsieve_outcomes{")}


@pytest.mark.soak
def test_a_job_in_one_jar(key_file, demo_run, tmp_path):
    """Without a job server. Beam has counters of what was tried alone; outcomes are exact."""
    jar = write_uber_jar(tmp_path / "uber.jar")
    settings = {"classloader.resolve-order": "child-first"}
    with flink_cluster(tmp_path, (REPOSITORY,), settings) as cluster:
        command = [sys.executable, "-m", "pipeline.run", *cluster.uber_jar_options(jar)]
        command += ["--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
        command += ["--set", f"publish.key_file={key_file}"]
        run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert published(tmp_path / "out") == published(demo_run.output)
    assert outcomes_of(tmp_path / "work") == outcomes_of(demo_run.work)
    assert len(outcomes_of(demo_run.work)) > 20
    metrics = (tmp_path / "work" / "metrics.prom").read_text()
    assert 'kind="attempted"' in metrics
    assert 'kind="committed"' not in metrics


@pytest.mark.soak
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["on_s3", "on_gs"])
def test_work_and_output_in_an_object_store(kind, request, key_file, demo_run, tmp_path):
    """Workers take the address and the account of the store from their environment."""
    root, store = request.getfixturevalue(kind)
    with flink_cluster(tmp_path, (REPOSITORY,)) as cluster:
        command = [sys.executable, "-m", "pipeline.run", *cluster.options]
        command += ["--output", f"{root}/flink/out", "--work", f"{root}/flink/work"]
        command += ["--set", f"publish.key_file={key_file}"]
        run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        states = cluster.jobs()
    assert run.returncode == 0, run.stderr
    assert len(states) == 4, "a job for each stage"
    there = {
        path.removeprefix("runs/flink/out/"): hashlib.sha256(store.cat(path)).hexdigest()
        for path in store.find("runs/flink/out")
    }
    expected = published(demo_run.output)
    assert {name: there.get(name) for name in expected} == expected
