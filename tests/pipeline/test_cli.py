from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from pipeline import __version__
from pipeline.cli import TASKS, main
from tests.pipeline.test_command import REPOSITORY

VERBS = sorted(verb for verbs in TASKS.values() for verb in verbs)


def said(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


@pytest.mark.parametrize("verb", VERBS)
def test_both_forms_say_the_same(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        import_module(f"pipeline.{verb}").main(["--help"])
    printed = capsys.readouterr()
    assert said(capsys, verb, "--help") == (ended.value.code, printed.out, printed.err)
    assert printed.out.startswith(f"usage: python -m pipeline.{verb}")


def test_every_command_is_a_verb():
    commands = {path.stem for path in (REPOSITORY / "pipeline").glob("*.py") if '__name__ == "__main__"' in path.read_text()}
    assert commands == set(VERBS)


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
