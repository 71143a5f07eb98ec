"""What is built holds everything: the wheel, made from the sdist, runs in an environment that has
what it depends on and nothing of ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cluster import environment_without_us, package_files
from tests.support.datasets import hashes
from tests.support.paths import REPOSITORY


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The bin folder of an environment into which our wheel is installed."""
    folder = tmp_path_factory.mktemp("package")
    environment = environment_without_us(folder / "environment")
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


# clip-anytorch takes `packaging` from pkg_resources, which setuptools has no more.
BOTH = """
import sys, types, packaging.version
sys.modules["pkg_resources"] = types.SimpleNamespace(packaging=packaging)
import clip, pipeline, transforms, filters, pairsieve.clip
assert clip.available_models()
"""


def files_of(folder, distribution) -> set[str]:
    """The files that pip has recorded as those of a distribution."""
    (record,) = folder.rglob(f"{distribution}-*.dist-info/RECORD")
    return {line.split(",")[0] for line in record.read_text().splitlines()}


def test_it_lies_beside_clip_anytorch(wheel, tmp_path):
    """clip-retrieval needs it; it has a module `clip`, as we had. Either may come first."""
    peers = sorted((REPOSITORY / ".tools").glob("clip_anytorch-*.whl"))
    if not peers:
        pytest.skip("no wheel of clip-anytorch in .tools; .ci/run puts it there")
    for name, order in (("ours first", [wheel, *peers]), ("theirs first", [*peers, wheel])):
        environment = environment_without_us(tmp_path / name.replace(" ", "-"))
        python = environment / "bin" / "python"
        for path in order:
            command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
            command += ["--python", python, "install", "--no-deps", "--no-index", path]
            subprocess.run(command, check=True)
        assert not files_of(environment, "pairsieve") & files_of(environment, "clip_anytorch")
        done = call(python, "-c", BOTH, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        command = [sys.executable, "-m", "pip", "--quiet", "--python", python, "uninstall", "--yes"]
        subprocess.run([*command, "clip-anytorch"], check=True)
        done = call(python, "-c", "import pairsieve.clip, pipeline.run", cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_four_names_are_imported(installed):
    record = files_of(installed.parent, "pairsieve")
    names = {name.split("/")[0] for name in record if name.endswith(".py")}
    assert names == {"configs", "filters", "pairsieve", "pipeline", "transforms"}
