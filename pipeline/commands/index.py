"""Make a dataset searchable by words, addresses, picture hashes and vectors.

pairsieve index --dataset runs/mine                        writes runs/mine.index
pairsieve index --dataset runs/mine --out /srv/index       elsewhere; a local folder

Called again, it indexes only shards that have changed, and forgets those that are gone: do so after
every erasure. Works on adopted datasets too. Needs the extra `search`. Exit status: 0 done, 2 there
is no dataset, or the folder holds something else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipeline.commands.extras import lacks


def make_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="pairsieve index",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="DIR",
        help="the output directory of a run, or a dataset that was adopted",
    )
    parser.add_argument(
        "--out", metavar="DIR", help="a local folder (default: DATASET.index beside the dataset)"
    )
    parser.add_argument(
        "--exact-below",
        type=int,
        default=100_000,
        metavar="ROWS",
        help="fewer vectors are all looked at (default: 100000)",
    )
    parser.add_argument(
        "--recall",
        type=float,
        default=0.99,
        help="of the ten nearest, where not all are looked at (default: 0.99)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = make_parser().parse_args(arguments)
    if lacks("search"):
        return 2
    from pairsieve.search.index import BadIndex, build
    from pairsieve.search.vectors import VectorSettings
    from pairsieve.storage.lock import InUse
    from pipeline.dataset.manifest import NoSuchDataset, read_manifest
    from pipeline.dataset.writer import held_still

    out = options.out or index_of(options.dataset)
    try:
        settings = VectorSettings(options.exact_below, options.recall)
        with held_still(options.dataset):
            manifest = read_manifest(options.dataset)
            done, shards = build(
                options.dataset, manifest, out, settings, _tell if sys.stderr.isatty() else _silent
            )
    except (NoSuchDataset, BadIndex, InUse) as error:
        sys.stderr.write(f"pairsieve: {error}\n")
        return 2
    sys.stdout.write(f"{out}: {done} of {shards} shards indexed, version {manifest.version}\n")
    return 0


def index_of(dataset: str) -> str:
    """Where a dataset's index lies if nothing else is said."""
    return f"{dataset.rstrip('/')}.index"


def _tell(done: int, total: int) -> None:
    sys.stderr.write(f"\r{done:,} of {total:,} rows" + ("\n" if done >= total else ""))


def _silent(done: int, total: int) -> None:
    pass
