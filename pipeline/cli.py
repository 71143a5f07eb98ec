"""`pairsieve VERB`: the same as `python -m pipeline.VERB`, with help that is grouped, completion and --version."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import click

from pipeline import __version__

TASKS: Mapping[str, tuple[str, ...]] = {
    "Make a dataset": ("run", "calibrate"),
    "See what was decided": ("rules", "report", "check", "verify"),
    "Search it": ("index", "search", "explore"),
    "Hand it on": ("export",),
    "Take people out, and clean up": ("requests", "erase", "adopt", "purge"),
}


class GroupedByTask(click.Group):
    """A group whose help lists its commands under their tasks."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for task, verbs in TASKS.items():
            with formatter.section(task):
                formatter.write_dl([(verb, self.commands[verb].get_short_help_str(90)) for verb in verbs])


def make_cli() -> click.Group:
    """The command with its verbs; whatever follows a verb is that module's own."""
    commands = {verb: _command(verb) for verbs in TASKS.values() for verb in verbs}
    about = "Common Crawl in, a publishable image-text dataset of links out. `pairsieve VERB --help` teaches each verb."
    group = GroupedByTask("pairsieve", commands=commands, help=about)
    return click.version_option(__version__, prog_name="pairsieve")(group)


def _command(verb: str) -> click.Command:
    module = import_module(f"pipeline.{verb}")
    return click.Command(
        verb,
        callback=partial(_call, module),
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
        add_help_option=False,
        short_help=(module.__doc__ or "").partition("\n")[0],
    )


def _call(module: Any, arguments: Sequence[str]) -> None:
    sys.exit(module.main(list(arguments)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; ends the process with the verb's own status."""
    make_cli()(args=None if arguments is None else list(arguments))
