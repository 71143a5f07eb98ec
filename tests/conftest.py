"""What tests share: small WARC files, the demonstration run, and a secret."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.commands.run import main
from pipeline.config import load_config
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.plan import Plan, make_plan
from tests.site import Site, serve_site

# No example fails for being slow: the machine may be busy.
settings.register_profile("pairsieve", deadline=None)
settings.load_profile("pairsieve")

SECRET = "00" * 32
DEMO = CONFIGS / "demo.yaml"


@dataclass(frozen=True)
class DemoRun:
    """A finished run of the demonstration."""

    output: Path
    work: Path
    printed: str
    status: int


@pytest.fixture(scope="session")
def key_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "ledger.key"
    path.write_text(SECRET)
    return path


@pytest.fixture(scope="session")
def run_demo(tmp_path_factory, key_file) -> Callable[..., DemoRun]:
    """Run the command in this process, with one worker, into a fresh folder (or a given one)."""

    def run(*arguments: str, folder: Path | None = None) -> DemoRun:
        place = folder or tmp_path_factory.mktemp("run")
        output, work = place / "out", place / "work"
        own = [
            "--output",
            str(output),
            "--work",
            str(work),
            "--set",
            f"publish.key_file={key_file}",
            "--direct_num_workers=1",
        ]
        with _captured() as read:
            status = main([*own, *arguments])
            printed = read()
        return DemoRun(output, work, printed, status)

    return run


class _captured:
    """What a block prints to the process's own stdout and stderr (a session fixture has no
    capsys).
    """

    def __enter__(self) -> Callable[[], str]:
        import contextlib
        import io

        self._stream = io.StringIO()
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(contextlib.redirect_stdout(self._stream))
        self._stack.enter_context(contextlib.redirect_stderr(self._stream))
        return self._stream.getvalue

    def __exit__(self, *error: object) -> None:
        self._stack.close()


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
    with serve_site() as found:
        yield found
