"""Copy a dataset with fewer columns, for those who expect another layout.

pairsieve export --dataset runs/mine --out laion-like --laion-compat
    LAION's columns, names and types, and no others
pairsieve export --dataset runs/mine --out small --columns URL,TEXT
    these columns

The copy has the same shards with the same rows, and a manifest. So `pairsieve erase` works on it:
take people out of the copies too when they are taken out of the dataset. In a copy without sha256,
pdq and page_url only requests by image URL and domain find rows.

Exit status: 0 done, 2 the dataset cannot be copied.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipeline.commands.options import add_dataset, make_verb_parser


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = make_verb_parser("export", __doc__)
    add_dataset(parser, "the output directory of a run")
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
    from pipeline.dataset.writer import kept_unchanged

    columns = None if options.laion_compat else options.columns.split(",")
    try:
        with kept_unchanged(options.dataset):
            rows, shards = export(options.dataset, options.out, columns)
    except (NoSuchDataset, Damaged, InUse) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    sys.stdout.write(f"{options.out}: {rows} rows in {shards} shards\n")
    return 0
