"""The four jobs on a portable runner, with workers as a cluster has them: what they need is staged,
and nothing else is there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from pipeline.orchestrate.stage_result import MANIFEST
from tests.support.cluster import cluster
from tests.support.datasets import hashes
from tests.support.demo_runs import PLANTED
from tests.support.slow_runs import (
    PIP,
    build_slow_plugin,
    parts_in,
    started_run,
    wait_until,
)

# The job server waits a minute for a worker, which installs its packages first.
pytestmark = [pytest.mark.timeout(900), pytest.mark.alone]


@pytest.fixture(scope="module")
def plugin(wheel, tmp_path_factory):
    """The slow plugin and pairsieve as wheels, and where the plugin is installed for the command
    itself.
    """
    folder = tmp_path_factory.mktemp("plugin")
    slow = build_slow_plugin(folder)
    install = [*PIP, "install", "--no-deps", "--target", folder / "site"]
    subprocess.run([*install, slow], check=True)
    return [
        f"--extra_package={slow}",
        f"--extra_package={wheel}",
    ], folder / "site"


@pytest.fixture(scope="module")
def on_cluster(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


def started(options, folder, key_file, site, *arguments):
    """The command, slow in fetch and score while files say so."""
    return started_run([*options, *arguments], folder, key_file, site)


def test_what_workers_lack_is_named(on_cluster, plugin, key_file, tmp_path):
    """The first test: what a job brings stays in the workers' environment."""
    with started(on_cluster.options, tmp_path, key_file, plugin[1]) as run:
        said = run.communicate(timeout=300)[0]
    assert run.returncode == 1
    assert "workers lack what is here; send it with --setup_file=./setup.py" in said
    assert "Traceback" not in said


def test_the_same_bytes_as_on_the_local_runner(
    on_cluster, plugin, run_demo, demo_run, key_file, tmp_path
):
    staged, site = plugin
    with started(
        [*on_cluster.options, "--setup_file=./setup.py", staged[0]], tmp_path, key_file, site
    ) as run:
        said = run.communicate(timeout=300)[0]
    assert run.returncode == 0, said
    assert {
        k: v for k, v in hashes(tmp_path / "out").items() if k.startswith(("dataset/", "ledger/"))
    } == {k: v for k, v in hashes(demo_run.output).items() if k.startswith(("dataset/", "ledger/"))}
    metrics = (tmp_path / "work" / "metrics.prom").read_text()
    counter = 'pairsieve_beam_counter{kind="committed",name="pair_in",stage="score"} 193.0'
    assert counter in metrics
    said = [
        line[line.index('{"event"') : line.rindex("}") + 1]
        for line in on_cluster.log.read_text().splitlines()
        if '{"event"' in line
    ]
    logged = [json.loads(line.replace('\\"', '"')) for line in said]
    assert {one["stage"] for one in logged} == {"extract", "fetch", "score", "publish"}
    assert (
        sum(one["outcomes"].get("pair_kept", 0) for one in logged if one["stage"] == "score") == 181
    )
    assert not [line for line in said if "://" in line or any(word in line for word in PLANTED)]


@pytest.mark.soak  # the suite has it on the local runner: test_killed.py
@pytest.mark.parametrize("stage", ["fetch", "score"])
def test_a_worker_that_is_killed(stage, on_cluster, plugin, demo_run, key_file, tmp_path):
    slow = tmp_path / f"slow-{stage}"
    slow.touch()
    with started([*on_cluster.options, *plugin[0]], tmp_path, key_file, plugin[1]) as run:
        wait_until(lambda: parts_in(tmp_path, stage))
        on_cluster.worker().kill()
        said = run.communicate(timeout=300)[0]
    assert run.returncode == 1, said
    assert f"pairsieve: the run failed: {stage}: a worker is gone" in said
    assert "Traceback" not in said
    finished = parts_in(tmp_path, stage)
    assert not list(tmp_path.glob(f"work/{stage}/*/{MANIFEST}"))
    slow.unlink()
    with started([*on_cluster.options, *plugin[0]], tmp_path, key_file, plugin[1]) as run:
        said = run.communicate(timeout=300)[0]
    assert run.returncode == 0, said
    again = parts_in(tmp_path, stage)
    assert {name: again[name] for name in finished} == finished, "finished parts are not done again"
    same = {k: v for k, v in hashes(demo_run.output).items() if k.startswith("dataset/")}
    assert {k: v for k, v in hashes(tmp_path / "out").items() if k.startswith("dataset/")} == same


@pytest.mark.soak  # the suite has it on the local runner: test_killed.py
def test_a_killed_worker_has_nothing_asked_for_again(
    on_cluster,
    plugin,
    site,
    demo_on_site,
    key_file,
    tmp_path,
):
    """From the web: of a part that is finished, every picture is asked for once."""
    web = [
        "fetch.source=web", "fetch.contact=https://example.org/bot", f"fetch.ports=[{site.port}]",
        "fetch.allow_networks=[127.0.0.1/32]",
        "fetch.min_interval_s=0.02",
    ]  # fmt: skip
    options = [
        *on_cluster.options,
        *plugin[0],
        f"--input={demo_on_site}",
        "--stages=extract,fetch",
        *(f"--set={setting}" for setting in web),
    ]
    slow = tmp_path / "slow-fetch"
    slow.touch()
    with started(options, tmp_path, key_file, plugin[1]) as run:
        wait_until(lambda: parts_in(tmp_path, "fetch"))
        on_cluster.worker().kill()
        said = run.communicate(timeout=300)[0]
    assert run.returncode == 1, said
    finished = parts_in(tmp_path, "fetch")
    slow.unlink()
    with started(options, tmp_path, key_file, plugin[1]) as run:
        said = run.communicate(timeout=300)[0]
    assert run.returncode == 0, said
    assert len(parts_in(tmp_path, "fetch")) > len(finished), (
        "else the kill came too late to tell anything"
    )
    (extracted,), (fetched,) = tmp_path.glob("work/extract/*"), tmp_path.glob("work/fetch/*")
    tables = [
        (
            pq.read_table(extracted / name)["url"].to_pylist(),
            pq.read_table(fetched / name)["status"].to_pylist(),
        )
        for name in finished
    ]
    requested = {
        urlsplit(url).path
        for urls, statuses in tables
        for url, status in zip(urls, statuses, strict=True)
        if status == "ok"
    }
    assert requested
    assert {path: site.asked[path] for path in requested} == dict.fromkeys(requested, 1)


@pytest.mark.soak  # the suite has the watchdog alone: test_engine.py
def test_a_worker_that_hangs(on_cluster, plugin, key_file, tmp_path):
    (tmp_path / "slow-fetch").touch()
    with started(
        [*on_cluster.options, *plugin[0]],
        tmp_path,
        key_file,
        plugin[1],
        "--stages=extract,fetch",
        "--patience=0.25",
    ) as run:
        wait_until(lambda: parts_in(tmp_path, "fetch"))
        worker = on_cluster.worker()
        worker.suspend()
        said = run.communicate(timeout=300)[0]
    worker.kill()
    assert run.returncode == 1, said
    assert (
        "pairsieve: the run failed: fetch: nothing was finished or counted for 0.25 minutes" in said
    )


@pytest.mark.soak  # the suite has it on the local runner: test_command.py
def test_who_stops_waiting_is_told_what_goes_on(on_cluster, plugin, key_file, tmp_path):
    (tmp_path / "slow-fetch").touch()
    with started(
        [*on_cluster.options, *plugin[0]],
        tmp_path,
        key_file,
        plugin[1],
        "--stages=extract,fetch",
        "--job_name=nightly",
    ) as run:
        wait_until(lambda: parts_in(tmp_path, "fetch"))
        os.kill(run.pid, signal.SIGINT)
        said = run.communicate(timeout=300)[0]
    assert run.returncode == 130, said
    assert (
        "pairsieve: interrupted: the job pairsieve-nightly-fetch goes on running; to stop it: "
        "cancel it where it runs" in said
    )
    (tmp_path / "slow-fetch").unlink()
    count = len(parts_in(tmp_path, "extract"))
    wait_until(lambda: len(parts_in(tmp_path, "fetch")) == count)
