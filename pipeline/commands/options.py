"""Options that several verbs share."""

from __future__ import annotations

import argparse

MAX_ROWS = 1_000
"""That requests may take out without --yes; more than one person's pictures."""


def make_verb_parser(verb: str, doc: str | None) -> argparse.ArgumentParser:
    """The parser of a verb; `doc`, its module's docstring, is what `--help` shows.

    Abbreviated options are refused: a later version may have two that begin alike.
    """
    return argparse.ArgumentParser(
        prog=f"pairsieve {verb}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_dataset(parser: argparse.ArgumentParser, help_text: str) -> None:
    """`--dataset`, which must be given."""
    parser.add_argument("--dataset", required=True, metavar="DIR", help=help_text)


def add_set(parser: argparse.ArgumentParser) -> None:
    """`--set`, which changes settings of the config that is read."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=value",
        help="change one setting of the config; may be given again",
    )


def add_work(parser: argparse.ArgumentParser) -> None:
    """`--work`, which reads what a run kept private of its rows."""
    parser.add_argument(
        "--work",
        default="",
        metavar="DIR",
        help="the work directory of the run that made the dataset: it holds private tags, face "
        "counts and scores of the rows",
    )


def add_log_and_patience(parser: argparse.ArgumentParser) -> None:
    """`--log` and `--patience`, for verbs that run jobs."""
    parser.add_argument(
        "--log",
        default="text",
        choices=("text", "json", "quiet"),
        help="lines of text, with bars on a terminal; JSON lines; or errors alone (default: text)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="MINUTES",
        help="give up a job that makes no progress for this long (default: 60; 0: never)",
    )


def add_no_plugins(parser: argparse.ArgumentParser) -> None:
    """`--no-plugins`, for configs that somebody else wrote."""
    parser.add_argument(
        "--no-plugins",
        action="store_true",
        help="refuse detectors, rules and language detectors that are not pairsieve's own: "
        "a config that names them runs their code",
    )
