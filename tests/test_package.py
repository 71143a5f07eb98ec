"""What is built holds everything: the wheel, made from the sdist, runs in an environment that has
what it depends on and nothing of ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cluster import build_wheel, environment_without_us, package_files
from tests.support.datasets import hashes


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The bin folder of an environment into which our wheel is installed."""
    folder = tmp_path_factory.mktemp("package")
    wheel, environment = (
        build_wheel(folder / "built"),
        environment_without_us(folder / "environment"),
    )
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--python",
        environment / "bin" / "python",
    ]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True)
    return environment / "bin"


def call(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_whole_flow_from_another_folder(installed, demo_run, key_file, tmp_path):
    command = [
        installed / "python",
        "-m",
        "pipeline.run",
        "--runner=DirectRunner",
        "--output",
        "out",
        "--work",
        "work",
    ]
    done = call(*command, "--set", f"publish.key_file={key_file}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    same = {
        name: digest
        for name, digest in hashes(demo_run.output).items()
        if name.startswith(("dataset/", "ledger/"))
    }
    assert {name: hashes(tmp_path / "out")[name] for name in same} == same


@pytest.mark.parametrize("verb", ["rules list", "search --help", "explore --help", "check --help"])
def test_the_console_script_finds_its_modules(verb, installed, tmp_path):
    done = call(installed / "pairsieve", *verb.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_file_that_code_reads_is_in_it(installed, tmp_path):
    """Templates, vocabularies, word lists, styles: whatever lies in our packages and is no
    Python.
    """
    there = call(
        installed / "python",
        "-c",
        "import pipeline, pathlib; print(pathlib.Path(pipeline.__file__).parent.parent)",
        cwd=tmp_path,
    )
    root = Path(there.stdout.strip())
    assert root.is_relative_to(installed.parent)
    wanted = [name for name in package_files() if not name.endswith((".py", ".md"))]
    assert len(wanted) > 20
    assert [name for name in wanted if not (root / name).exists()] == []
