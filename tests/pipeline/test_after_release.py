"""What docs/after-release.md tells to type is understood by the commands, and the verbs that the
page is about are all on it.
"""

from __future__ import annotations

import re
import shlex
from importlib import import_module

import pytest

from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "after-release.md").read_text()
TYPED = re.findall(r"^(?:> `)?(pairsieve [^`#\n]+)", PAGE, re.MULTILINE)
TYPED += [command for command in re.findall(r"`(pairsieve [^`]+)`", PAGE) if " --" in command]


def test_commands_are_found():
    verbs = {command.split()[1] for command in TYPED}
    assert verbs >= {"requests", "erase", "hub", "verify", "follow", "check", "audit", "papers"}


@pytest.mark.parametrize("command", sorted(set(TYPED)))
def test_a_command_is_understood(command, capsys):
    _, verb, *arguments = shlex.split(command)
    parser = import_module(f"pipeline.commands.{verb}").make_parser()
    required = {
        option
        for action in parser._actions
        if action.required
        for option in action.option_strings[:1]
    }
    # A sentence may name a command by its first words; what it names must be right.
    given = {argument for argument in arguments if argument.startswith("--")}
    missing = [f"{option}=x" for option in sorted(required - given)]
    try:
        parser.parse_args([*arguments, *missing])
    except SystemExit:
        # `search --image`, without the file.
        parser.parse_args([*arguments, "x", *missing])


@pytest.mark.parametrize(
    "article",
    ["GDPR 12(3)", "GDPR 17(2)", "GDPR 19", "GDPR 21(1)", "article 53(1)(d)", "article 4(3)"],
)
def test_the_articles_are_named(article):
    assert article in PAGE
