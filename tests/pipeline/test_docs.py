"""The documentation is true: every setting, option, verb, detector and rule is in it, and the
commands in it run.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from filters.registry import DETECTORS, RULES
from pipeline.cli import TASKS
from pipeline.config import Config
from tests.support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
FILTERS = (REPOSITORY / "docs" / "filters.md").read_text()
OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text()
OUTPUT = (REPOSITORY / "docs" / "output.md").read_text()
SETTINGS = (REPOSITORY / "docs" / "settings.md").read_text()
VERB_PAGE = (REPOSITORY / "docs" / "verbs.md").read_text()
VERBS = [verb for verbs in TASKS.values() for verb in verbs]
ROW = re.compile(r"^\| `([a-zA-Z_.]+)` \| (.*?) ?\| (.+) \|$", re.MULTILINE)
RUN = re.compile(r"^```sh run\n(.*?)^```", re.MULTILINE | re.DOTALL)


def settings(kind: type[Any] = Config, place: str = "") -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(kind)
    for f in fields(kind):
        below = next(
            (
                hint
                for hint in (hints[f.name], *get_args(hints[f.name]))
                if isinstance(hint, type) and is_dataclass(hint)
            ),
            None,
        )
        if below:
            yield from settings(
                below, f"{place}{f.name}." + ("" if below is hints[f.name] else "NAME.")
            )
        else:
            yield (
                f"{place}{f.name}",
                f.default_factory() if f.default_factory is not MISSING else f.default,
            )


def test_every_setting_is_documented_with_its_default():
    documented = {name: default.strip("`") for name, default, _ in ROW.findall(SETTINGS)}
    wanted = {
        name: "must be set" if default is MISSING else str(default) for name, default in settings()
    }
    assert documented.keys() == wanted.keys()
    del documented["fetch.transient"], wanted["fetch.transient"]  # too long for a table
    assert documented == wanted


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_has_a_row_on_the_page_of_filters(name):
    detectors = FILTERS.split("\n## Detectors\n")[1]
    assert f"\n| `{name}` | " in detectors


@pytest.mark.parametrize("name", RULES)
def test_every_rule_has_a_row_with_its_settings_on_the_page_of_filters(name):
    rules = FILTERS.split("\n## Rules\n")[1].split("\n## Detectors\n")[0]
    (row,) = [line for line in rules.splitlines() if line.startswith(f"| `{name}` | ")]
    *_, before_the_fetch, named, _ = row.split("|")
    assert set(re.findall(r"`(\w+)`", named)) == {setting.name for setting in fields(RULES[name])}
    assert (before_the_fetch.strip() == "yes") == RULES[name].saves_request


def actions_of(verb: str) -> Iterator[argparse.Action]:
    """Every argument and option of a verb and of the commands below it."""
    parsers = [import_module(f"pipeline.commands.{verb}").make_parser()]
    while parsers:
        parser = parsers.pop()
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
            else:
                yield action


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_readme(verb):
    assert f"`pairsieve {verb}`" in README


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_help(verb):
    for action in actions_of(verb):
        assert action.help, f"{verb}: {action.option_strings or action.dest}"


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_of_verbs_has_every_option_and_no_other(verb):
    options = {
        option
        for action in actions_of(verb)
        for option in action.option_strings
        if option not in ("-h", "--help")
    }
    section = VERB_PAGE.split(f"\n## {verb}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`--.+?) \|", section, re.MULTILINE)
    assert {option for cell in cells for option in re.findall(r"`(--[a-z-]+)", cell)} == options


def test_the_readme_is_short():
    assert len(README.splitlines()) < 180


def pages() -> list[Path]:
    """Every page of the documentation."""
    names = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
    return [*(REPOSITORY / name for name in names), *(REPOSITORY / "docs").glob("*.md")]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_in_the_documentation_leads_somewhere():
    for page in pages():
        for link in re.findall(r"\]\((?!https?:)([^)\s]+)", page.read_text()):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {link}"
            if anchor:
                assert anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_file_of_ours_that_is_named_is_there(page):
    folders = "benchmarks|configs|filters|pairsieve|pipeline|tests|transforms"
    named = re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text())
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def texts_in_code() -> str:
    """Every string in our code; an f-string without what it inserts."""
    packages = ("pairsieve", "filters", "transforms", "pipeline")
    modules = [path for package in packages for path in (REPOSITORY / package).rglob("*.py")]
    nodes = [node for path in modules for node in ast.walk(ast.parse(path.read_text()))]
    constants = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return "\0".join(value for value in constants if isinstance(value, str))


def test_every_message_that_is_explained_is_in_the_code():
    section = OPERATIONS.split("\n## When it fails\n")[1].split("\n## ")[0]
    messages = re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)
    assert len(messages) >= 11
    code = texts_in_code()
    for message in messages:
        # three dots, N and M stand for what the message inserts
        for words in re.split(r"\.\.\.,?|\b[NM]\b", message):
            assert words.strip() in code, message


def test_every_promise_names_tests_that_are_there():
    text = (REPOSITORY / "SECURITY.md").read_text("utf-8")
    promises = re.findall(r"^\| (\d+) \| .+ \| (.+) \| .+ \|$", text, re.MULTILINE)
    assert [number for number, _ in promises] == [str(number) for number in range(1, 13)]
    assert all("`tests/" in tested for _, tested in promises)
    assert [
        name
        for name in re.findall(r"`(tests/[\w/]+\.py)`", text)
        if not (REPOSITORY / name).exists()
    ] == []


def test_what_the_documentation_tells_to_type_runs(tmp_path):
    """In the order of the README and then of docs/output.md, as a newcomer types it.

    `make` must not install anew into the environment that runs this.
    """
    blocks = RUN.findall(README) + RUN.findall(OUTPUT)
    assert len(blocks) >= 4
    if not (REPOSITORY / ".venv" / "bin" / "python").exists():
        pytest.skip("the environment that `make` makes is not there")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)}
    printed = ""
    for block in blocks:
        script = "set -e\n" + re.sub(
            r"^make ", "make -o .venv/installed ", block, flags=re.MULTILINE
        )
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ran.returncode == 0, f"{block}\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}"
        printed += ran.stdout
    shown = next(
        block
        for block in re.findall(r"^```text\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
        if "runs/demo" in block
    )
    said = {" ".join(line.split()) for line in printed.splitlines()}
    assert [
        line for line in shown.splitlines() if line != "..." and " ".join(line.split()) not in said
    ] == []
