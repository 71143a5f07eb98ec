"""`pairsieve VERB`: every command of the product, with help that is grouped by task, and --version.

A verb's module is imported when the verb is called, and not before: `pairsieve --help` imports
none.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

import click

from pipeline import __version__
from pipeline.process_end import run_and_end

# What `--help` says of each verb is the first line of its module, word for word: a test compares
# them.
TASKS: Mapping[str, Mapping[str, str]] = {
    "Make a dataset": {
        "run": "Run the flow: WARC files in, a publishable dataset of links out.",
        "calibrate": "Find a threshold: score labelled pictures, and show what each one flags.",
        "hashes": "Hash a folder of pictures, to keep an evaluation set out of a dataset.",
    },
    "See what was decided": {
        "rules": "List detectors and rules, and explain or audit what they decided.",
        "report": "Write a dataset's report: one HTML page without network, pictures or captions.",
        "check": "Search a dataset for personal and medical data before it is released.",
        "audit": "Label a sample of rows blindly, and bound how much the rules missed.",
        "verify": "Check every file of a dataset, byte by byte, against its manifest.",
    },
    "Search it": {
        "index": "Make a dataset searchable by words, addresses, picture hashes and vectors.",
        "search": "Search a dataset on the command line: by words, address, picture or meaning.",
        "explore": "Serve the search page, where people find themselves and ask to be taken out.",
    },
    "Hand it on": {
        "export": "Copy a dataset with fewer columns, for those who expect another layout.",
        "hub": "Put a dataset on Hugging Face's Hub, and take erased rows off it with its history.",
        "papers": "Write papers about a dataset that a law or an office asks for.",
    },
    "Take people out, and clean up": {
        "requests": "List, approve and refuse what people asked for on the search page.",
        "erase": "Take out what people ask to be taken out, and keep it out.",
        "recheck": "Ask published links again, and take out what is refused, changed or gone.",
        "adopt": "Give a dataset that others made a manifest, so that every command works on it.",
        "follow": "Take out of your copy of a dataset what was erased from it, as its feed tells.",
        "purge": "Remove private results from a work directory: captions, pictures, scores.",
    },
}


class GroupedByTask(click.Group):
    """A group whose help lists its commands under their tasks."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for task, verbs in TASKS.items():
            with formatter.section(task):
                formatter.write_dl(list(verbs.items()))


def make_cli() -> click.Group:
    """The command with its verbs; what follows a verb is parsed by that verb's module."""
    commands = {verb: _command(verb) for verbs in TASKS.values() for verb in verbs}
    about = (
        "Common Crawl in, a publishable image-text dataset of links out. `pairsieve VERB --help` "
        "teaches each verb."
    )
    group = GroupedByTask("pairsieve", commands=commands, help=about)
    return click.version_option(__version__, prog_name="pairsieve")(group)


def _command(verb: str) -> click.Command:
    return click.Command(
        verb,
        callback=partial(_call, verb),
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
        add_help_option=False,
    )


def _call(verb: str, arguments: Sequence[str]) -> None:
    module = import_module(f"pipeline.commands.{verb}")
    sys.exit(module.main(list(arguments)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; ends the process with the verb's own status."""
    make_cli()(args=None if arguments is None else list(arguments))


def command() -> NoReturn:
    """What `pairsieve` on the command line is."""
    run_and_end(main)


if __name__ == "__main__":
    command()
