"""Nobody pays for what they do not use: which libraries each command and each stage imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.cli import TASKS
from tests.support.paths import REPOSITORY

# A process that has scored has imported the models.
RUNS = ("extract,fetch", "score", "publish")
VERBS = [verb for verbs in TASKS.values() for verb in verbs]
MODELS = ("torch", "open_clip")
SEARCH = ("faiss", "tantivy", "fastapi", "uvicorn")
PICTURES = ("matplotlib", "onnxruntime", "cv2", "c2pa", "rapidocr_onnxruntime")
HEAVY = (*MODELS, *SEARCH, *PICTURES)


def imported(code: str, names, *arguments) -> list[str]:
    """Which of `names` a new process has imported once it has run the code."""
    program = f"import sys\n{code}\nprint('imported', *[n for n in {names!r} if n in sys.modules])"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("arguments", [[], *([verb] for verb in VERBS)])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "from pipeline.cli import main\n"
        f"try: main({[*arguments, '--help']!r})\nexcept SystemExit as ended: assert not ended.code"
    )
    assert imported(code, (*HEAVY, "apache_beam", "pyarrow", "numpy")) == []


@pytest.mark.parametrize(
    "module", ["pipeline.config", "pipeline.orchestrate.plan", "pipeline.orchestrate.command"]
)
def test_settings_and_plans_import_no_beam(module):
    assert imported(f"import {module}", (*HEAVY, "apache_beam")) == []


@pytest.mark.parametrize("module", ["pipeline.flow", "pipeline.orchestrate.local_workers"])
def test_the_flow_imports_nothing_heavy(module):
    assert imported(f"import {module}", HEAVY) == []


def test_what_workers_import(key_file, tmp_path):
    """One process does all: it is the launcher and the worker of the stages that it runs."""
    place = ["--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    common = [*place, "--direct_num_workers=1", "--log=quiet", f"--set=publish.key_file={key_file}"]
    code = "from pipeline.commands.run import main\nassert main(sys.argv[1:]) == 0"
    names = (*MODELS, *SEARCH)
    found = {run: imported(code, names, *common, f"--stages={run}") for run in RUNS}
    assert found == {"extract,fetch": [], "score": [*MODELS], "publish": []}
