from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from pipeline import __version__
from pipeline.cli import TASKS, main
from tests.support.paths import REPOSITORY

VERBS = sorted(verb for verbs in TASKS.values() for verb in verbs)


def said(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb, capsys):
    status, out, err = said(capsys, verb, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: pairsieve {verb} ")


@pytest.mark.parametrize("verb", VERBS)
def test_the_line_of_a_verb_is_its_modules_first(verb):
    (line,) = [verbs[verb] for verbs in TASKS.values() if verb in verbs]
    assert (import_module(f"pipeline.commands.{verb}").__doc__ or "").partition("\n")[0] == line
    assert len(line) <= 85


def test_every_module_with_a_parser_is_a_verb():
    modules = (REPOSITORY / "pipeline" / "commands").glob("*.py")
    assert {path.stem for path in modules if "def make_parser" in path.read_text()} == set(VERBS)


def test_the_flow_starts_as_a_module_too():
    command = [sys.executable, "-m", "pipeline.run", "--help"]
    shown = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("usage: pairsieve run ")


def test_statuses_are_those_of_the_verb(tmp_path, capsys):
    status, _, err = said(capsys, "rules", "audit", "--dataset", str(tmp_path))
    assert status == 2
    assert "holds no manifest.json" in err


def test_help_is_grouped_by_task(capsys):
    status, out, _ = said(capsys, "--help")
    assert status == 0
    for task, verbs in TASKS.items():
        assert f"{task}:" in out
        for verb in verbs:
            assert f"\n  {verb} " in out


def test_version(capsys):
    assert said(capsys, "--version") == (0, f"pairsieve, version {__version__}\n", "")


def test_a_verb_that_is_none(capsys):
    status, _, err = said(capsys, "runn")
    assert status == 2
    assert "runn" in err


def test_the_script_is_installed():
    script = Path(sys.executable).with_name("pairsieve")
    if not script.exists():
        pytest.skip("the package is not installed with its scripts")
    shown = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.endswith(f"version {__version__}\n")
