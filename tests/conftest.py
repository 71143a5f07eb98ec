"""What tests share: a secret, runs of the demonstration, and servers on loopback."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pipeline.commands.run import main
from pipeline.load_config import load_config
from pipeline.orchestrate.plan import Plan, make_plan
from tests.support.cluster import build_wheel
from tests.support.demo_runs import DemoRun, captured
from tests.support.paths import DEMO
from tests.support.site import Site, serve_site
from tests.support.stores import serve_google_storage, serve_s3

SECRET = "00" * 32

# How long an example takes depends on how busy the machine is.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def _without_fsync() -> Iterator[None]:
    """No test cuts the power, so none can tell whether a file has reached the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def key_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "ledger.key"
    path.write_text(SECRET)
    return path


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """Our wheel, built once."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def reused_charts() -> Iterator[None]:
    """Reports show charts that an earlier run drew, where the numbers are the same."""
    from tests.support.charts import reuse_charts

    with pytest.MonkeyPatch.context() as patch:
        reuse_charts(patch)
        yield


@pytest.fixture(scope="session")
def quick_beam() -> Iterator[None]:
    """Jobs in this process take half of the time; what they compute stays the same."""
    from tests.support.quick_beam import quicken_beam

    with pytest.MonkeyPatch.context() as patch:
        quicken_beam(patch)
        yield


@pytest.fixture(scope="session")
def run_demo(tmp_path_factory, key_file, reused_charts, quick_beam) -> Callable[..., DemoRun]:
    """Run the command in this process, with one worker, into a fresh folder (or a given one)."""

    def run(*arguments: str, folder: Path | None = None) -> DemoRun:
        run_folder = folder or tmp_path_factory.mktemp("run")
        output, work = run_folder / "out", run_folder / "work"
        fixed = ["--output", str(output), "--work", str(work), "--direct_num_workers=1"]
        fixed += ["--set", f"publish.key_file={key_file}"]
        with captured() as printed:
            status = main([*fixed, *arguments])
        return DemoRun(output, work, printed.getvalue(), status)

    return run


@pytest.fixture(scope="session")
def demo_run(run_demo) -> DemoRun:
    return run_demo()


@pytest.fixture(scope="session")
def demo_plan() -> Plan:
    return make_plan(
        load_config(DEMO, given={"output": "/nonexistent/out", "work": "/nonexistent/work"})
    )


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    yield


@pytest.fixture
def site() -> Iterator[Site]:
    with serve_site() as served:
        yield served


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with serve_s3() as url:
        yield url


@pytest.fixture(scope="module")
def gcs() -> Iterator[str]:
    with serve_google_storage() as url:
        yield url
