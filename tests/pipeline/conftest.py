"""What tests of whole runs share: object stores, and crawls with pictures on the loopback site."""

from __future__ import annotations

import pytest

from tests.support.demo_on_site import write_demo_crawl
from tests.support.forked_commands import ForkedCommands
from tests.support.web_crawl import web_settings, write_crawl


@pytest.fixture(scope="session", autouse=True)
def _quick_commands(reused_charts, quick_beam):
    """Commands that tests call without `run_demo` run jobs and write reports as well."""


@pytest.fixture(scope="session")
def commands():
    """Runs commands that may be killed."""
    forked = ForkedCommands()
    yield forked
    forked.close()


@pytest.fixture
def on_s3(s3, monkeypatch):
    """A bucket's address, and the file system that reads it."""
    s3fs = pytest.importorskip("s3fs")
    account = {
        "AWS_ENDPOINT_URL": s3,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "secret-of-s3",
    }
    for name, value in account.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    if not store.exists("runs"):
        store.mkdir("runs")
    yield "s3://runs", store
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def on_gs(gcs, monkeypatch):
    """A bucket's address, and the file system that reads it."""
    # gcsfs reads this when it is imported; without it, it waits for a minute.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    gcsfs = pytest.importorskip("gcsfs")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    gcsfs.GCSFileSystem.clear_instance_cache()
    store = gcsfs.GCSFileSystem(project="test", token="anon")
    if not store.exists("runs"):
        store.mkdir("runs")
    yield "gs://runs", store
    gcsfs.GCSFileSystem.clear_instance_cache()


@pytest.fixture
def demo_on_site(site, tmp_path):
    """The demonstration crawl as a WARC, its pictures on the loopback site."""
    path = tmp_path / "crawl.warc.gz"
    write_demo_crawl(site, path)
    return path


@pytest.fixture
def crawl(site, tmp_path):
    """A WARC of a few pages that show three pictures of the loopback site."""
    path = tmp_path / "crawl.warc.gz"
    write_crawl(site, path)
    return path


@pytest.fixture
def run_web(run_demo, site, crawl, tmp_path):
    """Run the command on the small crawl; settings as `a.b=c`, other options as `--option`."""

    def run(*overrides: str, given: str = str(crawl)):
        flags = [override for override in overrides if override.startswith("--")]
        settings = [override for override in overrides if not override.startswith("--")]
        own = [*web_settings(site), "fetch.min_interval_s=0"]
        set_options = [f"--set={setting}" for setting in (*own, *settings)]
        return run_demo("--input", given, *set_options, *flags, folder=tmp_path)

    return run
