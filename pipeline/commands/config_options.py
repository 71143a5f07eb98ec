"""Options of every verb that reads a config."""

from __future__ import annotations

import argparse


def add_no_plugins(parser: argparse.ArgumentParser) -> None:
    """`--no-plugins`, for configs that somebody else wrote."""
    parser.add_argument(
        "--no-plugins",
        action="store_true",
        help="refuse detectors, rules and language detectors that are not pairsieve's own: "
        "a config that names them runs their code",
    )
