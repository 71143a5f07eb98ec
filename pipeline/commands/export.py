"""Copy a dataset with fewer columns, for those who expect another layout.

pairsieve export --dataset runs/mine --out laion-like --laion-compat
    LAION's columns, names and types, and no others
pairsieve export --dataset runs/mine --out small --columns URL,TEXT
    these columns

The copy has the shards under the same names, row by row, and a manifest, so that `pairsieve erase`
works on it: people who are taken out of the dataset have to be taken out of its copies too. A copy
without sha256, pdq and page_url knows requests by image URL and domain alone. Exit status: 0 done,
2 it cannot be copied.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset", required=True, metavar="DIR", help="the output directory of a run"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="where the copy goes; a new or empty directory"
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--laion-compat", action="store_true", help="LAION's columns and nothing else"
    )
    which.add_argument("--columns", metavar="NAME,...", help="columns of your own choice")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    from pairsieve.storage.lock import InUse
    from pairsieve.storage.sealed import Damaged
    from pipeline.dataset.copy import export
    from pipeline.dataset.manifest import NoSuchDataset
    from pipeline.dataset.writer import held_still

    try:
        with held_still(options.dataset):
            rows, shards = export(
                options.dataset,
                options.out,
                None if options.laion_compat else options.columns.split(","),
            )
    except (NoSuchDataset, Damaged, InUse) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    sys.stdout.write(f"{options.out}: {rows} rows in {shards} shards\n")
    return 0
